//! What the things of a list are called: webhooks and API keys by the names that people gave them.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::error::PageError;
use super::state::Dashboard;
use crate::domain::ids::{ApiKeyId, WebhookId};
use crate::store::records::{Page, Scope};

/// Up to so many webhooks a field offers to choose from; beyond, their ids are typed.
const MOST_CHOICES: u32 = 200;

/// Names of webhooks.
pub(super) struct Names(HashMap<WebhookId, String>);

impl Names {
    /// The names of these webhooks, as far as they are there.
    pub(super) async fn of(dash: &Dashboard, scope: Scope, ids: impl Iterator<Item = WebhookId>) -> Result<Self, PageError> {
        let mut names = HashMap::new();
        for id in ids {
            if !names.contains_key(&id)
                && let Some(webhook) = dash.store.webhook(scope, id).await?
            {
                names.insert(id, webhook.definition.name);
            }
        }
        Ok(Self(names))
    }

    /// What a webhook is called: one that is deleted, by its id.
    pub(super) fn get(&self, id: WebhookId) -> String {
        self.find(id).unwrap_or_else(|| id.to_string())
    }

    /// What a webhook is called; `None` for one that is deleted.
    pub(super) fn find(&self, id: WebhookId) -> Option<String> {
        self.0.get(&id).cloned()
    }
}

/// Names of API keys.
pub(super) struct KeyNames(HashMap<ApiKeyId, String>);

impl KeyNames {
    /// The names of these keys, as far as they are of the scope and have any.
    pub(super) async fn of(dash: &Dashboard, scope: Scope, ids: impl Iterator<Item = ApiKeyId>) -> Result<Self, PageError> {
        let ids: HashSet<ApiKeyId> = ids.collect();
        let mut names = HashMap::new();
        for id in ids {
            // A page that ends with this key begins with it, for ids rise with time and the newest come first.
            let after = Uuid::from_u128(id.as_uuid().as_u128().saturating_add(1));
            let found = dash.store.api_keys(scope, Page { limit: 1, before: Some(after.into()) }).await?;
            names.extend(found.into_iter().filter(|key| key.id == id).filter_map(|key| Some((key.id, key.name?))));
        }
        Ok(Self(names))
    }

    /// What a key is called; `None` where nobody named it, it is deleted, or somebody else's.
    pub(super) fn find(&self, id: ApiKeyId) -> Option<String> {
        self.0.get(&id).cloned()
    }
}

/// Every webhook of a scope with its name, newest first; `None` if there are too many to choose from.
pub(super) async fn all(dash: &Dashboard, scope: Scope) -> Result<Option<Vec<(WebhookId, String)>>, PageError> {
    let webhooks = dash.store.webhooks(scope, Page { limit: MOST_CHOICES + 1, before: None }).await?;
    let are_few = webhooks.len() <= MOST_CHOICES as usize;
    Ok(are_few.then(|| webhooks.into_iter().map(|webhook| (webhook.id, webhook.definition.name)).collect()))
}
