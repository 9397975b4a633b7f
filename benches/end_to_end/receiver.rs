//! The receiver: takes deliveries in as cheaply as it can, and knows which came, how often and when.
//!
//! Lines it understands: `reset` forgets all, `await N` waits until N different tickets came (or none do any more),
//! `report` tells an [`Arrivals`] as JSON. Its first line says where it listens. Over HTTP, `GET /arrived/N` is answered
//! once N different tickets came, `/login` with an access token, `/hang/…` never; everything else is a delivery.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::{Buf as _, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::clock;
use super::helper::{Helper, Role, incoming_lines, say};
use super::quantiles::Quantiles;
use super::requests::DOCUMENT_BYTES;
use super::ticket::Ticket;
use super::wire::{self, Message};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const LOGIN_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 48\r\n\r\n\
    {\"access_token\":\"access-0123\",\"expires_in\":3600}";

/// Deliveries are given up when none came for this long; longer than the first retry waits.
const QUIET: Duration = Duration::from_secs(20);

/// The longest that a small backlog may take, and the rate that a large one must have.
const DRAIN_LIMIT: Duration = Duration::from_mins(3);
const DRAINED_PER_SECOND: u32 = 1_000;

/// What came since the last reset.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Arrivals {
    /// Different tickets.
    pub(crate) tickets: u32,
    /// Deliveries, repeats included.
    pub(crate) deliveries: u32,
    /// Requests that are no delivery of ours: another path, another length, a broken connection.
    pub(crate) odd: u32,
    /// Logins.
    pub(crate) logins: u32,
    /// Requests that were left without an answer.
    pub(crate) hung: u32,
    /// The first line and the headers of the first delivery.
    pub(crate) first_head: String,
    /// When the earliest of them was begun.
    pub(crate) first_begun: u64,
    /// When the first one came.
    pub(crate) first_arrival: u64,
    /// When the last new one came.
    pub(crate) last_arrival: u64,
    /// From each one's begin to its first arrival.
    pub(crate) latency: Quantiles,
}

impl Arrivals {
    /// Different tickets per second, from the first begin to the last arrival.
    pub(crate) fn per_second(&self) -> f64 {
        self.per_second_since(self.first_begun)
    }

    /// Different tickets per second, from the first arrival to the last.
    pub(crate) fn drained_per_second(&self) -> f64 {
        self.per_second_since(self.first_arrival)
    }

    fn per_second_since(&self, start: u64) -> f64 {
        let seconds = f64::from(clock::micros_between(start, self.last_arrival)) / 1e6;
        f64::from(self.tickets) / seconds.max(1e-6)
    }
}

/// The receiver as the measuring process sees it.
pub(crate) struct Receiver {
    helper: Helper,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Receiver {
    /// Starts one.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut helper = Helper::start(Role::Receiver, &[])?;
        let address = helper.next_line()?.parse()?;
        Ok(Self { helper, address })
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.helper.pid()
    }

    /// Forgets what came.
    pub(crate) fn reset(&mut self) -> anyhow::Result<()> {
        self.helper.ask("reset").map(drop)
    }

    /// What came, once that is `count` different tickets or no more come.
    pub(crate) fn arrivals(&mut self, count: u32) -> anyhow::Result<Arrivals> {
        self.helper.ask(&format!("await {count}"))?;
        Ok(serde_json::from_str(&self.helper.ask("report")?)?)
    }
}

/// Receives until there is nothing more to do.
pub(crate) fn run() -> anyhow::Result<()> {
    // One thread: handing requests between two would cost more than it gains.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Each request that hangs is an open connection.
    rlimit::increase_nofile_limit(u64::MAX)?;
    runtime.block_on(receive())
}

async fn receive() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&listener.local_addr()?.to_string())?;
    let tally = Arc::new(Tally::new());
    tokio::spawn(accept(listener, Arc::clone(&tally)));
    let mut lines = incoming_lines();
    while let Some(line) = lines.recv().await {
        say(&tally.obey(&line).await?)?;
    }
    Ok(())
}

async fn accept(listener: TcpListener, tally: Arc<Tally>) {
    while let Ok((stream, _)) = listener.accept().await {
        let tally = Arc::clone(&tally);
        tokio::spawn(async move {
            if attend(stream, &tally).await.is_err() {
                tally.seen().odd += 1;
            }
        });
    }
}

/// Answers what comes over one connection, several requests at once if they came so.
async fn attend(mut stream: TcpStream, tally: &Tally) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = BytesMut::with_capacity(16 * 1024);
    let mut answers = Vec::new();
    loop {
        while let Some(message) = wire::first_message(&read)? {
            let mut answer = ANSWER;
            match Asked::by(&message) {
                Asked::Arrived(count) => tally.wait_for(count).await,
                Asked::Login => {
                    tally.seen().logins += 1;
                    answer = LOGIN_ANSWER;
                }
                Asked::Hang => {
                    tally.seen().hung += 1;
                    hang(stream).await;
                    return Ok(());
                }
                Asked::Delivery => tally.take_in(&message),
            }
            let length = message.length;
            read.advance(length);
            answers.extend_from_slice(answer);
        }
        if !answers.is_empty() {
            stream.write_all(&answers).await?;
            answers.clear();
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}

/// Answers nothing until the other side has had enough.
async fn hang(mut stream: TcpStream) {
    let mut ignored = [0; 64];
    // However the connection ends, it ends by the other side's wish.
    while matches!(stream.read(&mut ignored).await, Ok(1..)) {}
}

/// What a request is about.
enum Asked {
    Arrived(u32),
    Login,
    Hang,
    Delivery,
}

impl Asked {
    fn by(message: &Message<'_>) -> Self {
        match wire::path(message.first_line) {
            Some(b"/login") => Self::Login,
            Some(path) if path.starts_with(b"/hang/") => Self::Hang,
            Some(path) => path.strip_prefix(b"/arrived/").and_then(number).map_or(Self::Delivery, Self::Arrived),
            None => Self::Delivery,
        }
    }
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn ticket(message: &Message<'_>) -> Option<Ticket> {
    let name = wire::path(message.first_line)?.strip_prefix(b"/hook/")?;
    if message.body_length == DOCUMENT_BYTES { Ticket::parse(name) } else { None }
}

/// All that came, shared by all connections.
struct Tally {
    seen: Mutex<Seen>,
    /// How many different tickets came, for those who wait for a number of them.
    tickets: watch::Sender<u32>,
}

#[derive(Default)]
struct Seen {
    /// A bit for each ticket that came, by its sequence.
    came: Vec<u64>,
    micros: Vec<u32>,
    deliveries: u32,
    odd: u32,
    logins: u32,
    hung: u32,
    first_head: String,
    first_begun: Option<u64>,
    first_arrival: u64,
    last_arrival: u64,
}

impl Tally {
    fn new() -> Self {
        Self { seen: Mutex::default(), tickets: watch::Sender::new(0) }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn obey(&self, line: &str) -> anyhow::Result<String> {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("reset", _) => {
                *self.seen() = Seen::default();
                self.tickets.send_replace(0);
            }
            ("await", count) => {
                let count: u32 = count.parse().context("a number to wait for is missing")?;
                let limit = DRAIN_LIMIT.max(Duration::from_secs((count / DRAINED_PER_SECOND).into()));
                // The report that follows says what is missing.
                drop(timeout(limit, self.wait_for(count)).await);
            }
            ("report", _) => return Ok(serde_json::to_string(&self.seen().report())?),
            _ => bail!("the receiver does not understand `{line}`"),
        }
        Ok("done".to_owned())
    }

    fn take_in(&self, message: &Message<'_>) {
        let now = clock::now();
        let tickets = {
            let mut seen = self.seen();
            match ticket(message) {
                Some(ticket) => seen.count(ticket, now, message.head),
                None => seen.odd += 1,
            }
            seen.tickets()
        };
        self.tickets.send_replace(tickets);
    }

    async fn wait_for(&self, count: u32) {
        let mut tickets = self.tickets.subscribe();
        while *tickets.borrow_and_update() < count {
            if timeout(QUIET, tickets.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Seen {
    fn count(&mut self, ticket: Ticket, now: u64, head: &[u8]) {
        if self.deliveries == 0 {
            (self.first_arrival, self.first_head) = (now, String::from_utf8_lossy(head).into_owned());
        }
        self.deliveries += 1;
        let (word, bit) = ((ticket.sequence / 64) as usize, 1 << (ticket.sequence % 64));
        if self.came.len() <= word {
            self.came.resize(word + 1, 0);
        }
        if self.came[word] & bit != 0 {
            return;
        }
        self.came[word] |= bit;
        self.micros.push(clock::micros_between(ticket.begun, now));
        self.first_begun = Some(self.first_begun.map_or(ticket.begun, |first| first.min(ticket.begun)));
        self.last_arrival = now;
    }

    fn tickets(&self) -> u32 {
        u32::try_from(self.micros.len()).unwrap_or(u32::MAX)
    }

    fn report(&self) -> Arrivals {
        Arrivals {
            tickets: self.tickets(),
            deliveries: self.deliveries,
            odd: self.odd,
            logins: self.logins,
            hung: self.hung,
            first_head: self.first_head.clone(),
            first_begun: self.first_begun.unwrap_or_default(),
            first_arrival: self.first_arrival,
            last_arrival: self.last_arrival,
            latency: Quantiles::of(self.micros.clone()),
        }
    }
}
