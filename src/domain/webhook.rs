//! The definition of a webhook: where and how a client wants to be called, and whether it is called at present.
//!
//! The rules of the single fields live beside this file (`target_url`, `headers`, `authorization`, `retry`); this file
//! says what a whole definition is. Reading one from JSON is the API's work.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::catalog::CatalogName;
use super::client_certificate::ClientCertificate;
use super::event::EventType;
use super::headers::Headers;
use super::ids::{ClientId, WebhookId};
use super::method::Method;
use super::rate_limit::RateLimit;
use super::retry::RetryPolicy;
use super::signature::SigningKeys;
use super::target_url::{LoginUrl, TargetUrl};
use super::time::Timestamp;

/// The only type code of the OCR service: a document is finished.
pub const DOCUMENT_FINISHED: i64 = 0;

/// A webhook as it is kept.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub client_id: ClientId,
    /// Rises by one with every change, so that nobody works with a mixture of two editions.
    pub version: i64,
    /// Where and how to call.
    pub definition: WebhookDefinition,
    /// What signs its requests; nothing until its owner asks for a key.
    pub signing_keys: SigningKeys,
    /// Whether it is called at present.
    pub state: WebhookState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Where and how to call: what an admin writes.
#[derive(Clone, Debug)]
pub struct WebhookDefinition {
    /// What people call it.
    pub name: String,
    /// The OCR service's type code ([`DOCUMENT_FINISHED`]); at most one webhook per client and type. `None` for a
    /// webhook that names its events itself.
    pub type_code: Option<i64>,
    /// The event types it is called for; never empty.
    pub events: Vec<EventType>,
    /// The catalogue whose way of sending it is called in; `None` for the dispatcher's own way.
    pub catalog: Option<CatalogName>,
    /// How to send.
    pub method: Method,
    /// Headers to send along.
    pub headers: Option<Headers>,
    /// Where to send, with `:id` for the event's subject.
    pub url: TargetUrl,
    /// How the receiver is told who calls.
    pub authorization: AuthorizationFields,
    /// Limits and schedule of its deliveries.
    pub delivery: DeliverySettings,
}

/// The authorization fields as the admin wrote them. Which of them counts is said by [`Self::plan`].
#[derive(Clone, Debug, Default)]
pub struct AuthorizationFields {
    /// The scheme before a fetched access token; absent means `Bearer`, empty means the bare token.
    pub header_auth: Option<String>,
    /// A fixed `Authorization` header, sent as it is.
    pub fixed: Option<SecretString>,
    /// Where to log in before a delivery.
    pub url: Option<LoginUrl>,
    /// How to log in; absent means POST.
    pub method: Option<Method>,
    /// Headers of the login call.
    pub headers: Option<Headers>,
    /// What to log in with.
    pub body: Option<SecretObject>,
    /// Which attribute of the answer holds the access token; absent means `access_token`.
    pub response_token_attr: Option<String>,
    /// By which delivery and login show who calls, to servers that ask for it (mutual TLS).
    pub client_certificate: Option<Arc<ClientCertificate>>,
}

/// How a delivery of this webhook is authorized.
#[derive(Clone, Copy, Debug)]
pub enum AuthorizationPlan<'a> {
    /// No `Authorization` header of ours.
    None,
    /// This header, as it is.
    Fixed(&'a SecretString),
    /// Log in here first.
    LogIn(&'a LoginUrl),
}

impl AuthorizationFields {
    /// What to do before a delivery: a fixed header wins over a login.
    #[must_use]
    pub fn plan(&self) -> AuthorizationPlan<'_> {
        match (&self.fixed, &self.url) {
            (Some(fixed), _) => AuthorizationPlan::Fixed(fixed),
            (None, Some(url)) => AuthorizationPlan::LogIn(url),
            (None, None) => AuthorizationPlan::None,
        }
    }

    /// The method of the login call.
    #[must_use]
    pub fn login_method(&self) -> Method {
        self.method.unwrap_or(Method::Post)
    }
}

/// A JSON object that holds secrets: `Debug` tells nothing of it.
#[derive(Clone, PartialEq)]
pub struct SecretObject(Map<String, Value>);

impl SecretObject {
    /// Wraps an object.
    #[must_use]
    pub const fn new(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// The object itself; for the login call and the store alone.
    #[must_use]
    pub const fn expose(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl fmt::Debug for SecretObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretObject(****)")
    }
}

/// What a webhook says of its own deliveries; what it leaves open, the configuration decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeliverySettings {
    /// When to try again.
    pub retry: Option<RetryPolicy>,
    /// One deadline over login, connect, request and answer.
    pub timeout: Option<Duration>,
    /// How many requests may be under way at once.
    pub max_in_flight: Option<u32>,
    /// How many requests may start in a while; `None` for no limit.
    pub rate_limit: Option<RateLimit>,
    /// Whether requests carry an HTTP message signature too, once there is a key.
    pub http_signature: bool,
}

/// Whether a webhook is called at present. Its deliveries wait while it is not; they are never dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// It is called.
    Active,
    /// A person holds it back.
    Paused,
    /// The dispatcher gave up on it, for this reason.
    Disabled(DisableReason),
}

/// Why the dispatcher stopped calling a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisableReason {
    /// The receiver answered 410.
    Gone,
    /// Every attempt failed for as long as the configuration allows.
    FailingTooLong,
}

impl WebhookState {
    /// Every word that [`Self::as_str`] knows.
    pub const WORDS: [&str; 3] = ["active", "paused", "disabled"];

    /// Whether deliveries go out.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self, Self::Active)
    }

    /// The word for it in the API and in stores.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled(_) => "disabled",
        }
    }
}

impl DisableReason {
    /// Every reason.
    pub const ALL: [Self; 2] = [Self::Gone, Self::FailingTooLong];

    /// The word for it in the API and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::FailingTooLong => "failing_too_long",
        }
    }

    /// The reason that [`Self::as_str`] writes so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}
