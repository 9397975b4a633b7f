//! The OCR document service's routes, exactly as its document has them, under the paths of both of its editions.

use axum::Json;
use axum::extract::State;

use super::super::auth::Allowed;
use super::super::body::JsonBody;
use super::super::error::{ApiError, Conflict};
use super::super::openapi::{Operation, Routes};
use super::super::state::Api;
use super::by_id;
use super::by_id::Names;
use super::fields::OcrFields;
use super::view::OcrView;
use crate::domain::permission::{ManageWebhooks, Read};
use crate::management::edition::Edition;
use crate::management::webhooks;
use crate::store::records::Page;

const NAMES: Names = Names { show: "showOcrWebhook", replace: "replaceOcrWebhook", merge: "changeOcrWebhook", delete: "deleteOcrWebhook" };

const NEWER_NAMES: Names = Names {
    show: "showNewerOcrWebhook",
    replace: "replaceNewerOcrWebhook",
    merge: "changeNewerOcrWebhook",
    delete: "deleteNewerOcrWebhook",
};

/// How many webhooks are read at once for a list.
const READ_AT_ONCE: u32 = 200;

pub(in super::super) fn routes() -> Routes {
    let list = |id| Operation::new(id, "Lists the webhooks that have a type");
    let create = |id| Operation::new(id, "Makes a webhook").conflicts([Conflict::TypeTaken]);
    let older = Routes::of("OCR document webhooks", "As the OCR document service has them.")
        .get("/api_document/document_webhooks", list("listOcrWebhooks"), self::list)
        .post("/api_document/document_webhooks", create("createOcrWebhook"), self::create);
    let newer = Routes::of("OCR document webhooks, newer edition", "The same under the paths of the service's newer edition.")
        .get("/document_webhooks", list("listNewerOcrWebhooks"), self::list)
        .post("/document_webhooks", create("createNewerOcrWebhook"), self::create);
    let older = by_id::routes::<OcrView>(older, "/api_document/document_webhooks/{id}", &NAMES);
    older.merge(by_id::routes::<OcrView>(newer, "/document_webhooks/{id}", &NEWER_NAMES))
}

async fn create(State(api): State<Api>, caller: Allowed<ManageWebhooks>, body: JsonBody<OcrFields>) -> Result<Json<OcrView>, ApiError> {
    let webhook = webhooks::create(api.desk(), &caller.by(api.clock.now()), caller.client_id()?, body.object()?, Edition::Ocr).await?;
    Ok(Json(OcrView::shown(&api, webhook)))
}

async fn list(State(api): State<Api>, caller: Allowed<Read>) -> Result<Json<Vec<OcrView>>, ApiError> {
    let mut shown = Vec::new();
    let mut before = None;
    loop {
        let page = api.store.webhooks(caller.scope(), Page { limit: READ_AT_ONCE, before }).await?;
        before = page.last().map(|last| last.id);
        shown.extend(page.into_iter().filter(|webhook| Edition::Ocr.shows(webhook)).map(|webhook| OcrView::shown(&api, webhook)));
        if before.is_none() {
            return Ok(Json(shown));
        }
    }
}
