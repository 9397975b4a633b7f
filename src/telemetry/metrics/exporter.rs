//! The names under which everything is exported, and the text.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::instruments::{CommitMetrics, DeliveryMetrics, IntakeMetrics, TokenMetrics, TraceMetrics};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How many lanes stand so.
pub type LaneCount = (&'static str, u64);

/// How many webhooks are doing so.
pub type HealthCount = (&'static str, u64);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HealthLabel {
    health: &'static str,
}

/// What can only be seen by looking. `None` of what could not be seen: what was seen before stays.
#[derive(Clone, Debug, Default)]
pub struct Sights {
    /// Lanes of this node, by how they stand.
    pub lanes: Vec<LaneCount>,
    /// Requests under way on this node.
    pub in_flight: u64,
    /// Connections to the store that are in use, and how many there may be.
    pub store_connections: (u64, u64),
    /// What the store told, if it answered.
    pub store: Option<StoreSights>,
}

/// What the store tells.
#[derive(Clone, Debug, Default)]
pub struct StoreSights {
    /// Pending deliveries.
    pub pending: u64,
    /// Dead letters that are kept.
    pub dead_letters: u64,
    /// For how long the earliest delivery is due.
    pub oldest_due: Duration,
    /// Webhooks, by how they are doing.
    pub webhooks: Vec<HealthCount>,
    /// Nodes that live, and nodes that are silent and have not said that they stop.
    pub nodes: (u64, u64),
    /// Bytes that are free where the store lies, if it knows.
    pub free_bytes: Option<u64>,
}

type FloatGauge = Gauge<f64, AtomicU64>;

#[derive(Default)]
struct Gauges {
    lanes: Family<StateLabel, Gauge>,
    in_flight: Gauge,
    connections: Family<StateLabel, Gauge>,
    store_up: Gauge,
    pending: Gauge,
    dead_letters: Gauge,
    oldest_due: FloatGauge,
    webhooks: Family<HealthLabel, Gauge>,
    nodes: Family<StateLabel, Gauge>,
    free_bytes: Gauge<i64, AtomicI64>,
}

/// Every instrument under its name.
pub struct Exporter {
    registry: Registry,
    gauges: Gauges,
}

impl Exporter {
    /// Names what these count.
    #[must_use]
    pub fn new(
        version: &'static str,
        intake: &IntakeMetrics,
        delivery: &DeliveryMetrics,
        token: &TokenMetrics,
        traces: &TraceMetrics,
    ) -> Self {
        let mut registry = Registry::with_prefix("dispatcher");
        let gauges = Gauges::default();
        registry.register("build", "The program", Info::new([("version", version)]));
        name_intake(&mut registry, intake);
        name_delivery(&mut registry, delivery);
        name_commits(&mut registry, ["enqueue_commit", "record_commit"], [&intake.commits, &delivery.commits]);
        name_token(&mut registry, token);
        name_traces(&mut registry, traces);
        name_gauges(&mut registry, &gauges);
        Self { registry, gauges }
    }

    /// Everything as text, with what was seen just now.
    ///
    /// # Errors
    /// When an instrument cannot be written, which none here does.
    pub fn text(&self, sights: &Sights) -> Result<String, fmt::Error> {
        self.gauges.set(sights);
        let mut text = String::with_capacity(16 * 1024);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Gauges {
    fn set(&self, sights: &Sights) {
        for (state, count) in &sights.lanes {
            self.lanes.get_or_create(&StateLabel { state }).set(whole(*count));
        }
        self.in_flight.set(whole(sights.in_flight));
        let (busy, most) = sights.store_connections;
        for (state, count) in [("busy", busy), ("most", most)] {
            self.connections.get_or_create(&StateLabel { state }).set(whole(count));
        }
        self.store_up.set(i64::from(sights.store.is_some()));
        if let Some(store) = &sights.store {
            self.set_store(store);
        }
    }

    fn set_store(&self, sights: &StoreSights) {
        self.pending.set(whole(sights.pending));
        self.dead_letters.set(whole(sights.dead_letters));
        self.oldest_due.set(sights.oldest_due.as_secs_f64());
        for (health, count) in &sights.webhooks {
            self.webhooks.get_or_create(&HealthLabel { health }).set(whole(*count));
        }
        let (living, silent) = sights.nodes;
        for (state, count) in [("living", living), ("silent", silent)] {
            self.nodes.get_or_create(&StateLabel { state }).set(whole(count));
        }
        // A disk that is not seen is not one that is full.
        self.free_bytes.set(sights.free_bytes.map_or(-1, whole));
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn name_intake(registry: &mut Registry, intake: &IntakeMetrics) {
    registry.register("events", "Events that were stored", intake.events.clone());
    registry.register("events_repeated", "Events that were stored already, by their idempotency key", intake.repeats.clone());
    registry.register("events_refused", "Events that were turned away for want of room", intake.refused.clone());
    registry.register("deliveries", "Deliveries that were made for events", intake.deliveries.clone());
}

fn name_delivery(registry: &mut Registry, delivery: &DeliveryMetrics) {
    registry.register("attempts", "Attempts that ended, by what became of them", delivery.attempts.clone());
    registry.register("retries", "Attempts that were not the first of their delivery", delivery.retries.clone());
    registry.register("dead_letters_made", "Deliveries that were given up, by reason", delivery.dead_letters.clone());
    registry.register("deliveries_claimed", "Deliveries that this node claimed", delivery.claimed.clone());
    registry.register("claims_lost", "Attempts that were not recorded because another node has the claim", delivery.claims_lost.clone());
    let phases = delivery.phases.clone();
    registry.register_with_unit("attempt_phase_duration", "How long the parts of attempts took", Unit::Seconds, phases);
}

fn name_commits(registry: &mut Registry, names: [&'static str; 2], commits: [&CommitMetrics; 2]) {
    for (name, commits) in names.into_iter().zip(commits) {
        let registry = registry.sub_registry_with_prefix(name);
        registry.register_with_unit("duration", "How long commits took", Unit::Seconds, commits.duration.clone());
        registry.register("items", "How much was in a commit", commits.items.clone());
    }
}

fn name_token(registry: &mut Registry, token: &TokenMetrics) {
    registry.register("token_logins", "Logins at authorizationUrl, by what became of them", token.logins.clone());
    registry.register_with_unit("token_login_duration", "How long logins took", Unit::Seconds, token.duration.clone());
}

fn name_traces(registry: &mut Registry, traces: &TraceMetrics) {
    registry.register("spans_exported", "Spans that the collector took", traces.exported.clone());
    registry.register("spans_dropped", "Spans that did not come to the collector, by reason", traces.dropped.clone());
}

fn name_gauges(registry: &mut Registry, gauges: &Gauges) {
    registry.register("lanes", "Lanes that this node knows, by how they stand", gauges.lanes.clone());
    registry.register("requests_in_flight", "Requests under way on this node", gauges.in_flight.clone());
    registry.register("store_connections", "Connections to the store in use, and how many there may be", gauges.connections.clone());
    registry.register("store_up", "Whether the store answered just now", gauges.store_up.clone());
    registry.register("pending_deliveries", "Pending deliveries, of all nodes", gauges.pending.clone());
    registry.register("dead_letters", "Dead letters that are kept, of all nodes", gauges.dead_letters.clone());
    let oldest = "For how long the earliest delivery is due of a webhook that is called; 0 if none is";
    registry.register_with_unit("oldest_due", oldest, Unit::Seconds, gauges.oldest_due.clone());
    registry.register("webhooks", "Webhooks, by how they did in the last 15 minutes", gauges.webhooks.clone());
    registry.register("nodes", "Nodes that live, and nodes that fell silent", gauges.nodes.clone());
    registry.register_with_unit(
        "store_free",
        "Free space where the store lies; -1 if it does not know",
        Unit::Bytes,
        gauges.free_bytes.clone(),
    );
}

#[cfg(test)]
mod tests {
    use super::super::instruments::{DropReason, Tried};
    use super::*;
    use crate::domain::attempt::{Attempt, AttemptOutcome, Exchange, FailureReason, Phases};
    use crate::domain::delivery::{DeadLetterReason, Transition};
    use crate::domain::time::Timestamp;

    fn attempt(number: u32, outcome: AttemptOutcome) -> Attempt {
        let phases = Phases { answer: Some(Duration::from_millis(30)), body: Some(Duration::from_micros(400)), ..Phases::default() };
        let at = Timestamp::from_micros(0);
        Attempt { number, started_at: at, finished_at: at, outcome, exchange: Exchange { phases, ..Exchange::default() } }
    }

    #[test]
    fn what_happened_stands_under_its_name_and_labels() {
        let (intake, delivery, token) = (IntakeMetrics::default(), DeliveryMetrics::default(), TokenMetrics::default());
        let traces = TraceMetrics::default();
        let exporter = Exporter::new("1.2.3", &intake, &delivery, &token, &traces);
        traces.exported(5);
        traces.dropped(DropReason::QueueFull, 2);
        intake.accepted(3, false);
        intake.accepted(3, true);
        intake.commits.committed(2, Duration::from_millis(4));
        delivery.attempted(&Tried::of(&attempt(1, AttemptOutcome::Delivered), &Transition::Deliver));
        let given_up = Transition::DeadLetter(DeadLetterReason::Exhausted);
        delivery.attempted(&Tried::of(&attempt(2, AttemptOutcome::Retryable(FailureReason::Status(503))), &given_up));
        token.logged_in(false, Duration::from_millis(9));
        let store = StoreSights { nodes: (2, 1), oldest_due: Duration::from_millis(1_500), ..StoreSights::default() };

        let text = exporter.text(&Sights { lanes: vec![("open", 4)], store: Some(store), ..Sights::default() }).unwrap();

        let expected = [
            "dispatcher_build_info{version=\"1.2.3\"} 1",
            "dispatcher_events_total 1",
            "dispatcher_events_repeated_total 1",
            "dispatcher_deliveries_total 3",
            "dispatcher_attempts_total{outcome=\"delivered\",reason=\"\"} 1",
            "dispatcher_attempts_total{outcome=\"retryable\",reason=\"status\"} 1",
            "dispatcher_retries_total 1",
            "dispatcher_dead_letters_made_total{reason=\"exhausted\"} 1",
            "dispatcher_dead_letters_made_total{reason=\"gone\"} 0",
            "dispatcher_attempt_phase_duration_seconds_count{phase=\"answer\"} 2",
            "dispatcher_attempt_phase_duration_seconds_bucket{le=\"0.05\",phase=\"answer\"} 2",
            "dispatcher_enqueue_commit_items_sum 2.0",
            "dispatcher_token_logins_total{result=\"failed\"} 1",
            "dispatcher_spans_exported_total 5",
            "dispatcher_spans_dropped_total{reason=\"queue_full\"} 2",
            "dispatcher_lanes{state=\"open\"} 4",
            "dispatcher_nodes{state=\"silent\"} 1",
            "dispatcher_oldest_due_seconds 1.5",
            "dispatcher_store_up 1",
            "dispatcher_store_free_bytes -1",
        ];
        for line in expected {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn no_family_is_described_twice() {
        let (intake, delivery, token, traces) = Default::default();
        let exporter = Exporter::new("1", &intake, &delivery, &token, &traces);
        let text = exporter.text(&Sights::default()).unwrap();
        let mut described: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let all = described.len();
        described.sort_unstable();
        described.dedup();

        assert_eq!(described.len(), all, "{text}");
        assert!(text.contains("dispatcher_store_up 0"), "nobody looked");
    }
}
