//! What can be done with webhooks, whichever way it was asked for.

use serde_json::{Map, Value};

use super::super::auth::Caller;
use super::super::error::{ApiError, Conflict};
use super::super::state::Api;
use super::change::{Change, restore_masked};
use super::definition;
use super::edition::Edition;
use crate::domain::ids::WebhookId;
use crate::domain::signature::SigningKeys;
use crate::domain::webhook::{Webhook, WebhookState};
use crate::store::records::{Scope, WebhookWrite};

/// How often a change is tried when others change the same webhook.
const MAX_TRIES: u32 = 5;

/// Makes a webhook for the caller's client.
pub(super) async fn create(api: &Api, caller: &Caller, body: Map<String, Value>, edition: Edition) -> Result<Webhook, ApiError> {
    let client_id = caller.client_id()?;
    let definition = definition::parse(&edition.known(body), edition, &api.settings)?;
    let now = api.clock.now();
    let webhook = Webhook {
        id: api.ids.next(now),
        client_id,
        version: 1,
        definition,
        signing_keys: SigningKeys::default(),
        state: WebhookState::Active,
        created_at: now,
        updated_at: now,
    };
    match api.store.insert_webhook(webhook.clone(), Some(caller.actor(now))).await? {
        WebhookWrite::Stored => Ok(webhook),
        WebhookWrite::NotFound => Err(ApiError::NotFound),
        WebhookWrite::TypeTaken => Err(Conflict::TypeTaken.into()),
        WebhookWrite::Stale => Err(Conflict::ChangedMeanwhile.into()),
    }
}

/// A webhook in the caller's scope that the edition shows.
pub(super) async fn find(api: &Api, scope: Scope, id: WebhookId, edition: Edition) -> Result<Webhook, ApiError> {
    let webhook = api.store.webhook(scope, id).await?;
    webhook.filter(|webhook| edition.shows(webhook)).ok_or(ApiError::NotFound)
}

/// Changes a webhook's definition by what a caller sent. Whoever changes it at the same time loses nothing: the change is
/// made to the newest version, or not at all.
pub(super) async fn update(
    api: &Api,
    caller: &Caller,
    id: WebhookId,
    body: Map<String, Value>,
    (change, edition): (Change, Edition),
) -> Result<Webhook, ApiError> {
    let body = edition.known(body);
    for _ in 0..MAX_TRIES {
        let mut webhook = find(api, caller.scope(), id, edition).await?;
        let object = change.apply(&webhook.definition, body.clone(), edition);
        let mut definition = definition::parse(&object, edition, &api.settings)?;
        restore_masked(&mut definition, &webhook.definition);
        webhook.definition = definition;
        webhook.updated_at = api.clock.now();
        match api.store.update_webhook(webhook.clone(), Some(caller.actor(webhook.updated_at))).await? {
            WebhookWrite::Stored => return Ok(webhook),
            WebhookWrite::NotFound => return Err(ApiError::NotFound),
            WebhookWrite::TypeTaken => return Err(Conflict::TypeTaken.into()),
            WebhookWrite::Stale => {}
        }
    }
    Err(Conflict::ChangedMeanwhile.into())
}

/// Deletes a webhook.
pub(super) async fn delete(api: &Api, caller: &Caller, id: WebhookId, edition: Edition) -> Result<(), ApiError> {
    find(api, caller.scope(), id, edition).await?;
    let now = api.clock.now();
    let deleted = api.store.delete_webhook(caller.scope(), id, now, Some(caller.actor(now))).await?;
    if deleted { Ok(()) } else { Err(ApiError::NotFound) }
}

/// Sets whether a webhook is called.
pub(super) async fn set_state(api: &Api, caller: &Caller, id: WebhookId, state: WebhookState) -> Result<Webhook, ApiError> {
    let now = api.clock.now();
    let changed = api.store.set_webhook_state(caller.scope(), id, state, now, Some(caller.actor(now))).await?;
    if changed { find(api, caller.scope(), id, Edition::V1).await } else { Err(ApiError::NotFound) }
}
