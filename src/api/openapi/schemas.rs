//! How the values of the domain look in JSON. What they allow is asked of the domain, so that no list stands twice.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::domain::attempt::FailureReason;
use crate::domain::audit::{Action, ObjectKind};
use crate::domain::catalog::CatalogName;
use crate::domain::client::Role;
use crate::domain::delivery::{DeadLetterReason, DeliveryState};
use crate::domain::event::EventType;
use crate::domain::ids::{ApiKeyId, AuditEntryId, ClientId, DeliveryId, EventId, NodeId, RedeliveryJobId, SigningKeyId, WebhookId};
use crate::domain::lane::{BreakerState, LaneState};
use crate::domain::method::Method;
use crate::domain::node::NodeRole;
use crate::domain::signature::{RsaAlgorithm, Scheme};
use crate::domain::stats::{Health, StatsWindow};
use crate::domain::webhook::{DisableReason, WebhookState};
use crate::management::fields::NAME_CHARS;

/// A point in time as text. For schemas alone.
pub(in super::super) enum Time {}

/// What people call something: one line. For schemas alone.
pub(in super::super) enum Name {}

/// What the value of a header may be, as a pattern.
pub(in super::super) const HEADER_TEXT: &str = r"^[^\x00-\x08\x0a-\x1f\x7f]*$";

/// Any JSON at all. For schemas alone.
pub(in super::super) enum Anything {}

/// Text that is one of these words.
pub(in super::super) fn words(words: impl IntoIterator<Item = &'static str>) -> Schema {
    object([("type", json!("string")), ("enum", words.into_iter().collect())])
}

/// A schema that says these things.
pub(in super::super) fn object<const N: usize>(keywords: [(&str, Value); N]) -> Schema {
    keywords.into_iter().map(|(keyword, value)| (keyword.to_owned(), value)).collect::<Map<_, _>>().into()
}

macro_rules! inline_schemas {
    ($($name:ty => $schema:expr,)+) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

inline_schemas! {
    Time => object([("type", json!("string")), ("format", json!("date-time"))]),
    Anything => Schema::from(true),
    Name => object([
        ("type", json!("string")),
        ("minLength", json!(NAME_CHARS.start())),
        ("maxLength", json!(NAME_CHARS.end())),
        ("pattern", json!(r"^[^\x00-\x1f\x7f-\x9f]*$")),
    ]),
    ApiKeyId => id(),
    AuditEntryId => id(),
    ClientId => id(),
    DeliveryId => id(),
    EventId => id(),
    NodeId => id(),
    RedeliveryJobId => id(),
    SigningKeyId => id(),
    WebhookId => id(),
    EventType => object([("type", json!("string")), ("pattern", json!("^[A-Za-z0-9._-]{1,100}$"))]),
    CatalogName => object([("type", json!("string")), ("pattern", json!("^[a-z0-9-]{1,50}$"))]),
    RsaAlgorithm => words(RsaAlgorithm::ALL.map(RsaAlgorithm::as_str)),
    Method => words(Method::ALL.map(Method::as_str)),
    Role => words(Role::ALL.map(Role::as_str)),
    NodeRole => words(NodeRole::EACH.map(NodeRole::as_str)),
    DeliveryState => words(DeliveryState::ALL.map(DeliveryState::as_str)),
    DeadLetterReason => words(DeadLetterReason::words()),
    FailureReason => words(FailureReason::words()),
    LaneState => words(LaneState::ALL.map(LaneState::as_str)),
    BreakerState => words(BreakerState::ALL.map(BreakerState::as_str)),
    WebhookState => words(WebhookState::WORDS),
    DisableReason => words(DisableReason::ALL.map(DisableReason::as_str)),
    StatsWindow => words(StatsWindow::ALL.map(StatsWindow::as_str)),
    Health => words(Health::ALL.map(Health::as_str)),
    Scheme => words(Scheme::ALL.map(Scheme::as_str)),
    Action => words(Action::ALL.iter().map(|action| action.as_str())),
    ObjectKind => words(ObjectKind::ALL.iter().map(|kind| kind.as_str())),
}

fn id() -> Schema {
    object([("type", json!("string")), ("format", json!("uuid"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema_of<T: JsonSchema>() -> Value {
        T::json_schema(&mut SchemaGenerator::default()).to_value()
    }

    #[test]
    fn words_are_those_of_the_domain() {
        assert_eq!(
            schema_of::<DeliveryState>(),
            json!({"type": "string", "enum": ["pending", "in_flight", "delivered", "dead_lettered", "cancelled"]})
        );
        assert_eq!(schema_of::<Option<Scheme>>(), json!({"type": ["string", "null"], "enum": ["hmac-sha256", "ed25519", null]}));
        assert_eq!(schema_of::<DeadLetterReason>()["enum"][0], "exhausted");
    }
}
