//! The measurement itself: which cases there are, and how each is run.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};

use super::dispatcher::Dispatcher;
use super::helper::{Helper, Role};
use super::load::{Acknowledged, Job, Pace};
use super::machine::Machine;
use super::options::Options;
use super::receiver::Receiver;
use super::report::{Ceiling, CpuSeconds, Measured, Report, Row};
use super::{ceiling, clock, process, table};

/// How many requests of the bare client are under way at once; the best counts.
const CEILING_TASKS: [usize; 3] = [16, 64, 256];

/// What part of the ceiling deliveries must reach.
const FLOOR_SINGLE: f64 = 0.20;
const FLOOR_BATCH: f64 = 0.35;

/// A load on a dispatcher that was never used before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) pace: Pace,
    pub(crate) per_request: u32,
    pub(crate) max_in_flight: Option<u32>,
    /// The part of the ceiling that it must reach.
    pub(crate) floor: Option<f64>,
    /// How much longer than the others it lasts.
    longer: f64,
}

impl Case {
    const fn full(name: &'static str, connections: usize, per_request: u32, max_in_flight: Option<u32>, floor: f64) -> Self {
        Self { name, pace: Pace::Closed(connections), per_request, max_in_flight, floor: Some(floor), longer: 1.0 }
    }

    const fn calm(name: &'static str, pace: Pace, longer: f64) -> Self {
        Self { name, pace, per_request: 1, max_in_flight: None, floor: None, longer }
    }

    /// What tells it from the others, for instance `1-per-request/64/default`.
    fn label(&self) -> String {
        let connections = self.connections().map(|count| format!("/{count}")).unwrap_or_default();
        let limit = self.max_in_flight.map_or_else(|| "default".to_owned(), |limit| limit.to_string());
        format!("{}{connections}/{limit}", self.name)
    }

    /// Connections of the load, where they are what paces it.
    pub(crate) fn connections(&self) -> Option<usize> {
        match self.pace {
            Pace::Closed(connections) => Some(connections),
            Pace::Open(_) | Pace::OneAtATime => None,
        }
    }
}

const CASES: [Case; 10] = [
    Case::full("1-per-request", 64, 1, None, FLOOR_SINGLE),
    Case::full("1-per-request", 256, 1, None, FLOOR_SINGLE),
    Case::full("1-per-request", 64, 1, Some(256), FLOOR_SINGLE),
    Case::full("1-per-request", 256, 1, Some(256), FLOOR_SINGLE),
    Case::full("100-per-request", 64, 100, None, FLOOR_BATCH),
    Case::full("100-per-request", 256, 100, None, FLOOR_BATCH),
    Case::full("100-per-request", 64, 100, Some(256), FLOOR_BATCH),
    Case::full("100-per-request", 256, 100, Some(256), FLOOR_BATCH),
    Case::calm("200-per-second", Pace::Open(200), 2.0),
    Case::calm("one-at-a-time", Pace::OneAtATime, 1.0),
];

/// Measures, tells, and fails when something was lost.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    fs::create_dir_all(&options.folder)?;
    let report = Bench::start(options)?.measure()?;
    writeln!(io::stdout(), "{}", table::render(&report))?;
    if let Some(path) = &options.json {
        write_json(path, &report)?;
    }
    if report.missing() > 0 {
        bail!("{} acknowledged completions did not arrive", report.missing());
    }
    if report.odd_requests() > 0 {
        bail!("the receiver got {} requests that it did not expect", report.odd_requests());
    }
    Ok(())
}

fn write_json(path: &Path, report: &Report) -> anyhow::Result<()> {
    let json = serde_json::to_string(report)?;
    if path == Path::new("-") {
        writeln!(io::stdout(), "{json}")?;
        return Ok(());
    }
    fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// The processes that outlast a single case.
struct Bench<'a> {
    options: &'a Options,
    receiver: Receiver,
    load: Helper,
    started: Instant,
}

impl<'a> Bench<'a> {
    fn start(options: &'a Options) -> anyhow::Result<Self> {
        Ok(Self { options, receiver: Receiver::start()?, load: Helper::start(Role::Load, &[])?, started: Instant::now() })
    }

    fn measure(mut self) -> anyhow::Result<Report> {
        let machine = Machine::facts(&self.options.folder)?;
        let mut report = Report { begun_at: clock::rfc3339(), machine, ceilings: Vec::new(), rows: Vec::new() };
        if self.options.include("ceiling") {
            report.ceilings = self.ceilings()?;
        }
        let ceiling = report.ceiling();
        for case in CASES.iter().filter(|case| self.options.include(&case.label())) {
            let row = self.row(case, ceiling).with_context(|| format!("{} could not be measured", case.label()))?;
            writeln!(io::stderr(), "{}: {:.0} arrived per second", case.label(), row.arrived_per_second)?;
            report.rows.push(row);
        }
        Ok(report)
    }

    fn ceilings(&mut self) -> anyhow::Result<Vec<Ceiling>> {
        let mut client = Helper::start(Role::Ceiling, &[])?;
        let mut found = Vec::new();
        for tasks in CEILING_TASKS {
            self.receiver.reset()?;
            let job = ceiling::Job { receiver: self.receiver.address, tasks, seconds: self.options.seconds.min(3.0) };
            let posted: u32 = client.ask(&serde_json::to_string(&job)?)?.parse()?;
            let arrivals = self.receiver.arrivals(posted)?;
            if arrivals.tickets != posted {
                bail!("{posted} requests were answered and {} arrived", arrivals.tickets);
            }
            found.push(Ceiling { under_way: tasks, arrived_per_second: arrivals.per_second(), latency: arrivals.latency });
        }
        client.end()?;
        Ok(found)
    }

    fn row(&mut self, case: &Case, ceiling: Option<f64>) -> anyhow::Result<Row> {
        self.receiver.reset()?;
        let dispatcher = Dispatcher::start(&self.options.folder)?;
        let job = Job {
            dispatcher: dispatcher.address(),
            receiver: self.receiver.address,
            api_key: dispatcher.set_up(self.receiver.address, case.max_in_flight)?,
            pace: case.pace,
            per_request: case.per_request,
            seconds: self.options.seconds * case.longer,
            most: self.options.most,
        };

        let cpu_before = self.cpu_seconds(&dispatcher)?;
        let acknowledged: Acknowledged = serde_json::from_str(&self.load.ask(&serde_json::to_string(&job)?)?)?;
        let arrivals = self.receiver.arrivals(acknowledged.completions)?;
        dispatcher.come_to_rest()?;
        let cpu = self.cpu_seconds(&dispatcher)?.since(cpu_before);

        let usage = dispatcher.usage()?;
        dispatcher.stop()?;
        Ok(Row::new(case, ceiling, &Measured { acknowledged, arrivals, cpu, usage }))
    }

    fn cpu_seconds(&self, dispatcher: &Dispatcher) -> anyhow::Result<CpuSeconds> {
        Ok(CpuSeconds {
            elapsed: self.started.elapsed().as_secs_f64(),
            all: process::cpu_seconds_of_all()?,
            dispatcher: dispatcher.cpu_seconds()?,
            load: process::cpu_seconds(self.load.pid())?,
            receiver: process::cpu_seconds(self.receiver.pid())?,
        })
    }
}
