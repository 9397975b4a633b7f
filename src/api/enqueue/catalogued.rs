//! Events that a catalogue knows: their types found by any spelling, their payloads checked and their secrets masked.
//!
//! Of an event that no catalogue knows this costs one look into a map.

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::breaches::Broken;
use super::reader::{Item, ItemReader};
use crate::domain::event::{EventType, InvalidEventType};

/// The event's type: the code of a catalogue for any of its spellings, or any other type, unless a catalogue is named.
pub(super) fn read_type(reader: &mut ItemReader<'_>, value: Option<&RawValue>, catalog: Option<&RawValue>) -> Option<EventType> {
    let named = reader.optional("catalog", catalog);
    let text = reader.required("type", value)?;
    let api = reader.api;
    if let Some(named) = named {
        let Some(catalog) = api.catalogs.named(&named) else {
            reader.refuse("catalog", "there is no such catalogue");
            return None;
        };
        let event = catalog.event(&text).map(|event| event.code.clone());
        if event.is_none() {
            reader.refuse("type", format!("is no event of the catalogue {named}"));
        }
        return event;
    }
    if let Some(known) = api.catalogs.event(&text) {
        return Some(known.event.code.clone());
    }
    text.parse().map_err(|error: InvalidEventType| reader.refuse("type", error.to_string())).ok()
}

/// Checks an item of which a catalogue knows the type, and masks its secrets.
pub(super) fn check(reader: &mut ItemReader<'_>, mut item: Item) -> Option<Item> {
    let api = reader.api;
    let Some(known) = api.catalogs.event(item.event_type.as_str()) else { return Some(item) };
    let payload: Option<Value> = serde_json::from_slice(&item.payload).ok();
    let Some(payload) = payload else {
        reader.refuse("payload", "is nested too deeply or holds numbers out of range");
        return None;
    };
    if let Err(breaches) = known.event.variant_of(&payload) {
        let (catalog, field) = (known.catalog.name.clone(), reader.items.name(reader.index, "payload").into_owned());
        let broken = breaches.into_iter().map(|breach| Broken { catalog: catalog.clone(), field: field.clone(), breach });
        reader.breaches.extend(broken);
    }
    item.kept_unwanted = known.catalog.keeps_unwanted;
    if let Some(masked) = known.catalog.masked(&payload) {
        item.whole_payload = Some(item.payload);
        item.payload = Bytes::from(masked.to_string());
    }
    Some(item)
}
