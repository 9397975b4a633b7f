//! Who changed what: the entry that every change over the API leaves, and what it says of a thing before and after.
//!
//! Only fields that differ are told. A secret is never told: where it differs, or comes and goes, it is "changed". Of a url
//! the values of its query are not told, which may be secrets.

use std::net::IpAddr;

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::catalog::{CatalogKey, CatalogName, ClientCatalog};
use super::client::{ApiKey, Client, Role};
use super::delivery::DeliveryState;
use super::headers::{Headers, holds_secret};
use super::ids::{ApiKeyId, AuditEntryId, ClientId};
use super::redelivery::RedeliveryJob;
use super::signature::SigningKey;
use super::time::Timestamp;
use super::webhook::{SecretObject, Webhook, WebhookState};

/// What stands for a secret.
const CHANGED: &str = "changed";

/// Who makes a change, when and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The key that was presented.
    pub key_id: ApiKeyId,
    /// What that key is for.
    pub role: Role,
    /// Whose it is; `None` exactly for [`Role::Root`].
    pub client_id: Option<ClientId>,
    /// Where the call came from, if that is known.
    pub remote_address: Option<IpAddr>,
    /// When.
    pub at: Timestamp,
}

/// A change as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Its id; ids rise with time.
    pub id: AuditEntryId,
    /// Who made the change.
    pub actor: Actor,
    /// What changed.
    pub change: Change,
}

/// What was done to one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What was done.
    pub action: Action,
    /// To what kind of thing.
    pub kind: ObjectKind,
    /// To which.
    pub object_id: Uuid,
    /// Whose it is; `None` for what is nobody's, such as a root key.
    pub client_id: Option<ClientId>,
    /// The fields that differ as they were before; `None` for what was not there.
    pub before: Option<Map<String, Value>>,
    /// The same fields afterwards; `None` for what is no more.
    pub after: Option<Map<String, Value>>,
}

/// How many deliveries of an event are pending since it was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSentAgain {
    /// That were there before.
    pub again: usize,
    /// That were made for it.
    pub made: usize,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Each of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word for it in the API and in stores.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// What [`Self::as_str`] writes so.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == text)
            }
        }
    };
}

words! {
    /// What was done.
    Action {
        /// It was made.
        Create = "create",
        /// Its definition was changed.
        Update = "update",
        /// It was deleted.
        Delete = "delete",
        /// A webhook is held back.
        Pause = "pause",
        /// A webhook is called again.
        Resume = "resume",
        /// There is a new signing key.
        RotateSecret = "rotate-secret",
        /// A delivery is sent again.
        Redeliver = "redeliver",
        /// A delivery was called off.
        Cancel = "cancel",
    }
}

words! {
    /// What kind of thing was changed.
    ObjectKind {
        /// A webhook.
        Webhook = "webhook",
        /// A client.
        Client = "client",
        /// An API key.
        ApiKey = "api-key",
        /// A delivery.
        Delivery = "delivery",
        /// An event.
        Event = "event",
        /// A redelivery of many.
        RedeliveryJob = "redelivery-job",
        /// What a client has settled for a catalogue.
        Catalog = "catalog",
    }
}

impl Change {
    /// A webhook was made.
    #[must_use]
    pub fn webhook_created(webhook: &Webhook) -> Self {
        Self::of_webhook(Action::Create, webhook, None, Some(told(&picture(webhook))))
    }

    /// The definition of a webhook was changed; `None` if it says what it said before.
    #[must_use]
    pub fn webhook_updated(before: &Webhook, after: &Webhook) -> Option<Self> {
        let (before, after_fields) = differences(&picture(before), &picture(after));
        let differs = !before.is_empty() || !after_fields.is_empty();
        differs.then(|| Self::of_webhook(Action::Update, after, Some(before), Some(after_fields)))
    }

    /// A webhook was deleted.
    #[must_use]
    pub fn webhook_deleted(webhook: &Webhook) -> Self {
        Self::of_webhook(Action::Delete, webhook, Some(told(&picture(webhook))), None)
    }

    /// A webhook is called, or held back, from now on; `None` if it was so before.
    #[must_use]
    pub fn webhook_state_set(before: &Webhook, state: &WebhookState) -> Option<Self> {
        let action = if state.is_active() { Action::Resume } else { Action::Pause };
        let differs = before.state != *state;
        differs.then(|| Self::of_webhook(action, before, Some(state_fields(&before.state)), Some(state_fields(state))))
    }

    /// A webhook signs with a new key.
    #[must_use]
    pub fn secret_rotated(before: &Webhook, key: &SigningKey) -> Self {
        let fields = |key: &SigningKey| fields([("keyId", json!(key.id)), ("scheme", json!(key.secret.scheme().as_str()))]);
        let mut after = fields(key);
        after.insert("secret".to_owned(), CHANGED.into());
        Self::of_webhook(Action::RotateSecret, before, before.signing_keys.current().map(fields), Some(after))
    }

    /// A client settled something for a catalogue; `None` if nothing differs.
    #[must_use]
    pub fn catalog_settled(before: Option<&ClientCatalog>, after: &ClientCatalog) -> Option<Self> {
        let key = |settled: &ClientCatalog| settled.keys.first().map(|key| key.id);
        let is_rotated = before.and_then(key) != key(after);
        let before = before.map(settled_fields);
        let after_fields = settled_fields(after);
        let action = if is_rotated { Action::RotateSecret } else { Action::Update };
        let (object_id, client_id) = (after.id.as_uuid(), Some(after.client_id));
        let differs = before.as_ref() != Some(&after_fields);
        differs.then(|| Self { action, kind: ObjectKind::Catalog, object_id, client_id, before, after: Some(after_fields) })
    }

    /// A client was made.
    #[must_use]
    pub fn client_created(client: &Client) -> Self {
        Self::of_client(Action::Create, client.id, None, Some(client_fields(client)))
    }

    /// A client was deleted, with its keys.
    #[must_use]
    pub fn client_deleted(client: &Client) -> Self {
        Self::of_client(Action::Delete, client.id, Some(client_fields(client)), None)
    }

    /// A key was made.
    #[must_use]
    pub fn key_created(key: &ApiKey) -> Self {
        Self::of_key(Action::Create, key, None, Some(key_fields(key)))
    }

    /// A key was deleted.
    #[must_use]
    pub fn key_deleted(key: &ApiKey) -> Self {
        Self::of_key(Action::Delete, key, Some(key_fields(key)), None)
    }

    /// A person sends a delivery again or calls it off.
    #[must_use]
    pub fn delivery_moved(action: Action, object_id: Uuid, client_id: ClientId, before: DeliveryState, after: DeliveryState) -> Self {
        let state = |state: DeliveryState| Some(fields([("state", json!(state.as_str()))]));
        let (before, after) = (state(before), state(after));
        Self { action, kind: ObjectKind::Delivery, object_id, client_id: Some(client_id), before, after }
    }

    /// A person sends an event again.
    #[must_use]
    pub fn event_redelivered(object_id: Uuid, client_id: ClientId, sent: &EventSentAgain) -> Self {
        let after = Some(fields([("redelivered", json!(sent.again)), ("made", json!(sent.made))]));
        Self { action: Action::Redeliver, kind: ObjectKind::Event, object_id, client_id: Some(client_id), before: None, after }
    }

    /// A redelivery of many was begun or called off.
    #[must_use]
    pub fn redelivery_job(action: Action, job: &RedeliveryJob) -> Self {
        let counts = [("perSecond", json!(job.per_second)), ("matched", json!(job.matched.count)), ("redelivered", json!(job.redelivered))];
        let (object_id, client_id) = (job.id.as_uuid(), Some(job.client_id));
        Self { action, kind: ObjectKind::RedeliveryJob, object_id, client_id, before: None, after: Some(fields(counts)) }
    }

    fn of_webhook(action: Action, webhook: &Webhook, before: Option<Map<String, Value>>, after: Option<Map<String, Value>>) -> Self {
        let (object_id, client_id) = (webhook.id.as_uuid(), Some(webhook.client_id));
        Self { action, kind: ObjectKind::Webhook, object_id, client_id, before, after }
    }

    fn of_client(action: Action, id: ClientId, before: Option<Map<String, Value>>, after: Option<Map<String, Value>>) -> Self {
        Self { action, kind: ObjectKind::Client, object_id: id.as_uuid(), client_id: Some(id), before, after }
    }

    fn of_key(action: Action, key: &ApiKey, before: Option<Map<String, Value>>, after: Option<Map<String, Value>>) -> Self {
        Self { action, kind: ObjectKind::ApiKey, object_id: key.id.as_uuid(), client_id: key.client_id, before, after }
    }
}

/// What is told of it: of keys their ids.
fn settled_fields(settled: &ClientCatalog) -> Map<String, Value> {
    let keys: Vec<Value> = settled.keys.iter().map(|CatalogKey { id, .. }| json!(id)).collect();
    fields([("catalog", json!(settled.catalog.as_str())), ("settings", json!(settled.settings)), ("keyIds", json!(keys))])
}

/// A field of a thing, to be compared and told.
#[derive(PartialEq)]
enum Field {
    Open(Value),
    /// What it is, and what of it is told.
    Masked(Value, String),
    Secret(Value),
}

/// A webhook's definition, field by field; what is absent is left out.
type Picture = Vec<(String, Field)>;

/// Every field that its owner may write, under the name by which it is written.
fn picture(webhook: &Webhook) -> Picture {
    let definition = &webhook.definition;
    let (authorization, delivery) = (&definition.authorization, &definition.delivery);
    let certificate = authorization.client_certificate.as_deref();
    let open = [
        ("name", json!(definition.name)),
        ("type", json!(definition.type_code)),
        ("events", json!(definition.events.iter().map(super::event::EventType::as_str).collect::<Vec<_>>())),
        ("catalog", json!(definition.catalog.as_ref().map(CatalogName::as_str))),
        ("method", json!(definition.method)),
        ("headerAuth", json!(authorization.header_auth)),
        ("authorizationMethod", json!(authorization.method)),
        ("authorizationResponseTokenAttr", json!(authorization.response_token_attr)),
        ("retry", json!(delivery.retry)),
        ("timeoutMs", json!(delivery.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)))),
        ("maxInFlight", json!(delivery.max_in_flight)),
        ("rateLimit", json!(delivery.rate_limit)),
        ("httpSignature", json!({ "enabled": delivery.http_signature })),
        ("clientCertificate", json!(certificate.map(|certificate| &certificate.facts().sha256))),
    ];
    let url = Field::Masked(definition.url.as_str().into(), definition.url.to_string());
    let login_url = authorization.url.as_ref().map(|url| Field::Masked(url.as_str().into(), url.to_string()));
    let urls = [("url", Some(url)), ("authorizationUrl", login_url)];
    let secret = [
        ("authorization", json!(authorization.fixed.as_ref().map(ExposeSecret::expose_secret))),
        ("authorizationBody", json!(authorization.body.as_ref().map(SecretObject::expose))),
        ("clientKey", json!(certificate.map(|certificate| certificate.key().expose_secret()))),
    ];
    let urls = urls.into_iter().filter_map(|(name, field)| Some((name.to_owned(), field?)));
    let open = open.map(|(name, value)| (name.to_owned(), Field::Open(value)));
    let secret = secret.map(|(name, value)| (name.to_owned(), Field::Secret(value)));
    let headers = header_fields("headers", definition.headers.as_ref());
    let login_headers = header_fields("authorizationHeaders", authorization.headers.as_ref());
    open.into_iter().chain(urls).chain(secret).chain(headers).chain(login_headers).filter(|(_, field)| !field.is_absent()).collect()
}

/// Each header as a field of its own, so that one that changed is told without the others.
fn header_fields(field: &'static str, headers: Option<&Headers>) -> impl Iterator<Item = (String, Field)> {
    headers.into_iter().flat_map(Headers::iter).map(move |(name, value)| {
        let value = value.into();
        (format!("{field}.{name}"), if holds_secret(name) { Field::Secret(value) } else { Field::Open(value) })
    })
}

impl Field {
    fn is_absent(&self) -> bool {
        matches!(self, Self::Open(Value::Null) | Self::Secret(Value::Null))
    }

    fn told(&self) -> Value {
        match self {
            Self::Open(value) => value.clone(),
            Self::Masked(_, told) => told.as_str().into(),
            Self::Secret(_) => CHANGED.into(),
        }
    }
}

fn told(picture: &Picture) -> Map<String, Value> {
    picture.iter().map(|(name, field)| (name.clone(), field.told())).collect()
}

/// What each of two pictures says that the other does not.
fn differences(before: &Picture, after: &Picture) -> (Map<String, Value>, Map<String, Value>) {
    let beyond = |picture: &Picture, other: &Picture| {
        let new = picture.iter().filter(|field| !other.contains(field));
        new.map(|(name, field)| (name.clone(), field.told())).collect()
    };
    (beyond(before, after), beyond(after, before))
}

fn state_fields(state: &WebhookState) -> Map<String, Value> {
    let mut fields = fields([("state", json!(state.as_str()))]);
    if let WebhookState::Disabled(reason) = state {
        fields.insert("disableReason".to_owned(), json!(reason.as_str()));
    }
    fields
}

fn client_fields(client: &Client) -> Map<String, Value> {
    fields([("name", json!(client.name))])
}

fn key_fields(key: &ApiKey) -> Map<String, Value> {
    let expires_at = key.expires_at.map(|at| at.to_string());
    fields([("role", json!(key.role)), ("name", json!(key.name)), ("prefix", json!(key.prefix)), ("expiresAt", json!(expires_at))])
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::super::event::EventType;
    use super::super::method::Method;
    use super::super::signature::SigningKeys;
    use super::super::target_url::{IdInUrl, LoginUrl, TargetUrl};
    use super::super::webhook::{AuthorizationFields, DeliverySettings, WebhookDefinition};
    use super::*;

    fn webhook() -> Webhook {
        let headers = [("X-Part", "7"), ("X-Api-Key", "s3cret")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Webhook {
            id: Uuid::from_u128(1).into(),
            client_id: Uuid::from_u128(2).into(),
            version: 1,
            definition: WebhookDefinition {
                name: "w".to_owned(),
                type_code: Some(0),
                events: vec![EventType::document_finished()],
                catalog: None,
                method: Method::Post,
                headers: Some(Headers::check(headers).unwrap()),
                url: TargetUrl::parse("https://example.com/:id", IdInUrl::Required).unwrap(),
                authorization: AuthorizationFields { fixed: Some(SecretString::from("s3cret")), ..AuthorizationFields::default() },
                delivery: DeliverySettings::default(),
            },
            signing_keys: SigningKeys::default(),
            state: WebhookState::Active,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        }
    }

    #[test]
    fn only_what_differs_is_told_and_nothing_when_nothing_does() {
        let before = webhook();
        let mut after = before.clone();
        after.version = 2;

        assert_eq!(Change::webhook_updated(&before, &after), None);

        after.definition.name = "new".to_owned();
        let change = Change::webhook_updated(&before, &after).unwrap();
        assert_eq!(Value::from(change.before.unwrap()), json!({"name": "w"}));
        assert_eq!(Value::from(change.after.unwrap()), json!({"name": "new"}));
    }

    #[test]
    fn a_secret_that_differs_is_told_without_its_value() {
        let before = webhook();
        let mut after = before.clone();
        after.definition.authorization.fixed = Some(SecretString::from("other"));
        let headers = [("X-Part", "8"), ("X-Api-Key", "other")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        after.definition.headers = Some(Headers::check(headers).unwrap());

        let change = Change::webhook_updated(&before, &after).unwrap();

        let expected = |part: &str| json!({"authorization": "changed", "headers.X-Part": part, "headers.X-Api-Key": "changed"});
        assert_eq!(Value::from(change.before.unwrap()), expected("7"));
        assert_eq!(Value::from(change.after.unwrap()), expected("8"));
    }

    #[test]
    fn no_entry_holds_a_secret() {
        let webhook = webhook();

        for change in [Change::webhook_created(&webhook), Change::webhook_deleted(&webhook)] {
            assert!(!format!("{change:?}").contains("s3cret"), "{change:?}");
            assert!(format!("{change:?}").contains("changed"), "{change:?}");
        }
    }

    #[test]
    fn the_query_of_a_url_is_not_told_and_its_change_is() {
        let before = webhook();
        let mut after = before.clone();
        after.definition.url = TargetUrl::parse("https://example.com/:id?key=s3cret", IdInUrl::Required).unwrap();
        let mut rotated = after.clone();
        rotated.definition.url = TargetUrl::parse("https://example.com/:id?key=0ther", IdInUrl::Required).unwrap();
        rotated.definition.authorization.url = Some(LoginUrl::parse("https://example.com/login?key=s3cret").unwrap());

        let added = Change::webhook_updated(&before, &after).unwrap();
        assert_eq!(Value::from(added.before.unwrap()), json!({"url": "https://example.com/:id"}));
        assert_eq!(Value::from(added.after.unwrap()), json!({"url": "https://example.com/:id?key=****"}));
        let changed = Change::webhook_updated(&after, &rotated).unwrap();
        assert_eq!(Value::from(changed.before.unwrap()), json!({"url": "https://example.com/:id?key=****"}));
        let told = json!({"url": "https://example.com/:id?key=****", "authorizationUrl": "https://example.com/login?key=****"});
        assert_eq!(Value::from(changed.after.unwrap()), told);
    }

    #[test]
    fn a_state_that_is_set_anew_is_no_change() {
        let webhook = webhook();

        assert_eq!(Change::webhook_state_set(&webhook, &WebhookState::Active), None);
        let change = Change::webhook_state_set(&webhook, &WebhookState::Paused).unwrap();
        assert_eq!((change.action, Value::from(change.after.unwrap())), (Action::Pause, json!({"state": "paused"})));
    }
}
