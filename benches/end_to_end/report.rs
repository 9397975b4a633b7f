//! The figures of a measurement, as they are written to JSON.

use serde::Serialize;

use super::cases::{Case, HALF_HANG, LARGE_DRAIN, NONE_HANG, Rhythm, SINGLE, SMALL_DRAIN, Store};
use super::dispatcher::Usage;
use super::load::Acknowledged;
use super::machine::Machine;
use super::process::Memory;
use super::quantiles::Quantiles;
use super::receiver::Arrivals;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// When, as RFC 3339.
    pub(crate) begun_at: String,
    /// Where.
    pub(crate) machine: Machine,
    /// The HTTP client alone.
    pub(crate) ceilings: Vec<Ceiling>,
    /// The dispatcher.
    pub(crate) rows: Vec<Row>,
    /// Rows against rows.
    pub(crate) comparisons: Vec<Comparison>,
}

/// What one row is of another, and what it must be.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) store: Store,
    pub(crate) what: &'static str,
    pub(crate) ratio: f64,
    pub(crate) bound: &'static str,
}

/// The HTTP client alone, with some requests under way at once.
#[derive(Debug, Serialize)]
pub(crate) struct Ceiling {
    pub(crate) under_way: usize,
    pub(crate) arrived_per_second: f64,
    pub(crate) latency: Quantiles,
}

/// The dispatcher under one load.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) store: Store,
    pub(crate) webhooks: u32,
    pub(crate) nodes: usize,
    /// Connections of the load; none where they are not what paces it.
    pub(crate) connections: Option<usize>,
    pub(crate) per_request: u32,
    /// The webhook's own limit; none for the default.
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) acknowledged: u32,
    pub(crate) refused_requests: u32,
    pub(crate) acknowledged_per_second: f64,
    pub(crate) acknowledgement: Quantiles,
    pub(crate) arrived: u32,
    /// Acknowledged, for a webhook that is answered, and not arrived.
    pub(crate) missing: u32,
    /// Requests that the receiver got, repeats included.
    pub(crate) attempts: u32,
    /// Requests that the receiver did not understand.
    pub(crate) odd_requests: u32,
    pub(crate) logins: u32,
    /// Requests that the receiver left without an answer.
    pub(crate) hung_requests: u32,
    /// From the first enqueue to the last arrival; while draining from the first arrival.
    pub(crate) arrived_per_second: f64,
    /// The part of the ceiling that this is, and the part that it must be; none where the load is not a full one.
    pub(crate) of_ceiling: Option<f64>,
    pub(crate) floor: Option<f64>,
    /// From the begin of an enqueue to its arrival; none where it had to wait for the others first.
    pub(crate) arrival: Option<Quantiles>,
    pub(crate) cost: Cost,
    /// Cores that other processes kept busy meanwhile: with more than a few hundredths the other figures are too low.
    pub(crate) cores_of_others: f64,
}

/// What one case came to.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) acknowledged: Acknowledged,
    pub(crate) arrivals: Arrivals,
    /// What was used from before the first enqueue until the dispatcher came to rest.
    pub(crate) cpu: CpuSeconds,
    /// After set-up, before the first enqueue.
    pub(crate) empty: Usage,
    pub(crate) usage: Usage,
}

/// Processor time, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuSeconds {
    /// Not of processors: what the clock on the wall shows.
    pub(crate) elapsed: f64,
    /// Of all processes of the machine together.
    pub(crate) all: f64,
    pub(crate) dispatcher: f64,
    pub(crate) load: f64,
    pub(crate) receiver: f64,
    pub(crate) database: f64,
}

impl CpuSeconds {
    /// What was used since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            elapsed: self.elapsed - before.elapsed,
            all: self.all - before.all,
            dispatcher: self.dispatcher - before.dispatcher,
            load: self.load - before.load,
            receiver: self.receiver - before.receiver,
            database: self.database - before.database,
        }
    }

    fn of_others(self) -> f64 {
        (self.all - self.dispatcher - self.load - self.receiver - self.database).max(0.0)
    }
}

/// What a delivery costs.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    /// Processor time of the dispatcher.
    pub(crate) cpu_micros: f64,
    /// Processor time of the load and of the receiver, which share the machine.
    pub(crate) load_cpu_micros: f64,
    pub(crate) receiver_cpu_micros: f64,
    /// That of the database's server; 0 where the dispatcher is that itself.
    pub(crate) database_cpu_micros: f64,
    pub(crate) disk_bytes: f64,
    pub(crate) memory: Memory,
}

impl Report {
    /// The best that the HTTP client alone did.
    pub(crate) fn ceiling(&self) -> Option<f64> {
        self.ceilings.iter().map(|ceiling| ceiling.arrived_per_second).max_by(f64::total_cmp)
    }

    /// The most arrivals a second with one completion per request on one webhook of `store`.
    pub(crate) fn most(&self, store: Store) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.name == SINGLE && row.store == store);
        rows.map(|row| row.arrived_per_second).max_by(f64::total_cmp)
    }

    /// Compares what was measured on `store`.
    pub(crate) fn compare(&mut self, store: Store) {
        let drained = |row: &Row| Some(row.arrived_per_second);
        let slowest = |row: &Row| Some(row.arrival?.p99_ms);
        let comparisons = [
            self.ratio(store, (LARGE_DRAIN, SMALL_DRAIN), drained)
                .map(|ratio| ("draining, many by few pending: rate", ratio, "at least 0.8")),
            self.ratio(store, (HALF_HANG, NONE_HANG), slowest).map(|ratio| ("half of the webhooks hang, by none: p99", ratio, "at most 3")),
        ];
        let comparisons = comparisons.into_iter().flatten().map(|(what, ratio, bound)| Comparison { store, what, ratio, bound });
        self.comparisons.extend(comparisons);
    }

    fn ratio(&self, store: Store, (name, by): (&str, &str), figure: impl Fn(&Row) -> Option<f64>) -> Option<f64> {
        let of = |name: &str| figure(self.rows.iter().find(|row| row.name == name && row.store == store)?);
        Some(of(name)? / of(by)?.max(1e-6))
    }

    /// Completions that were acknowledged and did not arrive.
    pub(crate) fn missing(&self) -> u32 {
        self.rows.iter().map(|row| row.missing).sum()
    }

    /// Requests that were not understood.
    pub(crate) fn odd_requests(&self) -> u32 {
        self.rows.iter().map(|row| row.odd_requests).sum()
    }
}

impl Row {
    /// The row of one case.
    pub(crate) fn new(case: &Case, store: Store, ceiling: Option<f64>, measured: &Measured) -> Self {
        let Measured { acknowledged, arrivals, cpu, empty, usage } = measured;
        let drained = matches!(case.rhythm, Rhythm::Drain(_));
        let arrived_per_second = if drained { arrivals.drained_per_second() } else { arrivals.per_second() };
        Self {
            name: case.name,
            store,
            webhooks: case.webhooks,
            nodes: case.nodes,
            connections: case.connections(),
            per_request: case.per_request,
            max_in_flight: case.max_in_flight,
            acknowledged: acknowledged.completions,
            refused_requests: acknowledged.refused,
            acknowledged_per_second: f64::from(acknowledged.completions) / acknowledged.seconds.max(1e-6),
            acknowledgement: acknowledged.latency,
            arrived: arrivals.tickets,
            missing: case.answered(acknowledged.completions).saturating_sub(arrivals.tickets),
            attempts: arrivals.deliveries,
            odd_requests: arrivals.odd,
            logins: arrivals.logins,
            hung_requests: arrivals.hung,
            arrived_per_second,
            of_ceiling: ceiling.filter(|_| case.is_full()).map(|ceiling| arrived_per_second / ceiling),
            floor: case.floor(store),
            arrival: (!drained).then_some(arrivals.latency),
            cost: Cost::of_each(acknowledged.completions, cpu, usage.disk_bytes.saturating_sub(empty.disk_bytes), usage.memory),
            cores_of_others: cpu.of_others() / cpu.elapsed.max(1e-6),
        }
    }
}

impl Cost {
    fn of_each(count: u32, cpu: &CpuSeconds, disk_bytes: u64, memory: Memory) -> Self {
        let count = f64::from(count.max(1));
        Self {
            cpu_micros: cpu.dispatcher * 1e6 / count,
            load_cpu_micros: cpu.load * 1e6 / count,
            receiver_cpu_micros: cpu.receiver * 1e6 / count,
            database_cpu_micros: cpu.database * 1e6 / count,
            #[expect(clippy::cast_precision_loss, reason = "files are far smaller than where a double gets coarse")]
            disk_bytes: disk_bytes as f64 / count,
            memory,
        }
    }
}
