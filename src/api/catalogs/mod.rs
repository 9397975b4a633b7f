//! `/v1/catalogs`: the systems whose events are known, their events, and what a client settles for each.

mod keys;
mod path;
mod settings;
mod view;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use self::path::NamedCatalog;
use self::view::{CatalogView, EventView};
use super::auth::Allowed;
use super::error::{ApiError, Conflict};
use super::openapi::{Operation, Routes};
use super::state::Api;
use crate::domain::permission::Read;

pub(super) fn routes() -> Routes {
    let replace = Operation::new("replaceCatalogSettings", "Settles a catalogue for a client")
        .detail("What the body leaves out has its default from then on.")
        .also_refuses([422])
        .conflicts([Conflict::ChangedMeanwhile]);
    let add_key = Operation::new("addCatalogKey", "Makes the RSA key of a client for a catalogue that signs, or takes it in")
        .detail("It signs what comes in from then on; what came in before keeps its signature.")
        .conflicts([Conflict::ChangedMeanwhile]);
    let show = Operation::new("showCatalogSettings", "Shows what a client settled").also_refuses([422]);
    let list_keys = Operation::new("listCatalogKeys", "Lists a client's keys by their public halves").also_refuses([422]);
    Routes::of("Catalogues", "The systems whose events are known and in whose way webhooks may be called.")
        .get("/v1/catalogs", Operation::new("listCatalogs", "Lists the catalogues"), list)
        .get("/v1/catalogs/{name}/events", Operation::new("listCatalogEvents", "Lists the events of a catalogue"), events)
        .get("/v1/catalogs/{name}/settings", show, settings::show)
        .put("/v1/catalogs/{name}/settings", replace, settings::replace)
        .get("/v1/catalogs/{name}/signing-keys", list_keys, keys::list)
        .post("/v1/catalogs/{name}/signing-keys", add_key, keys::add)
}

/// A list that is shown whole.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AllOf{T}")]
struct All<T> {
    /// Its entries.
    items: Vec<T>,
}

async fn list(State(api): State<Api>, _: Allowed<Read>) -> Result<Json<All<CatalogView>>, ApiError> {
    Ok(Json(All { items: api.catalogs.iter().map(|catalog| CatalogView::of(catalog)).collect() }))
}

async fn events(_: Allowed<Read>, NamedCatalog(catalog): NamedCatalog) -> Result<Json<All<EventView>>, ApiError> {
    Ok(Json(All { items: catalog.events.iter().map(EventView::of).collect() }))
}
