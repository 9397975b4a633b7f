//! Webhook definitions: the OCR service's routes in both editions, and `/v1/webhooks`.

mod by_id;
mod client_certificate;
mod fields;
mod lane_view;
mod ocr;
mod signing;
mod trial;
mod v1;
mod view;

pub(super) use self::ocr::routes as ocr_routes;
pub(super) use self::v1::routes as v1_routes;
pub(super) use self::view::RetryView;
