//! Every example of a catalogue, sent once in thought: what the templates make of it must be a request.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::super::error::{CatalogError, CatalogErrors};
use super::super::sending::{Occasion, Sender, Unrenderable};
use super::super::{Catalog, EventKind};
use crate::domain::client::Client;
use crate::domain::event::Event;
use crate::domain::method::Method;
use crate::domain::signature::SigningKeys;
use crate::domain::target_url::{IdInUrl, TargetUrl};
use crate::domain::time::Timestamp;
use crate::domain::webhook::{AuthorizationFields, DeliverySettings, Webhook, WebhookDefinition, WebhookState};

/// In the place of a signature.
const SIGNATURE: &str = "c2lnbmF0dXJl\n";

/// The catalogue, if everything that it may be asked to send can be sent.
pub(super) fn rehearse(file: &str, catalog: Catalog) -> Result<Catalog, CatalogErrors> {
    if catalog.sending.is_plain() {
        return Ok(catalog);
    }
    let catalog = Arc::new(catalog);
    let errors = every_example(file, &catalog);
    match Arc::try_unwrap(catalog) {
        Ok(catalog) if errors.is_empty() => Ok(catalog),
        _ => Err(CatalogErrors(errors)),
    }
}

fn every_example(file: &str, catalog: &Arc<Catalog>) -> Vec<CatalogError> {
    let client = Client { id: Uuid::nil().into(), name: "acme".to_owned(), created_at: Timestamp::from_micros(0) };
    let sender = Sender::new(Arc::clone(catalog), &client, None);
    let Some(webhook) = webhook() else { return Vec::new() };
    let mut errors = Vec::new();
    for (place, kind) in catalog.events.iter().enumerate() {
        for example in kind.variants.iter().flat_map(|variant| &variant.payload.examples) {
            let event = event(kind, example);
            let occasion = Occasion { webhook: &webhook, event: &event, now: Timestamp::from_micros(0) };
            if let Err(error) = sender.render_signed(occasion, |_, _| Ok(SIGNATURE.to_owned())) {
                errors.push(refusal(file, place, kind, &error));
            }
        }
    }
    errors
}

fn refusal(file: &str, place: usize, kind: &EventKind, error: &Unrenderable) -> CatalogError {
    let inside = if error.line > 0 { format!(" (line {} of the template)", error.line) } else { String::new() };
    let reason = format!("({}): of an example, {error}{inside}", kind.code);
    CatalogError { file: file.to_owned(), line: None, field: format!("events[{place}]"), reason }
}

fn event(kind: &EventKind, example: &str) -> Event {
    Event {
        id: Uuid::nil().into(),
        client_id: Uuid::nil().into(),
        event_type: kind.code.clone(),
        subject: "subject".to_owned(),
        payload: Bytes::copy_from_slice(example.as_bytes()),
        created_at: Timestamp::from_micros(0),
    }
}

fn webhook() -> Option<Webhook> {
    Some(Webhook {
        id: Uuid::nil().into(),
        client_id: Uuid::nil().into(),
        version: 1,
        definition: WebhookDefinition {
            name: "webhook".to_owned(),
            type_code: None,
            events: Vec::new(),
            catalog: None,
            method: Method::Post,
            headers: None,
            url: TargetUrl::parse("https://example.com/", IdInUrl::Optional).ok()?,
            authorization: AuthorizationFields::default(),
            delivery: DeliverySettings::default(),
        },
        signing_keys: SigningKeys::default(),
        state: WebhookState::Active,
        created_at: Timestamp::from_micros(0),
        updated_at: Timestamp::from_micros(0),
    })
}
