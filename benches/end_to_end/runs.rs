//! The measurement itself: how each case is run.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};

use super::cases::{CASES, Case, Manner, Rhythm, SINGLE, Store};
use super::dispatcher::Dispatcher;
use super::helper::{Helper, Role};
use super::keeper::Plan;
use super::load::{Acknowledged, Job, Pace};
use super::machine::Machine;
use super::options::Options;
use super::receiver::{Arrivals, Receiver};
use super::report::{Ceiling, CpuSeconds, Measured, Report, Row};
use super::set_up::Client;
use super::{ceiling, clock, process, table};

/// How many requests of the bare client are under way at once; the best counts.
const CEILING_TASKS: [usize; 3] = [16, 64, 256];

/// How long it may take to store what is to be drained.
const FILL_LIMIT_SECONDS: f64 = 1_800.0;

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

/// Fails when the webhooks were not called in the manner of the case, so that its figures would be another's.
fn check_manner(case: &Case, arrivals: &Arrivals) -> anyhow::Result<()> {
    let has = |header: &str| arrivals.first_head.contains(header);
    let right = match case.manner {
        Manner::Plain => arrivals.logins == 0 && arrivals.hung == 0,
        Manner::LoginAndSignature => {
            arrivals.logins > 0 && has("\r\nauthorization: Bearer access-0123\r\n") && has("\r\nwebhook-signature: v1,")
        }
        Manner::HalfHang => arrivals.hung > 0,
    };
    if !right {
        bail!("{} logins and {} hanging requests came, the first delivery as `{}`", arrivals.logins, arrivals.hung, arrivals.first_head);
    }
    Ok(())
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
        let mut report = Report { begun_at: clock::rfc3339(), machine, ceilings: Vec::new(), rows: Vec::new(), comparisons: Vec::new() };
        if self.options.include("ceiling") {
            report.ceilings = self.ceilings()?;
        }
        for store in self.options.stores() {
            for case in CASES.iter().filter(|case| self.options.include_case(case, store)) {
                self.add_row(&mut report, case, store).with_context(|| format!("{} could not be measured", case.label(store)))?;
            }
            report.compare(store);
        }
        Ok(report)
    }

    fn add_row(&mut self, report: &mut Report, case: &Case, store: Store) -> anyhow::Result<()> {
        let label = case.label(store);
        let Some(pace) = case.pace(report.most(store)) else {
            writeln!(io::stderr(), "{label}: left out, for it needs {SINGLE} in the same run")?;
            return Ok(());
        };
        let measured = self.measured(case, store, pace)?;
        let row = Row::new(case, store, report.ceiling(), &measured);
        writeln!(io::stderr(), "{label}: {:.0} arrived per second", row.arrived_per_second)?;
        report.rows.push(row);
        Ok(())
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

    fn measured(&mut self, case: &Case, store: Store, pace: Pace) -> anyhow::Result<Measured> {
        self.receiver.reset()?;
        let dispatcher = Dispatcher::start(&self.plan(case, store))?;
        let client = dispatcher.set_up(self.receiver.address, *case)?;
        let job = self.job(case, pace, &dispatcher, &client);

        let empty = dispatcher.usage()?;
        let (acknowledged, cpu_before) = if let Rhythm::Drain(_) = case.rhythm {
            self.fill_and_resume(&job, &dispatcher, &client)?
        } else {
            let cpu_before = self.cpu_seconds(&dispatcher)?;
            (self.enqueue(&job)?, cpu_before)
        };
        let arrivals = self.receiver.arrivals(case.answered(acknowledged.completions))?;
        if case.manner != Manner::HalfHang {
            dispatcher.come_to_rest()?;
        }
        let cpu = self.cpu_seconds(&dispatcher)?.since(cpu_before);

        let usage = dispatcher.usage()?;
        dispatcher.stop()?;
        check_manner(case, &arrivals)?;
        Ok(Measured { acknowledged, arrivals, cpu, empty, usage })
    }

    fn plan(&self, case: &Case, store: Store) -> Plan {
        Plan {
            parent: self.options.folder.clone(),
            settings: self.options.env.clone(),
            nodes: case.nodes,
            server: self.options.postgres.clone().filter(|_| store == Store::Postgres),
        }
    }

    fn job(&self, case: &Case, pace: Pace, dispatcher: &Dispatcher, client: &Client) -> Job {
        let (seconds, most) = match case.rhythm {
            Rhythm::Drain(pending) => (FILL_LIMIT_SECONDS, pending),
            _ => (self.options.seconds * case.longer, self.options.most),
        };
        Job {
            dispatchers: dispatcher.addresses(),
            receiver: self.receiver.address,
            api_key: client.api_key.clone(),
            webhooks: case.webhooks,
            pace,
            per_request: case.per_request,
            seconds,
            most,
        }
    }

    fn enqueue(&mut self, job: &Job) -> anyhow::Result<Acknowledged> {
        Ok(serde_json::from_str(&self.load.ask(&serde_json::to_string(job)?)?)?)
    }

    /// Enqueues everything while nothing is delivered, and lets go.
    fn fill_and_resume(&mut self, job: &Job, dispatcher: &Dispatcher, client: &Client) -> anyhow::Result<(Acknowledged, CpuSeconds)> {
        dispatcher.act(client, "pause")?;
        let acknowledged = self.enqueue(job)?;
        if acknowledged.completions < job.most {
            bail!("only {} of {} completions could be stored in time", acknowledged.completions, job.most);
        }
        dispatcher.come_to_rest()?;
        let early = self.receiver.arrivals(0)?.deliveries;
        if early > 0 {
            bail!("{early} deliveries arrived although the webhook was paused");
        }
        let cpu_before = self.cpu_seconds(dispatcher)?;
        dispatcher.act(client, "resume")?;
        Ok((acknowledged, cpu_before))
    }

    fn cpu_seconds(&self, dispatcher: &Dispatcher) -> anyhow::Result<CpuSeconds> {
        Ok(CpuSeconds {
            elapsed: self.started.elapsed().as_secs_f64(),
            all: process::cpu_seconds_of_all()?,
            dispatcher: dispatcher.cpu_seconds()?,
            load: process::cpu_seconds(self.load.pid())?,
            receiver: process::cpu_seconds(self.receiver.pid())?,
            database: dispatcher.database_cpu_seconds()?,
        })
    }
}
