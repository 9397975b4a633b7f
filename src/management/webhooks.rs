//! What can be done with webhooks, whichever way it was asked for.

use serde_json::{Map, Value};

use super::catalog;
use super::change::{Change, restore_masked};
use super::client_certificate;
use super::definition;
use super::edition::Edition;
use super::{By, Desk, Refusal};
use crate::domain::audit;
use crate::domain::ids::{ClientId, WebhookId};
use crate::domain::signature::SigningKeys;
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Webhook, WebhookDefinition, WebhookState};
use crate::store::records::{Scope, WebhookWrite};

/// How often a change is tried when others change the same webhook.
const MAX_TRIES: u32 = 5;

/// Makes a webhook for a client.
pub(crate) async fn create(
    desk: Desk<'_>,
    by: &By,
    client_id: ClientId,
    body: Map<String, Value>,
    edition: Edition,
) -> Result<Webhook, Refusal> {
    let definition = definition::parse(&edition.known(body), edition, desk.rules)?;
    client_certificate::refuse_expired(&definition, None, by.now())?;
    catalog::ensure_key(desk, by, client_id, &definition).await?;
    let webhook = unsaved(desk, client_id, definition, by.now());
    let most = catalog::most_per_event(desk, &webhook.definition);
    match desk.store.insert_webhook(webhook.clone(), most, Some(by.actor)).await? {
        WebhookWrite::Stored => Ok(webhook),
        refused => Err(refusal(refused, &webhook.definition)),
    }
}

/// A webhook of a client that is not stored (yet).
pub(crate) fn unsaved(desk: Desk<'_>, client_id: ClientId, definition: WebhookDefinition, now: Timestamp) -> Webhook {
    Webhook {
        id: desk.ids.next(now),
        client_id,
        version: 1,
        definition,
        signing_keys: SigningKeys::default(),
        state: WebhookState::Active,
        created_at: now,
        updated_at: now,
    }
}

/// A webhook of the scope that the edition shows.
pub(crate) async fn find(desk: Desk<'_>, scope: Scope, id: WebhookId, edition: Edition) -> Result<Webhook, Refusal> {
    let webhook = desk.store.webhook(scope, id).await?;
    webhook.filter(|webhook| edition.shows(webhook)).ok_or(Refusal::NotFound)
}

/// Changes a webhook's definition by what a caller sent. Whoever changes it at the same time loses nothing: the change is
/// made to the newest version, or not at all.
pub(crate) async fn update(
    desk: Desk<'_>,
    by: &By,
    id: WebhookId,
    body: Map<String, Value>,
    (change, edition): (Change, Edition),
) -> Result<Webhook, Refusal> {
    let body = edition.known(body);
    for _ in 0..MAX_TRIES {
        let mut webhook = find(desk, by.scope, id, edition).await?;
        let object = change.apply(&webhook.definition, body.clone(), edition);
        let mut definition = definition::parse(&object, edition, desk.rules)?;
        restore_masked(&mut definition, &webhook.definition);
        client_certificate::refuse_expired(&definition, Some(&webhook.definition), by.now())?;
        catalog::ensure_key(desk, by, webhook.client_id, &definition).await?;
        let before = webhook.clone();
        webhook.definition = definition;
        if says_the_same(&before, &webhook) {
            return Ok(before);
        }
        webhook.updated_at = by.now();
        let most = catalog::most_per_event(desk, &webhook.definition);
        match desk.store.update_webhook(webhook.clone(), most, Some(by.actor)).await? {
            WebhookWrite::Stored => return Ok(webhook),
            WebhookWrite::Stale => {}
            refused => return Err(refusal(refused, &webhook.definition)),
        }
    }
    Err(Refusal::ChangedMeanwhile)
}

/// Why a definition was not stored.
fn refusal(written: WebhookWrite, wanted: &WebhookDefinition) -> Refusal {
    match written {
        WebhookWrite::NotFound => Refusal::NotFound,
        WebhookWrite::TypeTaken => Refusal::TypeTaken,
        WebhookWrite::Full(events) => catalog::too_many(&events, wanted).into(),
        WebhookWrite::Stored | WebhookWrite::Stale => Refusal::ChangedMeanwhile,
    }
}

/// Whether a change changes nothing: then nobody is told of one.
fn says_the_same(before: &Webhook, after: &Webhook) -> bool {
    let chain = |webhook: &Webhook| webhook.definition.authorization.client_certificate.as_ref().map(|known| known.chain().to_owned());
    audit::Change::webhook_updated(before, after).is_none() && chain(before) == chain(after)
}

/// Deletes a webhook.
pub(crate) async fn delete(desk: Desk<'_>, by: &By, id: WebhookId, edition: Edition) -> Result<(), Refusal> {
    find(desk, by.scope, id, edition).await?;
    let deleted = desk.store.delete_webhook(by.scope, id, by.now(), Some(by.actor)).await?;
    if deleted { Ok(()) } else { Err(Refusal::NotFound) }
}

/// Sets whether a webhook is called.
pub(crate) async fn set_state(desk: Desk<'_>, by: &By, id: WebhookId, state: WebhookState) -> Result<Webhook, Refusal> {
    let changed = desk.store.set_webhook_state(by.scope, id, state, by.now(), Some(by.actor)).await?;
    if changed { find(desk, by.scope, id, Edition::V1).await } else { Err(Refusal::NotFound) }
}
