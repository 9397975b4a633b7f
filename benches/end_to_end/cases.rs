//! Which loads are measured, and what each must reach.

use serde::Serialize;

use super::load::Pace;

/// Where the measured dispatcher stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Store {
    Sqlite,
    Postgres,
}

impl Store {
    /// As it stands in labels and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// The part of the ceiling that deliveries must reach.
    fn part(self, floor: Floor) -> f64 {
        let (single, batch) = match self {
            Self::Sqlite => (0.20, 0.35),
            Self::Postgres => (0.12, 0.20),
        };
        match floor {
            Floor::Single => single,
            Floor::Batch => batch,
        }
    }
}

/// What a load must reach: that of one completion per request, or that of a hundred.
#[derive(Clone, Copy, Debug)]
enum Floor {
    Single,
    Batch,
}

/// What decides when completions are enqueued, and when they are delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rhythm {
    /// As fast as so many connections can.
    Full(usize),
    /// So many requests a second.
    PerSecond(u32),
    /// This part of the most that single completions reached in the same run.
    PartOfMost(f64),
    /// The next one when the one before has arrived.
    OneAtATime,
    /// So many are stored while the webhook is paused; then it is resumed.
    Drain(u32),
}

/// What is special about the webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Plain,
    /// Each logs in before it calls, and signs.
    LoginAndSignature,
    /// Every second one is never answered.
    HalfHang,
}

/// A load on a dispatcher that was never used before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) rhythm: Rhythm,
    pub(crate) per_request: u32,
    /// Completions go to them in turn.
    pub(crate) webhooks: u32,
    pub(crate) manner: Manner,
    /// The webhooks' own limit; none for the default.
    pub(crate) max_in_flight: Option<u32>,
    /// Processes on one store.
    pub(crate) nodes: usize,
    /// Whether it takes minutes.
    pub(crate) large: bool,
    floor: Option<Floor>,
    /// How much longer than the others it lasts.
    pub(crate) longer: f64,
}

/// Names that the comparisons between cases refer to.
pub(crate) const SINGLE: &str = "1-per-request";
pub(crate) const SMALL_DRAIN: &str = "drain-1000";
pub(crate) const LARGE_DRAIN: &str = "drain-1000000";
pub(crate) const NONE_HANG: &str = "10000-webhooks-none-hang";
pub(crate) const HALF_HANG: &str = "10000-webhooks-half-hang";

const BASIS: Case = Case {
    name: SINGLE,
    rhythm: Rhythm::Full(64),
    per_request: 1,
    webhooks: 1,
    manner: Manner::Plain,
    max_in_flight: None,
    nodes: 1,
    large: false,
    floor: None,
    longer: 1.0,
};

/// All of them, in the order in which they are run.
pub(crate) const CASES: [Case; 27] = [
    single(64, None),
    single(256, None),
    single(64, Some(256)),
    single(256, Some(256)),
    batch("10-per-request", 64, 10, None),
    batch("10-per-request", 64, 10, Some(256)),
    hundred(64, None),
    hundred(256, None),
    hundred(64, Some(256)),
    hundred(256, Some(256)),
    batch("1000-per-request", 16, 1000, None),
    batch("1000-per-request", 16, 1000, Some(256)),
    Case { name: "login-and-signature-1-per-request", manner: Manner::LoginAndSignature, ..single(64, None) },
    Case { name: "login-and-signature-100-per-request", manner: Manner::LoginAndSignature, ..hundred(64, None) },
    spread("100-webhooks-1-per-request", 100, 1),
    spread("100-webhooks-100-per-request", 100, 100),
    spread("10000-webhooks-1-per-request", 10_000, 1),
    spread("10000-webhooks-100-per-request", 10_000, 100),
    Case { nodes: 2, ..spread("two-nodes-1-per-request", 100, 1) },
    Case { nodes: 2, ..spread("two-nodes-100-per-request", 100, 100) },
    Case { name: "200-per-second", rhythm: Rhythm::PerSecond(200), longer: 2.0, ..BASIS },
    Case { name: "80-percent-of-most", rhythm: Rhythm::PartOfMost(0.8), longer: 2.0, ..BASIS },
    Case { name: "one-at-a-time", rhythm: Rhythm::OneAtATime, ..BASIS },
    drain(SMALL_DRAIN, 1_000),
    Case { large: true, ..drain(LARGE_DRAIN, 1_000_000) },
    half_loaded(NONE_HANG, Manner::Plain),
    half_loaded(HALF_HANG, Manner::HalfHang),
];

const fn single(connections: usize, max_in_flight: Option<u32>) -> Case {
    Case { rhythm: Rhythm::Full(connections), max_in_flight, floor: Some(Floor::Single), ..BASIS }
}

const fn hundred(connections: usize, max_in_flight: Option<u32>) -> Case {
    Case { floor: Some(Floor::Batch), ..batch("100-per-request", connections, 100, max_in_flight) }
}

const fn batch(name: &'static str, connections: usize, per_request: u32, max_in_flight: Option<u32>) -> Case {
    Case { name, rhythm: Rhythm::Full(connections), per_request, max_in_flight, ..BASIS }
}

const fn spread(name: &'static str, webhooks: u32, per_request: u32) -> Case {
    Case { name, per_request, webhooks, ..BASIS }
}

const fn drain(name: &'static str, pending: u32) -> Case {
    Case { name, rhythm: Rhythm::Drain(pending), per_request: 1_000, ..BASIS }
}

/// Calm enough that a delay is not one of the load's own making; long enough that hanging requests come to their deadline.
const fn half_loaded(name: &'static str, manner: Manner) -> Case {
    Case { name, rhythm: Rhythm::PerSecond(1_000), webhooks: 10_000, manner, large: true, longer: 8.0, ..BASIS }
}

impl Case {
    /// What tells it from the others, for instance `1-per-request/64/default/sqlite`.
    pub(crate) fn label(&self, store: Store) -> String {
        let connections = self.connections().map(|count| format!("/{count}")).unwrap_or_default();
        let limit = self.max_in_flight.map_or_else(|| "default".to_owned(), |limit| limit.to_string());
        format!("{}{connections}/{limit}/{}", self.name, store.name())
    }

    /// Whether this store can be under it.
    pub(crate) fn fits(&self, store: Store) -> bool {
        self.nodes == 1 || store == Store::Postgres
    }

    /// Connections of the load, where they are what paces it.
    pub(crate) fn connections(&self) -> Option<usize> {
        match self.rhythm {
            Rhythm::Full(connections) => Some(connections),
            _ => None,
        }
    }

    /// How completions are enqueued, when single ones reached `most` a second; none when that is needed and not known.
    pub(crate) fn pace(&self, most: Option<f64>) -> Option<Pace> {
        /// What fills a store fast.
        const FILLING: usize = 8;
        Some(match self.rhythm {
            Rhythm::Full(connections) => Pace::Closed(connections),
            Rhythm::PerSecond(count) => Pace::Open(count),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are positive and below a million")]
            Rhythm::PartOfMost(part) => Pace::Open((most? * part).max(1.0) as u32),
            Rhythm::OneAtATime => Pace::OneAtATime,
            Rhythm::Drain(_) => Pace::Closed(FILLING),
        })
    }

    /// Whether its rate is the most that the dispatcher can, so that the ceiling says something about it.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.rhythm, Rhythm::Full(_) | Rhythm::Drain(_))
    }

    /// The part of the ceiling that it must reach.
    pub(crate) fn floor(&self, store: Store) -> Option<f64> {
        self.floor.map(|floor| store.part(floor))
    }

    /// Whether the webhook with this number is never answered.
    pub(crate) fn hangs(&self, webhook: u32) -> bool {
        self.manner == Manner::HalfHang && webhook % 2 == 1
    }

    /// How many of the first `completions` go to webhooks that are answered.
    pub(crate) fn answered(&self, completions: u32) -> u32 {
        match self.manner {
            Manner::HalfHang => completions.div_ceil(2),
            Manner::Plain | Manner::LoginAndSignature => completions,
        }
    }
}
