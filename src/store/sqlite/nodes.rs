//! The one node that there is: the process that owns the file.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::SqliteStore;
use crate::domain::ids::{NodeId, WebhookId};
use crate::domain::lane::LaneView;
use crate::domain::node::Node;
use crate::domain::time::Timestamp;
use crate::store::contract::Nodes;
use crate::store::error::StoreError;
use crate::store::records::KnownNode;

/// Who owns the file, as far as it has said so.
#[derive(Default)]
pub(super) struct Owner(Mutex<Option<(Node, Instant)>>);

impl Owner {
    fn get(&self) -> Option<(Node, Instant)> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Node, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Nodes for SqliteStore {
    async fn beat(&self, node: Node) -> Result<Option<Duration>, StoreError> {
        let id = node.id;
        let before = self.owner.lock().replace((node, Instant::now()));
        Ok(before.filter(|(node, _)| node.id == id).map(|(_, since)| since.elapsed()))
    }

    async fn nodes(&self) -> Result<Vec<KnownNode>, StoreError> {
        let Some((node, since)) = self.owner.get() else {
            return Ok(Vec::new());
        };
        let claims = self.held.count_of(node.id) as u64;
        Ok(vec![KnownNode { node, silent_for: since.elapsed(), claims }])
    }

    async fn leave(&self, node: NodeId) -> Result<(), StoreError> {
        self.owner.lock().take_if(|(owner, _)| owner.id == node);
        Ok(())
    }

    /// Every other node lives no more.
    async fn take_back_claims(&self, node: NodeId, _silent_for: Duration) -> Result<u64, StoreError> {
        self.give_back(self.held.of_others(node)).await
    }

    async fn take_turn(&self, duty: &'static str, _node: NodeId, due_at: Timestamp, _silent_for: Duration) -> Result<bool, StoreError> {
        Ok(self.turns.take(duty, due_at))
    }

    async fn end_turn(&self, _duty: &'static str, _node: NodeId) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whoever asks has the lanes.
    async fn tell_lanes(&self, _node: NodeId, _changed: Vec<(WebhookId, LaneView)>, _unchanged: Vec<WebhookId>) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn told_lanes(&self, _served: Vec<(WebhookId, NodeId)>) -> Result<Vec<(WebhookId, LaneView)>, StoreError> {
        Ok(Vec::new())
    }
}

/// The times for which duties were last done by this process.
#[derive(Default)]
pub(super) struct Turns(Mutex<std::collections::HashMap<&'static str, Timestamp>>);

impl Turns {
    fn take(&self, duty: &'static str, due_at: Timestamp) -> bool {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_later = turns.get(duty).is_none_or(|done| *done < due_at);
        if is_later {
            turns.insert(duty, due_at);
        }
        is_later
    }
}
