//! What is claimed, made ready for its attempts: with its webhook's definition, whole where its payload is kept masked, and
//! held to its schema where nobody did that before.

use std::collections::HashMap;
use std::sync::Arc;

use super::definitions::{Definition, Definitions};
use super::request::Unsendable;
use super::worker::Ready;
use crate::catalog::{Catalogs, Known, OnBreach, Settings};
use crate::domain::event::{Event, PayloadState};
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

/// Says what of the event is to be sent, or why nothing is.
async fn completed(
    store: &dyn Store,
    catalogs: &Catalogs,
    claimed: ClaimedDelivery,
    definition: &Arc<Definition>,
) -> Result<Ready, StoreError> {
    let mut ready = Ready { claimed, definition: Arc::clone(definition), unsendable: None, secrets: Vec::new() };
    match ready.claimed.payload_state {
        PayloadState::Unchecked => ready.unsendable = breach_of(store, catalogs, &ready.claimed.event).await?,
        PayloadState::Masked => make_whole(store, catalogs, &mut ready).await?,
        // Of events that are older than this state, the catalogue alone says whether they are masked.
        PayloadState::Whole if catalogs.may_hold_secrets(&ready.claimed.event) => make_whole(store, catalogs, &mut ready).await?,
        PayloadState::Whole => {}
    }
    Ok(ready)
}

/// Puts the whole payload in the place of a masked one.
async fn make_whole(store: &dyn Store, catalogs: &Catalogs, ready: &mut Ready) -> Result<(), StoreError> {
    let claimed = &mut ready.claimed;
    let is_masked = claimed.payload_state == PayloadState::Masked || catalogs.is_masked(&claimed.event);
    match store.secret_payload(claimed.event.id).await? {
        Some(_) if !catalogs.may_hold_secrets(&claimed.event) => {
            ready.unsendable = Some(Unsendable::SecretsUntold(claimed.event.event_type.clone()));
        }
        Some(payload) => {
            claimed.event.payload = payload;
            ready.secrets = catalogs.secrets_of(&claimed.event);
        }
        None if is_masked => ready.unsendable = Some(Unsendable::SecretsGone),
        None => {}
    }
    Ok(())
}

/// How an event that nobody has checked yet breaks its schema, if it does and its client does not let that pass.
async fn breach_of(store: &dyn Store, catalogs: &Catalogs, event: &Event) -> Result<Option<Unsendable>, StoreError> {
    let Some(Known { catalog, event: kind }) = catalogs.event(event.event_type.as_str()) else { return Ok(None) };
    let Ok(payload) = serde_json::from_slice(&event.payload) else {
        return Ok(Some(Unsendable::Breach("the payload is no JSON that can be checked".to_owned())));
    };
    let Err(breaches) = kind.variant_of(&payload) else { return Ok(None) };
    let settled = store.client_catalog(event.client_id, catalog.name.clone()).await?;
    let settings = settled.as_ref().map(|settled| &settled.settings);
    let (mut refused, mut warned) = (Vec::new(), Vec::new());
    for breach in &breaches {
        match Settings::weigh(settings, breach) {
            Some(OnBreach::Refuse) => refused.push(format!("payload{} {}", breach.pointer, breach.message)),
            Some(OnBreach::Warn) => warned.push(breach.pointer.as_str()),
            None => {}
        }
    }
    if !warned.is_empty() {
        tracing::warn!(event.id = %event.id, event.type = %event.event_type, pointers = ?warned, "an event that breaks its schema is sent all the same");
    }
    Ok((!refused.is_empty()).then(|| Unsendable::Breach(refused.join("; "))))
}
