//! Operational events that an operator is told of: what they are, and when something has become one.
//!
//! [`Watcher`] compares what is seen now with what was seen before. The first look tells nothing, for nobody knows what
//! changed before it. The same is told of the same thing at most once in a while.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use uuid::Uuid;

use super::ids::NodeId;
use super::node::Node;
use super::stats::{Health, WebhookLabel, WebhookStats};
use super::time::Timestamp;
use super::webhook::{DisableReason, WebhookState};

/// Fewer failures than this may be chance.
const LEAST_FAILURES: u64 = 3;

/// Something that an operator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// The dispatcher gave up on a webhook.
    WebhookDisabled(WebhookLabel, DisableReason),
    /// Deliveries of a webhook were given up, so many in the last while.
    DeadLetters(WebhookLabel, u64),
    /// Every attempt for a webhook fails, so many in the last while.
    WebhookFailing(WebhookLabel, u64),
    /// A webhook that failed takes deliveries again.
    WebhookRecovered(WebhookLabel),
    /// A node fell silent without saying that it stops.
    NodeLost(Node),
}

impl Alert {
    /// The word for it, as receivers get it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::WebhookDisabled(..) => "webhook.disabled",
            Self::DeadLetters(..) => "delivery.dead_lettered",
            Self::WebhookFailing(..) => "webhook.failing",
            Self::WebhookRecovered(..) => "webhook.recovered",
            Self::NodeLost(..) => "node.lost",
        }
    }

    /// The webhook that it is about, if it is about one.
    #[must_use]
    pub const fn webhook(&self) -> Option<&WebhookLabel> {
        match self {
            Self::WebhookDisabled(webhook, _)
            | Self::DeadLetters(webhook, _)
            | Self::WebhookFailing(webhook, _)
            | Self::WebhookRecovered(webhook) => Some(webhook),
            Self::NodeLost(_) => None,
        }
    }

    /// The node that it is about, if it is about one.
    #[must_use]
    pub const fn node(&self) -> Option<&Node> {
        match self {
            Self::NodeLost(node) => Some(node),
            _ => None,
        }
    }

    /// One sentence for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::WebhookDisabled(webhook, reason) => {
                format!(
                    "The webhook \"{}\" was disabled ({}): its deliveries wait until somebody resumes it.",
                    webhook.name,
                    reason.as_str()
                )
            }
            Self::DeadLetters(webhook, count) => format!("{count} deliveries for the webhook \"{}\" were given up.", webhook.name),
            Self::WebhookFailing(webhook, count) => {
                format!("All of the last {count} attempts for the webhook \"{}\" failed.", webhook.name)
            }
            Self::WebhookRecovered(webhook) => format!("The webhook \"{}\" takes deliveries again.", webhook.name),
            Self::NodeLost(node) => format!("The node \"{}\" fell silent; the others take up its work.", node.name),
        }
    }

    fn about(&self) -> Uuid {
        match (self.webhook(), self.node()) {
            (Some(webhook), _) => webhook.id.as_uuid(),
            (None, Some(node)) => node.id.as_uuid(),
            (None, None) => Uuid::nil(),
        }
    }
}

/// Tells when something has become worth telling.
pub struct Watcher {
    /// The same is told of the same thing once in this time.
    quiet: Duration,
    before: Option<Seen>,
    told: HashMap<(&'static str, Uuid), Timestamp>,
}

#[derive(Default)]
struct Seen {
    failing: HashSet<Uuid>,
    disabled: HashSet<Uuid>,
    living: HashSet<NodeId>,
}

impl Watcher {
    /// Tells the same of the same thing once in `quiet`.
    #[must_use]
    pub fn new(quiet: Duration) -> Self {
        Self { quiet, before: None, told: HashMap::new() }
    }

    /// What is worth telling of this: how every webhook did in the last while, and which nodes are known, with whether they
    /// live.
    pub fn look(&mut self, webhooks: &[WebhookStats], nodes: &[(Node, bool)], now: Timestamp) -> Vec<Alert> {
        let before = self.before.take();
        let seen = Seen::of(webhooks, nodes, before.as_ref());
        let alerts = before.map(|before| before.compare(&seen, webhooks, nodes)).unwrap_or_default();
        self.before = Some(seen);
        self.told.retain(|_, at| now.since(*at) < self.quiet);
        alerts.into_iter().filter(|alert| self.told.insert_if_absent((alert.kind(), alert.about()), now)).collect()
    }
}

trait InsertIfAbsent<K, V> {
    fn insert_if_absent(&mut self, key: K, value: V) -> bool;
}

impl<K: std::hash::Hash + Eq, V> InsertIfAbsent<K, V> for HashMap<K, V> {
    /// Whether it was absent.
    fn insert_if_absent(&mut self, key: K, value: V) -> bool {
        let is_absent = !self.contains_key(&key);
        if is_absent {
            self.insert(key, value);
        }
        is_absent
    }
}

impl Seen {
    fn of(webhooks: &[WebhookStats], nodes: &[(Node, bool)], before: Option<&Self>) -> Self {
        let id = |stats: &WebhookStats| stats.webhook.id.as_uuid();
        let failed_before = |stats: &WebhookStats| before.is_some_and(|before| before.failing.contains(&id(stats)));
        let fails = |stats: &&WebhookStats| match stats.health() {
            Health::Failing => stats.counts.failed >= LEAST_FAILURES || failed_before(stats),
            // Nobody knows better while nothing is tried.
            Health::Idle | Health::Paused | Health::Disabled => failed_before(stats),
            Health::Healthy | Health::Degraded => false,
        };
        Self {
            failing: webhooks.iter().filter(fails).map(id).collect(),
            disabled: webhooks.iter().filter(|stats| stats.health() == Health::Disabled).map(id).collect(),
            living: nodes.iter().filter(|(_, lives)| *lives).map(|(node, _)| node.id).collect(),
        }
    }

    fn compare(&self, now: &Self, webhooks: &[WebhookStats], nodes: &[(Node, bool)]) -> Vec<Alert> {
        let mut alerts: Vec<Alert> = webhooks.iter().flat_map(|stats| self.compare_webhook(now, stats)).collect();
        let is_lost = |(node, lives): &&(Node, bool)| !lives && self.living.contains(&node.id);
        alerts.extend(nodes.iter().filter(is_lost).map(|(node, _)| Alert::NodeLost(node.clone())));
        alerts
    }

    fn compare_webhook(&self, now: &Self, stats: &WebhookStats) -> Vec<Alert> {
        let (webhook, id) = (&stats.webhook, stats.webhook.id.as_uuid());
        let mut alerts = Vec::new();
        if let WebhookState::Disabled(reason) = webhook.state
            && !self.disabled.contains(&id)
        {
            alerts.push(Alert::WebhookDisabled(webhook.clone(), reason));
        }
        match (self.failing.contains(&id), now.failing.contains(&id)) {
            (false, true) => alerts.push(Alert::WebhookFailing(webhook.clone(), stats.counts.failed)),
            (true, false) => alerts.push(Alert::WebhookRecovered(webhook.clone())),
            _ => {}
        }
        if stats.counts.dead_lettered > 0 {
            alerts.push(Alert::DeadLetters(webhook.clone(), stats.counts.dead_lettered));
        }
        alerts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::node::NodeRole;
    use crate::domain::stats::{Backlog, Counts};

    const QUIET: Duration = Duration::from_mins(15);

    fn at(minutes: u64) -> Timestamp {
        Timestamp::from_micros(0) + Duration::from_mins(minutes)
    }

    fn stats(state: WebhookState, delivered: u64, failed: u64, dead_lettered: u64) -> WebhookStats {
        let webhook = WebhookLabel { id: Uuid::from_u128(7).into(), client_id: Uuid::from_u128(8).into(), name: "ERP".to_owned(), state };
        let counts = Counts { delivered, failed, dead_lettered, ..Counts::default() };
        WebhookStats { webhook, counts, backlog: Backlog::default() }
    }

    fn active(delivered: u64, failed: u64) -> WebhookStats {
        stats(WebhookState::Active, delivered, failed, 0)
    }

    fn node(number: u128) -> Node {
        let id = Uuid::from_u128(number).into();
        Node { id, name: format!("node-{number}"), role: NodeRole::All, version: "1".to_owned(), started_at: at(0) }
    }

    fn kinds(alerts: &[Alert]) -> Vec<&'static str> {
        alerts.iter().map(Alert::kind).collect()
    }

    #[test]
    fn a_webhook_that_begins_to_fail_and_one_that_recovers_are_told_once() {
        let mut watcher = Watcher::new(QUIET);
        let looks = [
            (active(9, 0), vec![]),
            (active(0, 2), vec![]),
            (active(0, 3), vec!["webhook.failing"]),
            (active(0, 5), vec![]),
            (active(0, 0), vec![]),
            (active(1, 5), vec!["webhook.recovered"]),
            (active(2, 0), vec![]),
        ];

        for (minute, (stats, expected)) in (0..).zip(looks) {
            assert_eq!(kinds(&watcher.look(&[stats], &[], at(minute))), expected, "{minute}");
        }
    }

    #[test]
    fn the_first_look_tells_nothing() {
        let mut watcher = Watcher::new(QUIET);
        let disabled = stats(WebhookState::Disabled(DisableReason::Gone), 0, 9, 4);

        assert_eq!(watcher.look(&[disabled], &[(node(1), false)], at(0)), []);
    }

    #[test]
    fn a_disabled_webhook_and_dead_letters_are_told_again_after_a_while_alone() {
        let mut watcher = Watcher::new(QUIET);
        watcher.look(&[active(0, 0)], &[], at(0));
        let disabled = || stats(WebhookState::Disabled(DisableReason::Gone), 0, 1, 1);

        assert_eq!(kinds(&watcher.look(&[disabled()], &[], at(1))), ["webhook.disabled", "delivery.dead_lettered"]);
        assert_eq!(kinds(&watcher.look(&[disabled()], &[], at(2))), Vec::<&str>::new());
        assert_eq!(kinds(&watcher.look(&[disabled()], &[], at(16))), ["delivery.dead_lettered"]);
    }

    #[test]
    fn a_node_that_fell_silent_is_lost_and_one_that_stopped_is_not() {
        let mut watcher = Watcher::new(QUIET);
        watcher.look(&[], &[(node(1), true), (node(2), true), (node(3), true)], at(0));

        let alerts = watcher.look(&[], &[(node(1), true), (node(2), false)], at(1));

        assert_eq!(alerts, [Alert::NodeLost(node(2))]);
        assert_eq!(alerts[0].words(), "The node \"node-2\" fell silent; the others take up its work.");
        assert_eq!(watcher.look(&[], &[(node(1), true), (node(2), false)], at(2)), []);
    }
}
