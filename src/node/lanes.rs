//! How lanes stand, whichever node is asked.
//!
//! A lane lives in the memory of the node that serves it. That node tells the others how it stands; they show what was told
//! last, which is at most about a heartbeat old.

use async_trait::async_trait;

use crate::domain::lane::{LaneCounts, ServedLane};
use crate::domain::webhook::Webhook;
use crate::store::StoreError;

/// Who can tell how lanes stand.
#[async_trait]
pub trait Lanes: Send + Sync {
    /// How many of the lanes in this node's memory stand how.
    fn counts(&self) -> LaneCounts;

    /// How the webhooks' lanes stand on the nodes that serve them, in the order of `webhooks`. A lane of which its node told
    /// nothing is idle.
    ///
    /// # Errors
    /// When another node serves one of them and the store fails.
    async fn views(&self, webhooks: &[Webhook]) -> Result<Vec<ServedLane>, StoreError>;

    /// How one webhook's lane stands, as [`Self::views`] tells it.
    ///
    /// # Errors
    /// As for [`Self::views`].
    async fn view(&self, webhook: &Webhook) -> Result<ServedLane, StoreError>;
}
