//! What became of attempts over a while: counts, shares and latencies, of everything and of each webhook.
//!
//! Made of counters that stores keep per webhook and minute (and hour, and day), never of attempts. How far back one looks is a
//! [`StatsWindow`]; it is cut into equal buckets by [`Period`].

mod histogram;
mod period;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::AddAssign;
use std::time::Duration;

pub use self::histogram::{BUCKETS, LatencyHistogram};
pub use self::period::{DaysAndHours, Period, StatsWindow, UnknownStatsWindow};

use super::attempt::{Attempt, AttemptOutcome};
use super::delivery::Transition;
use super::ids::{ClientId, WebhookId};
use super::time::Timestamp;
use super::webhook::WebhookState;

/// A webhook that fails more often than this is not quite well.
const TOLERATED_FAILURES: f64 = 0.01;

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Attempts that the receiver took.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts that were not the first of their delivery.
    pub retries: u64,
    /// Deliveries that were given up.
    pub dead_lettered: u64,
    /// How long receivers took to answer, whatever they answered.
    pub answers: LatencyHistogram,
}

impl Counts {
    /// Counts an attempt and what followed from it.
    pub fn add(&mut self, attempt: &Attempt, transition: &Transition) {
        match attempt.outcome {
            AttemptOutcome::Delivered => self.delivered += 1,
            AttemptOutcome::Retryable(_) | AttemptOutcome::Permanent(_) => self.failed += 1,
        }
        self.retries += u64::from(attempt.number > 1);
        self.dead_lettered += u64::from(matches!(transition, Transition::DeadLetter(_)));
        if let Some(took) = attempt.exchange.phases.answer {
            self.answers.add(took);
        }
    }

    /// How many attempts were made.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.delivered + self.failed
    }

    /// Which share of the attempts was taken, from 0 to 1; `None` if there were none.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        share(self.delivered, self.attempts())
    }
}

impl AddAssign<&Self> for Counts {
    fn add_assign(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.retries += other.retries;
        self.dead_lettered += other.dead_lettered;
        self.answers += &other.answers;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits than a double has")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A number that was counted up to a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// As far as it was counted.
    pub count: u64,
    /// Whether there are more.
    pub has_more: bool,
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.has_more |= other.has_more;
    }
}

/// What waits at the moment, and what was given up and is still kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Pending deliveries.
    pub pending: Counted,
    /// Since when the earliest of them is due; `None` while none is. Of everything together: of webhooks that are called.
    pub oldest_due_at: Option<Timestamp>,
    /// Dead letters.
    pub dead_letters: Counted,
}

impl Backlog {
    fn add(&mut self, other: &Self, is_called: bool) {
        self.pending += other.pending;
        self.dead_letters += other.dead_letters;
        if is_called {
            self.oldest_due_at = [self.oldest_due_at, other.oldest_due_at].into_iter().flatten().min();
        }
    }
}

/// Which statistics are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatsQuery {
    /// How far back.
    pub window: StatsWindow,
    /// Of this webhook alone.
    pub webhook_id: Option<WebhookId>,
    /// The present.
    pub now: Timestamp,
    /// Of how many webhooks at most each by itself: of those that need attention most.
    pub most_webhooks: usize,
}

/// What became of attempts, of everything that was asked for and of each webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// How far back, and in which buckets.
    pub period: Period,
    /// Everything together, of webhooks too that were deleted since.
    pub total: Counts,
    /// Everything that waits or was given up, of webhooks that are there.
    pub backlog: Backlog,
    /// Everything together, bucket by bucket, oldest first, none left out. The last one is under way.
    pub series: Vec<StatsBucket>,
    /// Webhook by webhook; those that need attention most come first.
    pub webhooks: Vec<WebhookStats>,
    /// How many more webhooks there are.
    pub webhooks_left_out: usize,
}

/// A part of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsBucket {
    /// When it begins.
    pub from: Timestamp,
    /// What happened in it.
    pub counts: Counts,
}

/// A webhook as statistics name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookLabel {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub client_id: ClientId,
    /// What people call it.
    pub name: String,
    /// Whether it is called.
    pub state: WebhookState,
}

/// What became of the attempts of one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookStats {
    /// Which.
    pub webhook: WebhookLabel,
    /// In the whole window.
    pub counts: Counts,
    /// At the moment.
    pub backlog: Backlog,
}

/// How a webhook is doing, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nothing was attempted.
    Idle,
    /// What was attempted got through, but for a few.
    Healthy,
    /// A person holds it back.
    Paused,
    /// Some attempts failed.
    Degraded,
    /// Every attempt failed.
    Failing,
    /// The dispatcher gave up on it.
    Disabled,
}

impl Health {
    /// Every one, from what needs no attention to what needs it most.
    pub const ALL: [Self; 6] = [Self::Idle, Self::Healthy, Self::Paused, Self::Degraded, Self::Failing, Self::Disabled];

    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Healthy => "healthy",
            Self::Paused => "paused",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Disabled => "disabled",
        }
    }
}

impl WebhookStats {
    /// How it is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        match (&self.webhook.state, self.counts.success_rate()) {
            (WebhookState::Disabled(_), _) => Health::Disabled,
            (WebhookState::Paused, _) => Health::Paused,
            (WebhookState::Active, None) => Health::Idle,
            (WebhookState::Active, Some(_)) if self.counts.delivered == 0 => Health::Failing,
            (WebhookState::Active, Some(rate)) if rate < 1.0 - TOLERATED_FAILURES => Health::Degraded,
            (WebhookState::Active, Some(_)) => Health::Healthy,
        }
    }
}

/// What a store counted, before it is put together.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// The webhooks that are there.
    pub webhooks: Vec<WebhookLabel>,
    /// What happened, by webhook.
    pub by_webhook: HashMap<WebhookId, Counts>,
    /// What happened, by bucket as [`Period::bucket_of`] numbers them.
    pub by_bucket: HashMap<i64, Counts>,
    /// What waits and what was given up, by webhook.
    pub backlogs: HashMap<WebhookId, Backlog>,
}

impl Stats {
    /// Puts together what a store counted.
    #[must_use]
    pub fn of(query: &StatsQuery, period: Period, mut gathered: Gathered) -> Self {
        let mut total = Counts::default();
        for counts in gathered.by_bucket.values() {
            total += counts;
        }
        let series =
            period.buckets().map(|(bucket, from)| StatsBucket { from, counts: gathered.by_bucket.remove(&bucket).unwrap_or_default() });
        let series = series.collect();
        let mut webhooks: Vec<WebhookStats> = gathered
            .webhooks
            .into_iter()
            .map(|webhook| WebhookStats {
                counts: gathered.by_webhook.remove(&webhook.id).unwrap_or_default(),
                backlog: gathered.backlogs.remove(&webhook.id).unwrap_or_default(),
                webhook,
            })
            .collect();
        let mut backlog = Backlog::default();
        for stats in &webhooks {
            backlog.add(&stats.backlog, stats.webhook.state.is_active());
        }
        webhooks.sort_by_cached_key(|stats| Reverse(need_for_attention(stats, query.now)));
        let webhooks_left_out = webhooks.len().saturating_sub(query.most_webhooks);
        webhooks.truncate(query.most_webhooks);
        Self { period, total, backlog, series, webhooks, webhooks_left_out }
    }
}

/// What rises with the need: how it is doing, which share failed, how long the oldest waits, how much was given up.
fn need_for_attention(stats: &WebhookStats, now: Timestamp) -> (Health, u64, Duration, u64, Reverse<String>) {
    let failed_per_mille = stats.counts.failed.saturating_mul(1_000).checked_div(stats.counts.attempts()).unwrap_or_default();
    let waits_for = stats.backlog.oldest_due_at.map(|due_at| now.since(due_at)).unwrap_or_default();
    (stats.health(), failed_per_mille, waits_for, stats.backlog.dead_letters.count, Reverse(stats.webhook.name.clone()))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::webhook::DisableReason;

    const NOW: Timestamp = Timestamp::from_micros(7_200_000_000);

    fn label(number: u128, state: WebhookState) -> WebhookLabel {
        WebhookLabel { id: Uuid::from_u128(number).into(), client_id: Uuid::nil().into(), name: format!("webhook {number}"), state }
    }

    fn counts(delivered: u64, failed: u64) -> Counts {
        Counts { delivered, failed, ..Counts::default() }
    }

    fn query() -> StatsQuery {
        StatsQuery { window: StatsWindow::Hour, webhook_id: None, now: NOW, most_webhooks: 100 }
    }

    fn gathered(webhooks: Vec<(WebhookState, Counts, Backlog)>) -> Gathered {
        let mut gathered = Gathered::default();
        for (number, (state, counts, backlog)) in (1..).zip(webhooks) {
            let label = label(number, state);
            gathered.by_webhook.insert(label.id, counts);
            gathered.backlogs.insert(label.id, backlog);
            gathered.webhooks.push(label);
        }
        gathered
    }

    #[test]
    fn those_that_need_attention_come_first() {
        let waiting = |micros| Backlog { oldest_due_at: Some(Timestamp::from_micros(micros)), ..Backlog::default() };
        let none = Backlog::default();
        let (active, paused) = (|| WebhookState::Active, WebhookState::Paused);
        let gathered = gathered(vec![
            (active(), counts(5, 0), none),
            (active(), counts(5, 1), none),
            (active(), counts(0, 1), none),
            (WebhookState::Disabled(DisableReason::Gone), counts(0, 0), none),
            (paused, counts(0, 0), none),
            (active(), counts(0, 0), none),
            (active(), counts(5, 4), none),
            (active(), counts(5, 0), waiting(1)),
            (active(), counts(999, 1), none),
        ]);

        let stats = Stats::of(&query(), Period::of(StatsWindow::Hour, NOW, 9), gathered);

        let order: Vec<(&str, Health)> = stats.webhooks.iter().map(|stats| (&stats.webhook.name[8..], stats.health())).collect();
        let expected = [
            ("4", Health::Disabled),
            ("3", Health::Failing),
            ("7", Health::Degraded),
            ("2", Health::Degraded),
            ("5", Health::Paused),
            ("9", Health::Healthy),
            ("8", Health::Healthy),
            ("1", Health::Healthy),
            ("6", Health::Idle),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn the_whole_is_the_sum_and_only_what_is_called_is_late() {
        let backlog = |pending, has_more, due, dead| Backlog {
            pending: Counted { count: pending, has_more },
            oldest_due_at: Some(Timestamp::from_micros(due)),
            dead_letters: Counted { count: dead, has_more: false },
        };
        let mut gathered = gathered(vec![
            (WebhookState::Paused, counts(1, 0), backlog(1, false, 10, 3)),
            (WebhookState::Active, counts(2, 0), backlog(20, true, 30, 0)),
            (WebhookState::Active, counts(4, 0), backlog(300, false, 20, 4)),
        ]);
        let period = Period::of(StatsWindow::Hour, NOW, 3);
        gathered.by_bucket = [(period.bucket_of(120), counts(8, 16)), (period.bucket_of(61), counts(32, 64))].into();

        let stats = Stats::of(&StatsQuery { most_webhooks: 2, ..query() }, period, gathered);

        assert_eq!((stats.total.delivered, stats.total.failed), (40, 80));
        assert_eq!(stats.backlog, backlog(321, true, 20, 7));
        assert_eq!((stats.webhooks.len(), stats.webhooks_left_out), (2, 1));
        assert_eq!(stats.series.len(), 60);
        assert_eq!((stats.series[0].from, stats.series[0].counts.delivered), (Timestamp::from_micros(61 * 60_000_000), 32));
        assert_eq!((stats.series[59].from, stats.series[59].counts.delivered), (Timestamp::from_micros(120 * 60_000_000), 8));
    }

    #[test]
    fn nothing_attempted_has_no_success_rate() {
        assert_eq!(Counts::default().success_rate(), None);
        assert_eq!(counts(3, 1).success_rate(), Some(0.75));
    }
}
