//! Webhook definitions: the OCR service's routes in both editions, and `/v1/webhooks`.

mod actions;
mod by_id;
mod change;
mod definition;
mod edition;
mod lane_view;
mod ocr;
mod signing;
mod v1;
mod view;

use axum::Router;

use super::state::Api;

pub(super) fn routes() -> Router<Api> {
    ocr::routes().merge(v1::routes())
}
