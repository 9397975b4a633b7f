//! The events of a catalogue and the shapes of their payloads.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use toml::Spanned;

use super::super::error::Report;
use super::super::event_kind::{EventKind, Payload, Variant};
use super::super::file::{EventFile, PayloadFile};
use super::super::schema::PayloadSchema;
use super::super::template::Templates;
use super::{Text, refuse, sending};

/// Shapes by name.
pub(super) type Shapes = BTreeMap<String, Arc<Payload>>;

/// Compiles the shapes, and holds their examples against them.
pub(super) fn shapes(written: BTreeMap<String, PayloadFile>, report: &mut Report<'_>) -> Shapes {
    written.into_iter().filter_map(|(name, payload)| shape(&name, payload, report).map(|shape| (name, Arc::new(shape)))).collect()
}

fn shape(name: &str, written: PayloadFile, report: &mut Report<'_>) -> Option<Payload> {
    let field = format!("payloads.{name}.schema");
    let schema = json(&written.schema, &field, report)?;
    let compiled = PayloadSchema::compile(&schema);
    let compiled = compiled.map_err(|reason| refuse(report, &written.schema, field, format!("is no JSON Schema: {reason}"))).ok()?;
    if written.examples.get_ref().is_empty() {
        report.refuse(written.examples.span().start, format!("payloads.{name}.examples"), "must hold at least one");
    }
    let mut examples = Vec::new();
    for (place, text) in written.examples.into_inner().into_iter().enumerate() {
        check_example(&text, &format!("payloads.{name}.examples[{place}]"), &compiled, report);
        examples.push(text.into_inner());
    }
    Some(Payload { schema, examples, compiled })
}

fn check_example(text: &Text, field: &str, schema: &PayloadSchema, report: &mut Report<'_>) {
    let Some(example) = json(text, field, report) else { return };
    for breach in schema.breaches(&example) {
        refuse(report, text, field, format!("does not fit its schema: {} {}", breach.pointer, breach.message));
    }
}

fn json(text: &Text, field: &str, report: &mut Report<'_>) -> Option<Value> {
    let read = serde_json::from_str(text.get_ref());
    read.map_err(|error| report.refuse_inside(text.span().start, error.line(), field, format!("is no JSON: {error}"))).ok()
}

/// The events, each with where its code stands.
pub(super) fn read(
    written: Vec<EventFile>,
    shapes: &Shapes,
    templates: &mut Templates,
    report: &mut Report<'_>,
) -> Vec<(EventKind, usize)> {
    let mut events = Vec::with_capacity(written.len());
    for (place, event) in written.into_iter().enumerate() {
        let offset = event.code.span().start;
        events.extend(one(place, event, shapes, templates, report).map(|kind| (kind, offset)));
    }
    events
}

fn one(place: usize, written: EventFile, shapes: &Shapes, templates: &mut Templates, report: &mut Report<'_>) -> Option<EventKind> {
    let field = |name: &str| format!("events[{place}].{name}");
    let code = written.code.get_ref().parse().map_err(|error| refuse(report, &written.code, field("code"), error)).ok();
    let body = written.body.as_ref().and_then(|text| sending::template(&field("body"), text, templates, report));
    let named: Vec<(String, &Text)> = match &written.payload {
        Some(payload) => vec![("default".to_owned(), payload)],
        None => written.variants.iter().map(|variant| (variant.name.clone(), &variant.payload)).collect(),
    };
    if named.is_empty() || written.payload.is_some() && !written.variants.is_empty() {
        refuse(report, &written.code, field("payload"), "must be given, or several variants in its place");
    }
    let mut variants = Vec::new();
    for (name, payload) in named {
        match shapes.get(payload.get_ref()) {
            Some(shape) => variants.push(Variant { name, payload: Arc::clone(shape) }),
            None => refuse(report, payload, field("payload"), format!("{} is not among the payloads", payload.get_ref())),
        }
    }
    let aliases = written.aliases.into_iter().map(Spanned::into_inner).collect();
    Some(EventKind { code: code?, description: written.description, aliases, is_later: written.later, variants, body })
}
