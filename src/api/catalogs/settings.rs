//! The settings of a client for a catalogue: shown as they are in force, replaced as a whole.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::auth::Allowed;
use super::super::body::JsonBody;
use super::super::error::ApiError;
use super::super::state::Api;
use super::path::NamedCatalog;
use crate::catalog::Catalog;
use crate::domain::catalog::ClientCatalog;
use crate::domain::permission::{ManageWebhooks, Read};
use crate::management::fields::FieldError;
use crate::management::settled;

/// Settings by name, as the catalogue lists them. Null is the same as absent.
#[derive(JsonSchema)]
#[schemars(transparent, example = json!({"tenant": "acme", "onBreach": "warn"}))]
#[expect(dead_code, reason = "it tells callers what `replace` reads")]
pub(super) struct SettingsFields(Map<String, Value>);

/// What is settled, and what is in force with the defaults of the rest.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CatalogSettings")]
pub(super) struct SettingsView {
    /// What is settled.
    settled: Map<String, Value>,
    /// Every setting with what is in force.
    in_force: Map<String, Value>,
}

impl SettingsView {
    fn of(catalog: &Catalog, settled: ClientCatalog) -> Json<Self> {
        let in_force = catalog.settings.in_force(Some(&settled.settings));
        Json(Self { settled: settled.settings, in_force })
    }
}

pub(super) async fn show(
    State(api): State<Api>,
    caller: Allowed<Read>,
    NamedCatalog(catalog): NamedCatalog,
) -> Result<Json<SettingsView>, ApiError> {
    let settled = settled::read(api.desk(), api.clock.now(), caller.client_id()?, &catalog.name).await?;
    Ok(SettingsView::of(&catalog, settled))
}

/// What the body leaves out, or says null of, has its default from then on.
pub(super) async fn replace(
    State(api): State<Api>,
    caller: Allowed<ManageWebhooks>,
    NamedCatalog(catalog): NamedCatalog,
    body: JsonBody<SettingsFields>,
) -> Result<Json<SettingsView>, ApiError> {
    let client_id = caller.client_id()?;
    let mut wanted = body.object()?;
    wanted.retain(|_, value| !value.is_null());
    if let Err(wrong) = catalog.settings.check(&wanted) {
        return Err(ApiError::Invalid(wrong.into_iter().map(|(field, message)| FieldError::new(field, message)).collect()));
    }
    let set = |settled: &mut ClientCatalog| {
        let differs = settled.settings != wanted;
        settled.settings.clone_from(&wanted);
        differs
    };
    let settled = settled::change(api.desk(), &caller.by(api.clock.now()), (client_id, &catalog.name), set).await?;
    Ok(SettingsView::of(&catalog, settled))
}
