//! The OCR document service's routes, exactly as its document has them, under the paths of both of its editions.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::super::auth::{Allowed, ManageWebhooks, Read};
use super::super::body::JsonBody;
use super::super::error::ApiError;
use super::super::state::Api;
use super::edition::Edition;
use super::view::{OcrView, View};
use super::{actions, by_id};
use crate::store::records::Page;

const PATHS: [(&str, &str); 2] =
    [("/api_document/document_webhooks", "/api_document/document_webhooks/{id}"), ("/document_webhooks", "/document_webhooks/{id}")];

/// How many webhooks are read at once for a list.
const READ_AT_ONCE: u32 = 200;

pub(super) fn routes() -> Router<Api> {
    PATHS
        .into_iter()
        .fold(Router::new(), |router, (all, one)| router.route(all, get(list).post(create)).route(one, by_id::routes::<OcrView>()))
}

async fn create(State(api): State<Api>, caller: Allowed<ManageWebhooks>, body: JsonBody) -> Result<Json<OcrView>, ApiError> {
    let webhook = actions::create(&api, &caller, body.object()?, Edition::Ocr).await?;
    Ok(Json(OcrView::of(&api, webhook)))
}

async fn list(State(api): State<Api>, caller: Allowed<Read>) -> Result<Json<Vec<OcrView>>, ApiError> {
    let mut shown = Vec::new();
    let mut before = None;
    loop {
        let page = api.store.webhooks(caller.scope(), Page { limit: READ_AT_ONCE, before }).await?;
        before = page.last().map(|last| last.id);
        shown.extend(page.into_iter().filter(|webhook| Edition::Ocr.shows(webhook)).map(|webhook| OcrView::of(&api, webhook)));
        if before.is_none() {
            return Ok(Json(shown));
        }
    }
}
