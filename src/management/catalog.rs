//! Webhooks that are called in a catalogue's way: which one, what that leaves open, and how many there may be.

use std::sync::Arc;

use super::fields::{FieldError, Fields, Invalid};
use super::{By, Desk, Refusal, definition, settled};
use crate::catalog::{Catalog, Catalogs};
use crate::domain::catalog::ClientCatalog;
use crate::domain::event::EventType;
use crate::domain::ids::ClientId;
use crate::domain::method::Method;
use crate::domain::signature::RsaAlgorithm;
use crate::domain::webhook::WebhookDefinition;

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

/// How many webhooks of one client the definition's catalogue allows for an event.
pub(super) fn most_per_event(desk: Desk<'_>, wanted: &WebhookDefinition) -> Option<u32> {
    desk.rules.catalogs.get(wanted.catalog.as_ref()?)?.webhooks_per_event
}

/// The refusal of a definition by which its client would have too many webhooks for these of its events.
pub(super) fn too_many(full: &[EventType], wanted: &WebhookDefinition) -> Invalid {
    let places = wanted.events.iter().enumerate().filter(|(_, event)| full.contains(event));
    let told =
        |(place, event)| FieldError::new(format!("events[{place}]"), format!("{event} has as many webhooks as the catalogue allows"));
    Invalid(places.map(told).collect())
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
