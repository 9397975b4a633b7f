//! Webhooks that are called in a catalogue's way: which one, what that leaves open, and how many there may be.

use std::sync::Arc;

use super::fields::{FieldError, Fields, Invalid};
use super::{By, Desk, Refusal, definition, settled};
use crate::catalog::{Catalog, Catalogs};
use crate::domain::catalog::ClientCatalog;
use crate::domain::ids::{ClientId, WebhookId};
use crate::domain::method::Method;
use crate::domain::signature::RsaAlgorithm;
use crate::domain::webhook::WebhookDefinition;
use crate::store::records::{Page, Scope};

/// How many webhooks are read at once to count them.
const READ_AT_ONCE: u32 = 200;

/// The catalogue that a definition names.
pub(super) fn read(fields: &mut Fields<'_>, catalogs: &Catalogs) -> Option<Arc<Catalog>> {
    fields.optional("catalog", |value| {
        let found = value.as_str().and_then(|name| catalogs.named(name));
        found.cloned().ok_or_else(|| "must be the name of a catalogue".into())
    })
}

/// The method: a catalogue that has one leaves no other, and need not be told.
pub(super) fn method(fields: &mut Fields<'_>, catalog: Option<&Catalog>) -> Option<Method> {
    let Some(only) = catalog.and_then(|catalog| catalog.sending.method) else {
        return fields.required("method", definition::method);
    };
    let given = fields.optional("method", definition::method);
    if given.is_some_and(|given| given != only) {
        fields.refuse("method", format!("must be {}: the catalogue knows no other", only.as_str()));
    }
    Some(only)
}

/// Refuses a webhook by which its client would have more for an event than the catalogue allows.
pub(super) async fn check_limit(
    desk: Desk<'_>,
    client_id: ClientId,
    own: Option<WebhookId>,
    wanted: &WebhookDefinition,
) -> Result<(), Refusal> {
    let catalog = wanted.catalog.as_ref().and_then(|name| desk.rules.catalogs.get(name));
    let Some((catalog, most)) = catalog.and_then(|catalog| Some((catalog, catalog.webhooks_per_event?))) else { return Ok(()) };
    let others = others(desk, client_id, own, catalog).await?;
    let calls = |event| others.iter().filter(|other| other.events.contains(event)).count();
    let full = wanted.events.iter().enumerate().filter(|(_, event)| calls(event) >= most as usize);
    let message = format!("has {most} webhooks already, and the catalogue allows no more");
    let errors: Vec<FieldError> = full.map(|(place, _)| FieldError::new(format!("events[{place}]"), message.clone())).collect();
    if errors.is_empty() { Ok(()) } else { Err(Invalid(errors).into()) }
}

/// The client's other webhooks that are called in the catalogue's way.
async fn others(desk: Desk<'_>, client_id: ClientId, own: Option<WebhookId>, catalog: &Catalog) -> Result<Vec<WebhookDefinition>, Refusal> {
    let (mut others, mut before) = (Vec::new(), None);
    loop {
        let page = desk.store.webhooks(Scope::Client(client_id), Page { limit: READ_AT_ONCE, before }).await?;
        before = page.last().map(|last| last.id);
        let called_so = page.into_iter().filter(|webhook| Some(webhook.id) != own);
        others.extend(called_so.map(|webhook| webhook.definition).filter(|other| other.catalog.as_ref() == Some(&catalog.name)));
        if before.is_none() {
            return Ok(others);
        }
    }
}

/// Makes the client's first key for a catalogue that signs.
pub(super) async fn ensure_key(desk: Desk<'_>, by: &By, client_id: ClientId, wanted: &WebhookDefinition) -> Result<(), Refusal> {
    let Some(catalog) = wanted.catalog.as_ref().and_then(|name| desk.rules.catalogs.get(name)) else { return Ok(()) };
    if catalog.sending.sign.is_none() || !settled::read(desk, by.now(), client_id, &catalog.name).await?.keys.is_empty() {
        return Ok(());
    }
    let key = settled::new_key(desk, by.now(), RsaAlgorithm::Pkcs1Sha256, settled::new_pair().await?);
    let add = |settled: &mut ClientCatalog| {
        let is_first = settled.keys.is_empty();
        if is_first {
            settled.add_key(key.clone());
        }
        is_first
    };
    settled::change(desk, by, (client_id, &catalog.name), add).await.map(drop)
}
