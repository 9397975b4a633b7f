//! What is claimed, made ready for its attempts: with its webhook's definition, and whole where its payload is kept masked.

use std::collections::HashMap;
use std::sync::Arc;

use super::definitions::{Definition, Definitions};
use super::worker::Ready;
use crate::catalog::Catalogs;
use crate::domain::ids::WebhookId;
use crate::store::records::ClaimedDelivery;
use crate::store::{Store, StoreError};

/// What was claimed, by the lanes that it is for.
pub(super) fn group_by_lane(claimed: Vec<ClaimedDelivery>) -> HashMap<WebhookId, Vec<ClaimedDelivery>> {
    let mut by_lane: HashMap<_, Vec<_>> = HashMap::new();
    for claimed in claimed {
        by_lane.entry(claimed.webhook_id).or_default().push(claimed);
    }
    by_lane
}

/// The newest edition of the webhook that any of these was claimed under.
pub(super) fn newest_version(claimed: &[ClaimedDelivery]) -> Option<i64> {
    claimed.iter().map(|claimed| claimed.webhook_version).max()
}

/// Adds the definition and the whole payloads to what was claimed of one webhook; `None` if the webhook is deleted by now.
///
/// # Errors
/// When the store fails, or the webhook cannot be read.
pub(super) async fn made_ready(
    store: &dyn Store,
    catalogs: &Catalogs,
    definitions: &Definitions,
    id: WebhookId,
    claimed: Vec<ClaimedDelivery>,
) -> Result<Option<Vec<Ready>>, StoreError> {
    let Some(version) = newest_version(&claimed) else {
        return Ok(Some(Vec::new()));
    };
    let Some(definition) = definitions.get(id, version).await? else {
        return Ok(None);
    };
    let mut ready = Vec::with_capacity(claimed.len());
    for claimed in claimed {
        ready.push(completed(store, catalogs, claimed, &definition).await?);
    }
    Ok(Some(ready))
}

/// Puts the whole payload in the place of a masked one, of an event that may hold secrets.
async fn completed(
    store: &dyn Store,
    catalogs: &Catalogs,
    mut claimed: ClaimedDelivery,
    definition: &Arc<Definition>,
) -> Result<Ready, StoreError> {
    let (mut is_incomplete, mut secrets) = (false, Vec::new());
    if catalogs.may_hold_secrets(&claimed.event) {
        match store.secret_payload(claimed.event.id).await? {
            Some(payload) => {
                claimed.event.payload = payload;
                secrets = catalogs.secrets_of(&claimed.event);
            }
            None => is_incomplete = catalogs.is_masked(&claimed.event),
        }
    }
    Ok(Ready { claimed, definition: Arc::clone(definition), is_incomplete, secrets })
}
