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
    /// Makes a webhook ready.
    pub(super) fn new(webhook: Webhook) -> Self {
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

    /// Reads in one call what [`Self::get`] would read one by one.
    ///
    /// # Errors
    /// When the store fails, or one of the webhooks cannot be read: `get` says which.
    pub async fn read_ahead(&self, wanted: impl Iterator<Item = (WebhookId, i64)>) -> Result<(), StoreError> {
        let missing: Vec<WebhookId> = wanted.filter(|&(id, version)| self.known(id, version).is_none()).map(|(id, _)| id).collect();
        if missing.is_empty() {
            return Ok(());
        }
        for webhook in self.store.webhooks_named(missing).await? {
            self.keep(webhook);
        }
        Ok(())
    }

    /// The webhook's definition, at least as new as `version`; `None` if the webhook is deleted.
    ///
    /// # Errors
    /// When it has to be read and the store fails.
    pub async fn get(&self, id: WebhookId, version: i64) -> Result<Option<Arc<Definition>>, StoreError> {
        if let Some(known) = self.known(id, version) {
            return Ok(Some(known));
        }
        let Some(webhook) = self.store.webhook(Scope::All, id).await? else {
            self.forget(id);
            return Ok(None);
        };
        Ok(Some(self.keep(webhook)))
    }

    fn known(&self, id: WebhookId, version: i64) -> Option<Arc<Definition>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).filter(|known| known.webhook.version >= version).map(Arc::clone)
    }

    fn keep(&self, webhook: Webhook) -> Arc<Definition> {
        let (id, definition) = (webhook.id, Arc::new(Definition::new(webhook)));
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&definition));
        definition
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
