//! Tells this node's listeners at once, and other nodes soon, what was written.
//!
//! Other nodes learn by NOTIFY, which PostgreSQL serialises over the whole server: so it is never part of a transaction
//! that stores something, many signals make one, and none is sent while no other node lives. It is a hint. A node that
//! hears nothing, because it was lost or because a connection pooler is in between, finds the same by polling.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::ids::WebhookId;
use crate::store::signal::Signal;

/// The channel that all nodes of a database listen on.
const CHANNEL: &str = "webhook_dispatcher";

/// How long signals gather before other nodes are told.
const GATHER: Duration = Duration::from_millis(25);

/// How many webhooks one notification names: a payload must be shorter than 8,000 bytes.
const NAMED: usize = 200;

/// How many notifications one gathering makes; what does not fit is left to the polls of the others.
const NOTIFICATIONS: usize = 4;

/// How long to wait for the server before what gathered is forgotten.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to rest after the listening connection failed.
const REST: Duration = Duration::from_secs(5);

/// How many signals may gather before they are forgotten.
const GATHERED: usize = 10_000;

/// Where signals are handed in.
#[derive(Clone)]
pub(super) struct Announcer {
    here: broadcast::Sender<Signal>,
    elsewhere: mpsc::Sender<Signal>,
    has_peers: Arc<AtomicBool>,
}

/// What tells other nodes, and listens to them.
pub(super) struct Messenger {
    /// By which a node knows its own notifications.
    sender: Uuid,
    options: PgConnectOptions,
    here: broadcast::Sender<Signal>,
    gathered: mpsc::Receiver<Signal>,
}

/// The two ends of a node's signals.
pub(super) fn announcer(sender: Uuid, options: PgConnectOptions, kept: usize) -> (Announcer, Messenger) {
    let (here, _) = broadcast::channel(kept);
    let (elsewhere, gathered) = mpsc::channel(GATHERED);
    let announcer = Announcer { here: here.clone(), elsewhere, has_peers: Arc::default() };
    (announcer, Messenger { sender, options, here, gathered })
}

impl Announcer {
    /// Whoever listens on this node.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Signal> {
        self.here.subscribe()
    }

    /// Says that something was written.
    pub(super) fn announce(&self, signal: Signal) {
        if self.has_peers.load(Ordering::Relaxed) {
            // When more gathers than can be told, the others find it by polling.
            drop(self.elsewhere.try_send(signal.clone()));
        }
        // That nobody listens is no error.
        drop(self.here.send(signal));
    }

    /// Whether there is any other node to tell.
    pub(super) fn set_has_peers(&self, has_peers: bool) {
        self.has_peers.store(has_peers, Ordering::Relaxed);
    }
}

impl Messenger {
    /// Tells and listens until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let Self { sender, options, here, gathered } = self;
        let both = async { tokio::join!(tell(sender, options.clone(), gathered), listen(sender, options, here)) };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = both => {}
        }
    }
}

async fn tell(sender: Uuid, options: PgConnectOptions, mut gathered: mpsc::Receiver<Signal>) {
    let mut connection = None;
    while let Some(first) = gathered.recv().await {
        sleep(GATHER).await;
        let mut news = News::default();
        news.add(first);
        while let Ok(next) = gathered.try_recv() {
            news.add(next);
        }
        for text in news.notifications(sender).into_iter().take(NOTIFICATIONS) {
            let told = timeout(PATIENCE, notify(&options, &mut connection, &text)).await;
            if !matches!(told, Ok(Ok(()))) {
                connection = None;
                tracing::debug!("other nodes could not be told; they find by polling what is due");
            }
        }
    }
}

async fn notify(options: &PgConnectOptions, connection: &mut Option<PgConnection>, text: &str) -> Result<(), sqlx::Error> {
    let db = match connection {
        Some(db) => db,
        None => connection.insert(options.connect().await?),
    };
    sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(text).execute(db).await?;
    Ok(())
}

async fn listen(own: Uuid, options: PgConnectOptions, here: broadcast::Sender<Signal>) {
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
    loop {
        if let Err(error) = hear(own, &pool, &here).await {
            tracing::debug!(%error, "other nodes are not heard; what is due is found by polling");
        }
        sleep(REST).await;
    }
}

async fn hear(own: Uuid, pool: &sqlx::PgPool, here: &broadcast::Sender<Signal>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let heard = listener.recv().await?;
        for signal in News::read(heard.payload(), own).into_iter().flat_map(News::signals) {
            // That nobody listens is no error.
            drop(here.send(signal));
        }
    }
}

/// What other nodes are told: in which lanes something is due, and which webhooks changed.
#[derive(Debug, Default, PartialEq, Eq)]
struct News {
    due: BTreeSet<WebhookId>,
    changed: BTreeSet<WebhookId>,
}

impl News {
    fn add(&mut self, signal: Signal) {
        match signal {
            Signal::Due(ids) => self.due.extend(ids.iter().copied()),
            Signal::WebhookChanged(id) => drop(self.changed.insert(id)),
        }
    }

    fn signals(self) -> Vec<Signal> {
        let changed = self.changed.into_iter().map(Signal::WebhookChanged);
        let due = (!self.due.is_empty()).then(|| Signal::Due(self.due.into_iter().collect()));
        changed.chain(due).collect()
    }

    /// `SENDER c ID ID … d ID …`, changes first: they must not be left to a poll.
    fn notifications(&self, sender: Uuid) -> Vec<String> {
        let changed = self.changed.iter().map(|id| ("c", id));
        let due = self.due.iter().map(|id| ("d", id));
        let words: Vec<String> = changed.chain(due).map(|(kind, id)| format!("{kind}{}", id.as_uuid().simple())).collect();
        words.chunks(NAMED).map(|words| format!("{} {}", sender.simple(), words.join(" "))).collect()
    }

    /// Reads a notification of another node; `None` for one's own, and for what no node writes.
    fn read(text: &str, own: Uuid) -> Option<Self> {
        let mut words = text.split(' ');
        if words.next()?.parse::<Uuid>().ok()? == own {
            return None;
        }
        let mut news = Self::default();
        for word in words {
            let (kind, id) = word.split_at_checked(1)?;
            let id = WebhookId::from(id.parse::<Uuid>().ok()?);
            match kind {
                "c" => news.changed.insert(id),
                "d" => news.due.insert(id),
                _ => return None,
            };
        }
        Some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Uuid = Uuid::from_u128(1);
    const ELSEWHERE: Uuid = Uuid::from_u128(2);

    fn news(due: u128, changed: u128) -> News {
        let ids = |count| (1..=count).map(|id| WebhookId::from(Uuid::from_u128(id)));
        News { due: ids(due).collect(), changed: ids(changed).collect() }
    }

    #[test]
    fn what_is_told_is_heard_elsewhere_and_not_here() {
        let told = news(3, 2);

        let texts = told.notifications(ELSEWHERE);

        assert_eq!(texts.len(), 1);
        assert_eq!(News::read(&texts[0], HERE), Some(told));
        assert_eq!(News::read(&texts[0], ELSEWHERE), None);
    }

    #[test]
    fn much_news_is_told_in_parts_that_postgres_takes() {
        let texts = news(450, 10).notifications(HERE);

        assert_eq!(texts.len(), 3);
        assert!(texts.iter().all(|text| text.len() < 8_000));
        assert_eq!(News::read(&texts[0], ELSEWHERE).unwrap().changed.len(), 10);
    }

    #[test]
    fn what_no_node_writes_is_passed_over() {
        for text in [
            "",
            "hello",
            "00000000000000000000000000000002 x1",
            "00000000000000000000000000000002 d1",
            "é",
            "00000000000000000000000000000002 é",
        ] {
            assert_eq!(News::read(text, HERE), None, "{text:?}");
        }
    }

    #[test]
    fn equal_signals_are_told_once() {
        let mut gathered = News::default();
        let id = WebhookId::from(Uuid::from_u128(7));

        for _ in 0..3 {
            gathered.add(Signal::Due([id].into()));
            gathered.add(Signal::WebhookChanged(id));
        }

        assert_eq!(gathered.signals(), [Signal::WebhookChanged(id), Signal::Due([id].into())]);
    }
}
