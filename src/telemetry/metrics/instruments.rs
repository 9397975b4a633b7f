//! What is counted where it happens.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use crate::domain::attempt::{Attempt, AttemptOutcome, Phases};
use crate::domain::delivery::{DeadLetterReason, Transition};

/// Seconds up to which the ranges of latencies reach.
const LATENCIES: [f64; 16] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// Seconds up to which the ranges of commits reach.
const COMMITS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How many things in a commit the ranges reach up to.
const BATCHES: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Labels of attempts.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct AttemptLabels {
    outcome: &'static str,
    reason: &'static str,
}

/// The label of dead letters, and of spans that were dropped.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ReasonLabel {
    reason: &'static str,
}

/// A part of an attempt: the login, the time until the answer's head was there, reading the answer's body.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct PhaseLabel {
    phase: &'static str,
}

/// Whether a login worked.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ResultLabel {
    result: &'static str,
}

/// Latencies by the parts of attempts.
pub(super) type PhaseFamily = Family<PhaseLabel, Histogram, fn() -> Histogram>;

fn latencies() -> Histogram {
    Histogram::new(LATENCIES)
}

/// How long commits of one kind took, and how much was in them.
#[derive(Clone, Debug)]
pub struct CommitMetrics {
    pub(super) duration: Histogram,
    pub(super) items: Histogram,
}

impl Default for CommitMetrics {
    fn default() -> Self {
        Self { duration: Histogram::new(COMMITS), items: Histogram::new(BATCHES) }
    }
}

impl CommitMetrics {
    /// Counts a commit of so many things that took so long.
    #[expect(clippy::cast_precision_loss, reason = "no commit holds so many that a double could not tell them apart")]
    pub fn committed(&self, items: usize, took: Duration) {
        self.duration.observe(took.as_secs_f64());
        self.items.observe(items as f64);
    }
}

/// What comes in.
#[derive(Clone, Debug, Default)]
pub struct IntakeMetrics {
    /// Commits of events.
    pub commits: CommitMetrics,
    pub(super) events: Counter,
    pub(super) repeats: Counter,
    pub(super) deliveries: Counter,
    pub(super) refused: Counter,
}

impl IntakeMetrics {
    /// Counts an event that was stored with so many deliveries, or that repeats one.
    pub fn accepted(&self, deliveries: usize, is_repeat: bool) {
        if is_repeat {
            self.repeats.inc();
        } else {
            self.events.inc();
            self.deliveries.inc_by(deliveries as u64);
        }
    }

    /// Counts events that were not taken for want of room.
    pub fn refused(&self, events: usize) {
        self.refused.inc_by(events as u64);
    }
}

/// What is counted of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    outcome: &'static str,
    /// Empty of one that was delivered.
    reason: &'static str,
    is_retry: bool,
    dead_letter: Option<&'static str>,
    phases: Phases,
}

impl Tried {
    /// What is counted of this attempt, from which that followed.
    #[must_use]
    pub fn of(attempt: &Attempt, transition: &Transition) -> Self {
        let (outcome, reason) = match &attempt.outcome {
            AttemptOutcome::Delivered => ("delivered", ""),
            AttemptOutcome::Retryable(reason) => ("retryable", reason.as_str()),
            AttemptOutcome::Permanent(reason) => ("permanent", reason.as_str()),
        };
        let dead_letter = match transition {
            Transition::DeadLetter(reason) => Some(reason.as_str()),
            Transition::Deliver | Transition::Retry { .. } => None,
        };
        Self { outcome, reason, is_retry: attempt.number > 1, dead_letter, phases: attempt.exchange.phases }
    }
}

/// What goes out.
#[derive(Clone, Debug)]
pub struct DeliveryMetrics {
    /// Commits of attempts.
    pub commits: CommitMetrics,
    pub(super) attempts: Family<AttemptLabels, Counter>,
    delivered: Counter,
    pub(super) dead_letters: Family<ReasonLabel, Counter>,
    pub(super) retries: Counter,
    pub(super) phases: PhaseFamily,
    login: Histogram,
    connect: Histogram,
    answer: Histogram,
    body: Histogram,
    pub(super) claimed: Counter,
    pub(super) claims_lost: Counter,
}

impl Default for DeliveryMetrics {
    fn default() -> Self {
        let attempts = Family::<AttemptLabels, Counter>::default();
        let phases = PhaseFamily::new_with_constructor(latencies);
        let phase = |phase| phases.get_or_create_owned(&PhaseLabel { phase });
        Self {
            commits: CommitMetrics::default(),
            // The one that is counted most is looked up once.
            delivered: attempts.get_or_create_owned(&AttemptLabels { outcome: "delivered", reason: "" }),
            attempts,
            dead_letters: dead_letters(),
            retries: Counter::default(),
            login: phase("login"),
            connect: phase("connect"),
            answer: phase("answer"),
            body: phase("body"),
            phases,
            claimed: Counter::default(),
            claims_lost: Counter::default(),
        }
    }
}

impl DeliveryMetrics {
    /// Counts an attempt that was recorded.
    pub fn attempted(&self, tried: &Tried) {
        if tried.reason.is_empty() {
            self.delivered.inc();
        } else {
            self.attempts.get_or_create(&AttemptLabels { outcome: tried.outcome, reason: tried.reason }).inc();
        }
        if tried.is_retry {
            self.retries.inc();
        }
        if let Some(reason) = tried.dead_letter {
            self.dead_letters.get_or_create(&ReasonLabel { reason }).inc();
        }
        let phases = tried.phases;
        let known =
            [(&self.login, phases.login), (&self.connect, phases.connect), (&self.answer, phases.answer), (&self.body, phases.body)];
        for (histogram, took) in known {
            if let Some(took) = took {
                histogram.observe(took.as_secs_f64());
            }
        }
    }

    /// Counts deliveries that this node claimed.
    pub fn claimed(&self, deliveries: usize) {
        self.claimed.inc_by(deliveries as u64);
    }

    /// Counts an attempt that could not be recorded because its claim was lost.
    pub fn claim_lost(&self) {
        self.claims_lost.inc();
    }
}

/// Every reason, from the start on: of a counter that appears with its first dead letter nobody sees that it grew.
fn dead_letters() -> Family<ReasonLabel, Counter> {
    let family = Family::default();
    for reason in DeadLetterReason::words() {
        drop(family.get_or_create(&ReasonLabel { reason }));
    }
    family
}

/// Logins at `authorizationUrl`.
#[derive(Clone, Debug)]
pub struct TokenMetrics {
    pub(super) logins: Family<ResultLabel, Counter>,
    pub(super) duration: Histogram,
    worked: Counter,
    failed: Counter,
}

impl Default for TokenMetrics {
    fn default() -> Self {
        let logins = Family::<ResultLabel, Counter>::default();
        let result = |result| logins.get_or_create_owned(&ResultLabel { result });
        Self { worked: result("worked"), failed: result("failed"), logins, duration: latencies() }
    }
}

impl TokenMetrics {
    /// Counts a login that took so long.
    pub fn logged_in(&self, worked: bool, took: Duration) {
        let counter = if worked { &self.worked } else { &self.failed };
        counter.inc();
        self.duration.observe(took.as_secs_f64());
    }
}

/// Why spans did not come to the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Too many waited already.
    QueueFull,
    /// The collector did not want them.
    Refused,
    /// The process stopped before the collector could be reached.
    Stopped,
}

impl DropReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        }
    }
}

/// Spans that are over.
#[derive(Clone, Debug, Default)]
pub struct TraceMetrics {
    pub(super) exported: Counter,
    pub(super) dropped: Family<ReasonLabel, Counter>,
}

impl TraceMetrics {
    /// Counts spans that the collector has.
    pub fn exported(&self, spans: usize) {
        self.exported.inc_by(spans as u64);
    }

    /// Counts spans that it will not have.
    pub fn dropped(&self, reason: DropReason, spans: usize) {
        self.dropped.get_or_create(&ReasonLabel { reason: reason.as_str() }).inc_by(spans as u64);
    }
}
