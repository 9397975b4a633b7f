//! Trying a webhook out: its request as it would be sent, and one that is sent for everybody to see, outside the queue.
//!
//! A trial is of an example: it is stored nowhere, and its request says that it is one (header [`MARK`]).

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};

use super::attempt::Attempt;
use super::event::{Event, EventType};
use super::ids::{ClientId, EventId};
use super::method::Method;
use super::time::Timestamp;
use super::webhook::Webhook;

/// The header that every request of a trial carries, with the value `true`; no other request does.
pub const MARK: &str = "webhook-test";

/// The subject of an example, where nobody names one.
pub const EXAMPLE_SUBJECT: &str = "00000000-0000-4000-8000-000000000000";

/// A request as it would be sent, its secrets masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPreview {
    /// How.
    pub method: Method,
    /// Where to.
    pub url: String,
    /// What the dispatcher sends along; HTTP adds its own.
    pub headers: Vec<(String, String)>,
    /// What it carries.
    pub body: Option<Bytes>,
    /// The login before it, if the webhook logs in.
    pub login: Option<LoginPreview>,
}

/// A login as it would be made, its secrets masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginPreview {
    /// How.
    pub method: Method,
    /// Where.
    pub url: String,
    /// What is sent along.
    pub headers: Vec<(String, String)>,
    /// What it carries.
    pub body: Option<Bytes>,
}

/// Why there is no request to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpresentable {
    /// The url with the subject in it.
    #[error("{0}")]
    Request(String),
    /// The login.
    #[error("{0}")]
    Login(String),
}

/// Why a trial is not made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrialRefused {
    /// One of the same webhook is under way.
    #[error("this webhook is being tested already")]
    UnderWay,
    /// As many as may be are under way.
    #[error("too many webhooks are being tested at the moment")]
    TooMany,
    /// What the webhook's catalogue needs cannot be read.
    #[error("what the webhook's catalogue needs cannot be read at the moment")]
    NotReady,
}

/// Who can try webhooks out.
#[async_trait]
pub trait Trials: Send + Sync {
    /// The request that would tell the receiver of `event`. Nothing is sent.
    ///
    /// # Errors
    /// When there would be no request.
    async fn preview(&self, webhook: Webhook, event: &Event) -> Result<RequestPreview, Unpresentable>;

    /// Tells the receiver of `event` as a delivery would (login, address policy, signature, deadline), whatever the
    /// webhook's state is, and answers what came of it. It counts towards no limit of the webhook.
    ///
    /// # Errors
    /// When another is to be waited for.
    async fn test(&self, webhook: Webhook, event: &Event) -> Result<Attempt, TrialRefused>;
}

/// An event that did not happen. Its payload looks like one that did, but for the field `test`.
#[must_use]
pub fn example(id: EventId, client_id: ClientId, event_type: EventType, subject: String, now: Timestamp) -> Event {
    let time = now.to_string();
    let payload = if event_type == EventType::document_finished() {
        json!({
            "id": subject, "type": 1, "fileType": "pdf", "data": {}, "processTime": 1.0, "status": 1, "statusDesc": "FINISHED",
            "createdAt": time, "updatedAt": time, "test": true,
        })
    } else {
        json!({ "id": subject, "test": true })
    };
    Event { id, client_id, event_type, subject, payload: text(&payload), created_at: now }
}

fn text(payload: &Value) -> Bytes {
    payload.to_string().into()
}
