//! What of a request breaks schemas: an error, unless the client settled otherwise.

use std::collections::{BTreeMap, BTreeSet};

use super::super::error::ApiError;
use super::super::state::Api;
use crate::catalog::{Breach, OnBreach, Settings};
use crate::domain::catalog::{CatalogName, ClientCatalog};
use crate::domain::ids::ClientId;
use crate::management::fields::FieldError;

/// What breaks a schema of a catalogue.
pub(super) struct Broken {
    /// Which catalogue.
    pub(super) catalog: CatalogName,
    /// The payload as the caller names it.
    pub(super) field: String,
    /// What is wrong.
    pub(super) breach: Breach,
}

/// What the answer warns of.
///
/// # Errors
/// Refuses the request for all that breaks a schema of a catalogue for which the client did not settle otherwise.
pub(super) async fn judge(api: &Api, client_id: ClientId, broken: Vec<Broken>) -> Result<Vec<FieldError>, ApiError> {
    if broken.is_empty() {
        return Ok(Vec::new());
    }
    let settled = settled(api, client_id, &broken).await?;
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for Broken { catalog, field, breach } in broken {
        let settings = settled.get(&catalog).map(|settled| &settled.settings);
        let Some(weight) = Settings::weigh(settings, &breach) else { continue };
        let told = FieldError::new(format!("{field}{}", breach.pointer), breach.message);
        match weight {
            OnBreach::Refuse => errors.push(told),
            OnBreach::Warn => warnings.push(told),
        }
    }
    if errors.is_empty() { Ok(warnings) } else { Err(ApiError::Invalid(errors)) }
}

async fn settled(api: &Api, client_id: ClientId, broken: &[Broken]) -> Result<BTreeMap<CatalogName, ClientCatalog>, ApiError> {
    let mut settled = BTreeMap::new();
    for name in broken.iter().map(|broken| &broken.catalog).collect::<BTreeSet<_>>() {
        if let Some(found) = api.store.client_catalog(client_id, name.clone()).await? {
            settled.insert(name.clone(), found);
        }
    }
    Ok(settled)
}
