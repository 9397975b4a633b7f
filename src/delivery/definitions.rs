//! Webhook definitions as workers use them: read from the store once per edition, headers made ready.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::headers::{Headers, holds_secret};
use crate::domain::ids::WebhookId;
use crate::domain::webhook::{AuthorizationPlan, Webhook};
use crate::store::records::Scope;
use crate::store::{Store, StoreError};

/// A webhook, ready for sending.
#[derive(Debug)]
pub struct Definition {
    /// The webhook.
    pub webhook: Arc<Webhook>,
    /// Its own headers, with the content type that a body needs; without any `Authorization` that ours replaces.
    pub headers: HeaderMap,
}

impl Definition {
    fn new(webhook: Webhook) -> Self {
        let headers = base_headers(&webhook);
        Self { webhook: Arc::new(webhook), headers }
    }
}

fn base_headers(webhook: &Webhook) -> HeaderMap {
    let definition = &webhook.definition;
    let mut headers = HeaderMap::new();
    for (name, value) in definition.headers.iter().flat_map(Headers::iter) {
        // Names and values were checked when the webhook was written.
        if let (Ok(known), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            value.set_sensitive(holds_secret(name));
            headers.insert(known, value);
        }
    }
    if definition.method.carries_body() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if !matches!(definition.authorization.plan(), AuthorizationPlan::None) {
        headers.remove(AUTHORIZATION);
    }
    headers
}

/// The definitions in use.
pub struct Definitions {
    store: Arc<dyn Store>,
    known: RwLock<HashMap<WebhookId, Arc<Definition>>>,
}

impl Definitions {
    /// None known yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: RwLock::default() }
    }

    /// The webhook's definition, at least as new as `version`; `None` if the webhook is deleted.
    ///
    /// # Errors
    /// When it has to be read and the store fails.
    pub async fn get(&self, id: WebhookId, version: i64) -> Result<Option<Arc<Definition>>, StoreError> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&id)
            && known.webhook.version >= version
        {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(webhook) = self.store.webhook(Scope::All, id).await? else {
            self.forget(id);
            return Ok(None);
        };
        let definition = Arc::new(Definition::new(webhook));
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&definition));
        Ok(Some(definition))
    }

    /// Reads every webhook anew when it is next asked for.
    pub fn forget_all(&self) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Reads the webhook anew when it is next asked for.
    pub fn forget(&self, id: WebhookId) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
