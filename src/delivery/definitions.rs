//! Webhook definitions as workers use them: read from the store once per edition, headers made ready.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::catalog::{Catalogs, Sender};
use crate::domain::catalog::CatalogName;
use crate::domain::headers::{Headers, holds_secret};
use crate::domain::ids::WebhookId;
use crate::domain::retry::RetryPolicy;
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
    /// The catalogue in whose way it is called; `None` for the dispatcher's own way.
    pub sender: Option<Sender>,
    /// The catalogue that it names and that is not known any more: nothing can be sent then.
    pub missing_catalog: Option<CatalogName>,
    /// The deadline of an attempt, where the webhook or its catalogue has one.
    pub timeout: Option<Duration>,
    /// When to try again, where the webhook or its catalogue says so.
    pub retry: Option<RetryPolicy>,
}

impl Definition {
    fn new(webhook: Webhook, sender: Option<Sender>) -> Self {
        let headers = base_headers(&webhook);
        let own = &webhook.definition.delivery;
        let sending = sender.as_ref().map(|sender| &sender.catalog.sending);
        let timeout = own.timeout.or_else(|| sending.and_then(|sending| sending.timeout));
        let retry = own.retry.clone().or_else(|| sending.and_then(|sending| sending.retry.clone()));
        let missing_catalog = webhook.definition.catalog.clone().filter(|_| sender.is_none());
        let sender = sender.filter(|sender| !sender.catalog.sending.is_plain());
        Self { webhook: Arc::new(webhook), headers, sender, missing_catalog, timeout, retry }
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
    catalogs: Arc<Catalogs>,
    known: RwLock<HashMap<WebhookId, Arc<Definition>>>,
}

impl Definitions {
    /// None known yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, catalogs: Arc<Catalogs>) -> Self {
        Self { store, catalogs, known: RwLock::default() }
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
            let definition = self.made_ready(webhook).await?;
            self.keep(definition);
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
        let definition = self.made_ready(webhook).await?;
        Ok(Some(self.keep(definition)))
    }

    /// A webhook, ready for sending, whether it is stored or not. It is not kept.
    ///
    /// # Errors
    /// When what its catalogue needs cannot be read.
    pub async fn made_ready(&self, webhook: Webhook) -> Result<Definition, StoreError> {
        let sender = self.sender(&webhook).await?;
        Ok(Definition::new(webhook, sender))
    }

    fn known(&self, id: WebhookId, version: i64) -> Option<Arc<Definition>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).filter(|known| known.webhook.version >= version).map(Arc::clone)
    }

    fn keep(&self, definition: Definition) -> Arc<Definition> {
        let (id, definition) = (definition.webhook.id, Arc::new(definition));
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&definition));
        definition
    }

    /// The webhook's catalogue, made ready for its client; `None` where it names none, or one that is not known any more.
    async fn sender(&self, webhook: &Webhook) -> Result<Option<Sender>, StoreError> {
        let Some(catalog) = webhook.definition.catalog.as_ref().and_then(|name| self.catalogs.get(name)) else {
            return Ok(None);
        };
        let Some(client) = self.store.client(webhook.client_id).await? else { return Ok(None) };
        let settled = self.store.client_catalog(client.id, catalog.name.clone()).await?;
        Ok(Some(Sender::new(Arc::clone(catalog), &client, settled)))
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
