//! Keeps this node known to the others, and knows which of them live.
//!
//! A node says by heartbeats that it lives. One that is silent for longer than a limit is taken for dead: others serve its
//! lanes and take up what it had in flight. The node itself goes by the same limit: when its own last heartbeat is too old
//! (it was stopped, or the store is away), it starts nothing, for by now others may have.

pub mod lanes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::domain::ids::{NodeId, WebhookId};
use crate::domain::node::{Node, NodeRole, server_of};
use crate::domain::time::Timestamp;
use crate::store::records::KnownNode;
use crate::store::{Store, StoreError};

/// How often a node says that it lives, and when it is taken for dead.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// From one heartbeat to the next.
    pub interval: Duration,
    /// A node that was silent for longer is dead.
    pub limit: Duration,
}

/// This node among the others.
pub struct Membership {
    node: Node,
    heartbeat: Heartbeat,
    store: Arc<dyn Store>,
    last_beat: Mutex<Instant>,
    /// Whether it serves no lane any more.
    serves_no_more: AtomicBool,
    /// The living nodes that serve lanes.
    serving: RwLock<Vec<NodeId>>,
    /// Whether another living node answers people.
    is_asked_elsewhere: AtomicBool,
}

impl Membership {
    /// Makes the node known and takes back what dead nodes had in flight.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn join(node: Node, heartbeat: Heartbeat, store: Arc<dyn Store>) -> Result<Arc<Self>, StoreError> {
        let membership = Self {
            node,
            heartbeat,
            store,
            last_beat: Mutex::new(Instant::now()),
            serves_no_more: AtomicBool::default(),
            serving: RwLock::default(),
            is_asked_elsewhere: AtomicBool::default(),
        };
        membership.run_once().await?;
        Ok(Arc::new(membership))
    }

    /// Beats until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut beats = Beats::new(self.heartbeat.interval, stop, "the heartbeat failed; it is tried again");
        while beats.next().await {
            beats.ended(&self.run_once().await);
        }
    }

    /// Beats once: says that this node lives, looks who else does, and takes back what the dead had in flight.
    ///
    /// # Errors
    /// When the store fails. The node counts as alive since the last time that it did not.
    pub async fn run_once(&self) -> Result<(), StoreError> {
        // Before the store is asked: what counts is when the others hear of it at the earliest.
        let begun = Instant::now();
        let silent_for = self.store.beat(self.as_it_is()).await?;
        *self.last_beat.lock().unwrap_or_else(PoisonError::into_inner) = begun;
        if let Some(silent_for) = silent_for.filter(|silent_for| *silent_for > self.heartbeat.limit) {
            warn!(
                silent_seconds = silent_for.as_secs_f32(),
                "this node was silent for longer than node.limit_ms and taken for dead: others took up what it had in flight, and what it still records of that changes nothing"
            );
        }
        self.look_around(&self.store.nodes().await?);
        let taken_back = self.store.take_back_claims(self.node.id, self.heartbeat.limit).await?;
        if taken_back > 0 {
            info!(taken_back, "deliveries of nodes that live no more are pending again");
        }
        Ok(())
    }

    /// Says that this node claims nothing more, so that others serve its lanes. What it has in flight stays its own.
    pub async fn hand_over(&self) {
        self.serves_no_more.store(true, Ordering::Relaxed);
        if let Err(failure) = self.run_once().await {
            debug!(error = %failure, "the others are told with the next heartbeat that this node claims nothing more");
        }
    }

    /// Says that this node lives no more, so that others need not wait for its silence.
    pub async fn leave(&self) {
        if let Err(failure) = self.store.leave(self.node.id).await {
            warn!(error = %failure, "the others could not be told that this node stops; they find out by its silence");
        }
    }

    /// This node's id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.node.id
    }

    /// Whether this node is sure that no other takes it for dead.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.last_beat.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < self.heartbeat.limit
    }

    /// Whether this node serves a webhook's lane.
    #[must_use]
    pub fn serves(&self, webhook: WebhookId) -> bool {
        let serving = self.serving.read().unwrap_or_else(PoisonError::into_inner);
        serving.is_empty() || server_of(webhook, &serving) == Some(self.node.id)
    }

    /// The node that serves a webhook's lane, of those that live; `None` while none is known that delivers.
    #[must_use]
    pub fn server_of(&self, webhook: WebhookId) -> Option<NodeId> {
        server_of(webhook, &self.serving.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether people ask another living node.
    #[must_use]
    pub fn is_asked_elsewhere(&self) -> bool {
        self.is_asked_elsewhere.load(Ordering::Relaxed)
    }

    /// From one heartbeat to the next.
    #[must_use]
    pub const fn beat_interval(&self) -> Duration {
        self.heartbeat.interval
    }

    /// Whether this node is to do a duty that is due at `due_at`; if so, [`Self::end_turn`] must follow.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_turn(&self, duty: &'static str, due_at: Timestamp) -> Result<bool, StoreError> {
        self.store.take_turn(duty, self.node.id, due_at, self.heartbeat.limit).await
    }

    /// Ends a turn.
    ///
    /// # Errors
    /// When the store fails. The others find out that it ended by this node's end.
    pub async fn end_turn(&self, duty: &'static str) -> Result<(), StoreError> {
        self.store.end_turn(duty, self.node.id).await
    }

    /// This node as the others are to know it.
    fn as_it_is(&self) -> Node {
        let role = if self.serves_no_more.load(Ordering::Relaxed) { NodeRole::Api } else { self.node.role };
        Node { role, ..self.node.clone() }
    }

    fn look_around(&self, known: &[KnownNode]) {
        let living = || known.iter().filter(|known| known.silent_for <= self.heartbeat.limit).map(|known| &known.node);
        let serving = living().filter(|node| node.role.delivers()).map(|node| node.id).collect();
        self.is_asked_elsewhere.store(living().any(|node| node.role.answers() && node.id != self.node.id), Ordering::Relaxed);
        *self.serving.write().unwrap_or_else(PoisonError::into_inner) = serving;
    }
}

/// The beats at which something is done. Of failures in a row only the first is logged.
pub(crate) struct Beats {
    ticks: Interval,
    stop: CancellationToken,
    failed: &'static str,
    fails: bool,
}

impl Beats {
    /// One every `beat` until `stop`, the first one at once; a failure is logged as `failed`.
    pub(crate) fn new(beat: Duration, stop: CancellationToken, failed: &'static str) -> Self {
        let mut ticks = interval(beat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, stop, failed, fails: false }
    }

    /// Waits for the next one; `false` when there is none any more.
    pub(crate) async fn next(&mut self) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            _ = self.ticks.tick() => true,
        }
    }

    /// Lets the next one wait for at least so long from now.
    pub(crate) fn rest(&mut self, at_least: Duration) {
        self.ticks.reset_after(self.ticks.period().max(at_least));
    }

    /// Takes note of how what was done at this one ended.
    pub(crate) fn ended(&mut self, result: &Result<(), StoreError>) {
        if let Err(failure) = result
            && !self.fails
        {
            warn!(error = %failure, source = ?std::error::Error::source(failure), "{}", self.failed);
        }
        self.fails = result.is_err();
    }
}
