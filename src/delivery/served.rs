//! How lanes stand: those that this node serves from memory, others as their nodes told it.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::pool::Pool;
use crate::domain::ids::{NodeId, WebhookId};
use crate::domain::lane::{LaneCounts, LaneView, ServedLane};
use crate::domain::time::Clock;
use crate::domain::webhook::Webhook;
use crate::node::Membership;
use crate::node::lanes::Lanes;
use crate::store::{Store, StoreError};

/// The lanes of all nodes, as this one knows them.
pub struct ServedLanes {
    pool: Arc<Pool>,
    membership: Arc<Membership>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl ServedLanes {
    /// Those in `pool`, and those that other nodes keep on `store` told of.
    #[must_use]
    pub const fn new(pool: Arc<Pool>, membership: Arc<Membership>, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { pool, membership, store, clock }
    }

    /// What other nodes told of the lanes that they serve.
    async fn told(&self, served: &[(&Webhook, Option<NodeId>)]) -> Result<HashMap<WebhookId, LaneView>, StoreError> {
        let elsewhere = |server: Option<NodeId>| server.filter(|server| *server != self.membership.id());
        let asked: Vec<_> = served.iter().filter_map(|(webhook, server)| Some((webhook.id, elsewhere(*server)?))).collect();
        if asked.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(self.store.told_lanes(asked).await?.into_iter().collect())
    }
}

#[async_trait]
impl Lanes for ServedLanes {
    fn counts(&self) -> LaneCounts {
        self.pool.counts()
    }

    async fn views(&self, webhooks: &[Webhook]) -> Result<Vec<ServedLane>, StoreError> {
        let served: Vec<_> = webhooks.iter().map(|webhook| (webhook, self.membership.server_of(webhook.id))).collect();
        let (told, now) = (self.told(&served).await?, self.clock.now());
        let view = |(webhook, node_id): (&Webhook, Option<NodeId>)| {
            let lane = match (node_id == Some(self.membership.id()), told.get(&webhook.id)) {
                (true, _) => self.pool.view(webhook),
                (false, Some(told)) => told.as_of(now),
                (false, None) => self.pool.idle_view(webhook),
            };
            ServedLane { node_id, lane }
        };
        Ok(served.into_iter().map(view).collect())
    }

    async fn view(&self, webhook: &Webhook) -> Result<ServedLane, StoreError> {
        let views = self.views(std::slice::from_ref(webhook)).await?;
        let idle = || ServedLane { node_id: None, lane: self.pool.idle_view(webhook) };
        Ok(views.first().copied().unwrap_or_else(idle))
    }
}
