//! The load: enqueues completions and says what was acknowledged.
//!
//! A helper that does one [`Job`] for each line. Sequences have no gaps: a completion that the dispatcher refuses for the
//! moment is enqueued again a little later, and any other answer ends the run, so at the end all that were begun are
//! acknowledged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use super::clock;
use super::connection::Connection;
use super::helper::{incoming_lines, say};
use super::quantiles::Quantiles;
use super::requests::EnqueueRequest;

/// How long a refused request waits before it is sent again. At once, refusals would be most of what is measured.
const REFUSED_PAUSE: Duration = Duration::from_millis(200);

/// What to enqueue, where and how fast.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The dispatcher's nodes; connections go to them in turn.
    pub(crate) dispatchers: Vec<SocketAddr>,
    /// The receiver, for a load that waits for arrivals.
    pub(crate) receiver: SocketAddr,
    /// A key that may enqueue.
    pub(crate) api_key: String,
    /// For how many webhooks, in turn.
    pub(crate) webhooks: u32,
    /// How fast.
    pub(crate) pace: Pace,
    /// Completions in each request.
    pub(crate) per_request: u32,
    /// For how long.
    pub(crate) seconds: f64,
    /// The most completions.
    pub(crate) most: u32,
}

/// When the next request goes out.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Pace {
    /// On each of so many connections, as soon as the one before is acknowledged.
    Closed(usize),
    /// So many a second, whether those before are acknowledged or not.
    Open(u32),
    /// When the one before has arrived at the receiver.
    OneAtATime,
}

/// What was acknowledged.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Acknowledged {
    /// Completions, with the sequences from 0 on.
    pub(crate) completions: u32,
    /// Requests that were refused and sent again.
    pub(crate) refused: u32,
    /// From the first request to the last acknowledgement.
    pub(crate) seconds: f64,
    /// From each request to its acknowledgement.
    pub(crate) latency: Quantiles,
}

/// Does jobs until there are no more.
pub(crate) fn run() -> anyhow::Result<()> {
    // One thread is enough to fill the dispatcher, and leaves it the most of the machine.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut lines = incoming_lines();
        while let Some(line) = lines.recv().await {
            let acknowledged = do_job(serde_json::from_str(&line)?).await?;
            say(&serde_json::to_string(&acknowledged)?)?;
        }
        Ok(())
    })
}

async fn do_job(job: Job) -> anyhow::Result<Acknowledged> {
    let job = Arc::new(job);
    match job.pace {
        Pace::Closed(connections) => closed(&job, connections).await,
        Pace::Open(per_second) => open(&job, per_second).await,
        Pace::OneAtATime => one_at_a_time(&job).await,
    }
}

async fn closed(job: &Arc<Job>, connections: usize) -> anyhow::Result<Acknowledged> {
    let mut producers = Vec::with_capacity(connections);
    for number in 0..connections {
        producers.push(Producer::open(job, number).await?);
    }
    let work = Arc::new(Work::start(job));
    let mut tasks = JoinSet::new();
    for mut producer in producers {
        let work = Arc::clone(&work);
        tasks.spawn(async move {
            let mut acks = Vec::new();
            while let Some(first) = work.take() {
                acks.push(producer.enqueue(first).await?);
            }
            anyhow::Ok(acks)
        });
    }
    let mut acks = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        acks.append(&mut ended??);
    }
    Ok(work.acknowledged(acks))
}

async fn open(job: &Arc<Job>, per_second: u32) -> anyhow::Result<Acknowledged> {
    let idle = Arc::new(Mutex::new(Vec::new()));
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    let work = Work::start(job);
    let mut tasks = JoinSet::new();
    while let Some(first) = work.take() {
        ticks.tick().await;
        let unused = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (job, idle) = (Arc::clone(job), Arc::clone(&idle));
        tasks.spawn(async move {
            let mut producer = match unused {
                Some(producer) => producer,
                None => Producer::open(&job, first as usize).await?,
            };
            let ack = producer.enqueue(first).await?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(producer);
            anyhow::Ok(ack)
        });
    }
    let mut acks = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        acks.push(ended??);
    }
    Ok(work.acknowledged(acks))
}

async fn one_at_a_time(job: &Job) -> anyhow::Result<Acknowledged> {
    let mut producer = Producer::open(job, 0).await?;
    let mut receiver = Connection::open(job.receiver).await?;
    let work = Work::start(job);
    let mut acks = Vec::new();
    while let Some(first) = work.take() {
        acks.push(producer.enqueue(first).await?);
        let arrived = format!("GET /arrived/{} HTTP/1.1\r\nhost: {}\r\n\r\n", first + job.per_request, job.receiver);
        receiver.exchange(arrived.as_bytes()).await?;
    }
    Ok(work.acknowledged(acks))
}

/// Hands out sequences until the time is over or there are enough.
struct Work {
    next: AtomicU32,
    per_request: u32,
    most: u32,
    started: Instant,
    time: Duration,
}

impl Work {
    fn start(job: &Job) -> Self {
        let (next, started, time) = (AtomicU32::new(0), Instant::now(), Duration::from_secs_f64(job.seconds));
        Self { next, per_request: job.per_request, most: job.most, started, time }
    }

    /// The first sequence of the next request.
    fn take(&self) -> Option<u32> {
        if self.started.elapsed() >= self.time {
            return None;
        }
        let beyond = |next: u32| next.checked_add(self.per_request).filter(|beyond| *beyond <= self.most);
        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, beyond).ok()
    }

    /// What `acks`, one for each request, come to.
    fn acknowledged(&self, acks: Vec<Ack>) -> Acknowledged {
        Acknowledged {
            completions: self.next.load(Ordering::Relaxed),
            refused: acks.iter().map(|ack| ack.refused).sum(),
            seconds: self.started.elapsed().as_secs_f64(),
            latency: Quantiles::of(acks.into_iter().map(|ack| ack.micros).collect()),
        }
    }
}

/// How one request was acknowledged.
struct Ack {
    micros: u32,
    refused: u32,
}

/// One connection with its request.
struct Producer {
    connection: Connection,
    request: EnqueueRequest,
}

impl Producer {
    /// The connection with this number among those of the job.
    async fn open(job: &Job, number: usize) -> anyhow::Result<Self> {
        let dispatcher = job.dispatchers[number % job.dispatchers.len()];
        let request = EnqueueRequest::new(&dispatcher.to_string(), &job.api_key, job.per_request as usize, job.webhooks);
        Ok(Self { connection: Connection::open(dispatcher).await?, request })
    }

    /// Enqueues the completions from `first` on, as often as it takes.
    async fn enqueue(&mut self, first: u32) -> anyhow::Result<Ack> {
        let begun = clock::now();
        let request = self.request.with_tickets(first, begun);
        let mut refused = 0;
        loop {
            match self.connection.exchange(request).await? {
                202 => return Ok(Ack { micros: clock::micros_between(begun, clock::now()), refused }),
                429 | 503 => {
                    refused += 1;
                    sleep(REFUSED_PAUSE).await;
                }
                status => bail!("a completion was answered {status}"),
            }
        }
    }
}
