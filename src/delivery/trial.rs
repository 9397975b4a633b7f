//! Tries webhooks out for people who set them up: shows a request, or sends one outside the queue.
//!
//! The way is the one of every delivery: the same request, the same sender, the same weighing of the answer. Only the
//! record is missing: a trial leaves nothing behind, and does not disable a webhook that answers 410.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::definitions::Definitions;
use super::request;
use super::worker::Worker;
use crate::domain::attempt::Attempt;
use crate::domain::authorization::{LoginCall, header_value, login_call, mask_authorization};
use crate::domain::event::Event;
use crate::domain::headers::{Headers, MASK, holds_secret};
use crate::domain::ids::WebhookId;
use crate::domain::time::Clock;
use crate::domain::trial::{LoginPreview, RequestPreview, TrialRefused, Trials, Unpresentable};
use crate::domain::webhook::{AuthorizationFields, AuthorizationPlan, SecretObject, Webhook};

/// How many webhooks are tested at once on this node.
const MOST_AT_ONCE: usize = 16;

/// Tries webhooks out.
pub struct TryOut {
    worker: Arc<Worker>,
    clock: Arc<dyn Clock>,
    definitions: Definitions,
    under_way: UnderWay,
}

type UnderWay = Arc<Mutex<HashSet<WebhookId>>>;

impl TryOut {
    /// Tries out through `worker`, webhooks that `definitions` make ready.
    #[must_use]
    pub fn new(worker: Arc<Worker>, clock: Arc<dyn Clock>, definitions: Definitions) -> Self {
        Self { worker, clock, definitions, under_way: UnderWay::default() }
    }
}

#[async_trait]
impl Trials for TryOut {
    async fn preview(&self, webhook: Webhook, event: &Event) -> Result<RequestPreview, Unpresentable> {
        let definition = self.definitions.made_ready(webhook).await.map_err(|error| Unpresentable::Request(error.to_string()))?;
        let request = request::build(&definition, event, self.clock.now()).map_err(|error| Unpresentable::Request(error.to_string()))?;
        let authorization = &definition.webhook.definition.authorization;
        let mut headers = masked_headers(&request.headers);
        headers.extend(authorization_header(authorization).map(|value| ("authorization".to_owned(), value)));
        let login = login_preview(authorization)?;
        Ok(RequestPreview { method: request.method, url: request.url.into(), headers, body: request.body, login })
    }

    async fn test(&self, webhook: Webhook, event: &Event) -> Result<Attempt, TrialRefused> {
        let _turn = Turn::take(&self.under_way, webhook.id)?;
        let definition = self.definitions.made_ready(webhook).await.map_err(|_| TrialRefused::NotReady)?;
        Ok(self.worker.try_out(&definition, event).await)
    }
}

/// A test that is under way, until it is dropped.
struct Turn {
    under_way: UnderWay,
    webhook_id: WebhookId,
}

impl Turn {
    fn take(under_way: &UnderWay, webhook_id: WebhookId) -> Result<Self, TrialRefused> {
        let mut webhooks = lock(under_way);
        if webhooks.contains(&webhook_id) {
            return Err(TrialRefused::UnderWay);
        }
        if webhooks.len() >= MOST_AT_ONCE {
            return Err(TrialRefused::TooMany);
        }
        webhooks.insert(webhook_id);
        Ok(Self { under_way: Arc::clone(under_way), webhook_id })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.webhook_id);
    }
}

fn lock(under_way: &UnderWay) -> MutexGuard<'_, HashSet<WebhookId>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A signature is masked too: whoever may look at a request may not have one made.
fn masked_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = |name: &str, value: &HeaderValue| {
        if value.is_sensitive() || holds_secret(name) { MASK.into() } else { String::from_utf8_lossy(value.as_bytes()).into_owned() }
    };
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), shown(name.as_str(), value))).collect()
}

fn authorization_header(authorization: &AuthorizationFields) -> Option<String> {
    match authorization.plan() {
        AuthorizationPlan::None => None,
        AuthorizationPlan::Fixed(fixed) => Some(mask_authorization(fixed.expose_secret())),
        AuthorizationPlan::LogIn(_) => Some(header_value(authorization.header_auth.as_deref(), MASK)),
    }
}

fn login_preview(authorization: &AuthorizationFields) -> Result<Option<LoginPreview>, Unpresentable> {
    let AuthorizationPlan::LogIn(url) = authorization.plan() else {
        return Ok(None);
    };
    let headers = authorization.headers.as_ref().map(masked);
    let body = authorization.body.as_ref().map(masked_fields);
    let call = login_call(url, authorization.login_method(), headers.as_ref(), body.as_ref());
    let LoginCall { method, url, headers, body } = call.map_err(|error| Unpresentable::Login(error.to_string()))?;
    Ok(Some(LoginPreview { method, url: url.into(), headers, body }))
}

fn masked(headers: &Headers) -> Headers {
    // What was checked with its values passes without them.
    Headers::check(headers.masked().map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap_or_default()
}

/// What is logged in with, by its names alone.
fn masked_fields(body: &SecretObject) -> Map<String, Value> {
    body.expose().keys().map(|name| (name.clone(), MASK.into())).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> WebhookId {
        Uuid::from_u128(number).into()
    }

    #[test]
    fn a_webhook_has_one_turn_at_a_time_and_only_so_many_have_one() {
        let under_way = UnderWay::default();
        let first = Turn::take(&under_way, id(1)).ok().unwrap();

        assert_eq!(Turn::take(&under_way, id(1)).err(), Some(TrialRefused::UnderWay));
        let others: Vec<_> = (2..=16).map(|number| Turn::take(&under_way, id(number)).ok().unwrap()).collect();
        assert_eq!(Turn::take(&under_way, id(17)).err(), Some(TrialRefused::TooMany));
        drop(first);
        assert!(Turn::take(&under_way, id(17)).is_ok());
        drop(others);
        assert!(lock(&under_way).is_empty());
    }
}
