//! The REST interface: one file or folder per noun of its paths, and what they share.
//!
//! Handlers translate between HTTP and the store; they decide nothing that `domain` could decide. The contract is the
//! paths, the field names and the statuses: tests hold them literally.
//!
//! - what comes in at all: `server`, before any handler
//! - who may do what, and how often: `auth`, with `key_cache` before the store, `key_uses` behind it, and `rates`
//! - how every refusal looks: `error`
//! - how input is read: `body`, `fields`, `path`, `query`
//! - how answers look: `answer`, and a view beside each handler
//! - how all of it is described to callers: `openapi`
//!
//! A new route: write its handler with types that describe themselves (`JsonBody<Fields>`, `Query<Parameters>`, views that
//! derive `JsonSchema`), and put it into the `routes()` of its noun with a name and a sentence. The tests ask for the rest.

mod answer;
mod api_keys;
mod audit;
mod auth;
mod body;
mod catalogs;
mod clients;
mod deliveries;
mod enqueue;
mod error;
mod events;
mod health;
mod key_cache;
mod key_set;
mod key_uses;
mod metrics;
mod nodes;
mod openapi;
mod path;
mod query;
mod rates;
mod redelivery_jobs;
mod server;
mod sienge;
mod state;
mod stats;
mod webhooks;

use std::any::Any;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

pub use self::server::{BodyPace, ServerLimits, serve};
pub use self::state::{ApiSettings, ApiState, KeyChance, SigningChance};

use self::error::ApiError;
use self::openapi::Routes;
use self::state::Api;
use crate::management::fields;

/// The whole interface as a service.
pub fn router(state: ApiState) -> Router {
    guarded(all_routes().beside(sienge::routes()), state)
}

/// Every route, in the order in which they are described.
fn all_routes() -> Routes {
    openapi::routes()
        .merge(webhooks::ocr_routes())
        .merge(enqueue::routes())
        .merge(events::routes())
        .merge(webhooks::v1_routes())
        .merge(deliveries::routes())
        .merge(redelivery_jobs::routes())
        .merge(stats::routes())
        .merge(clients::routes())
        .merge(api_keys::routes())
        .merge(audit::routes())
        .merge(catalogs::routes())
        .merge(nodes::routes())
        .merge(key_set::routes())
        .merge(metrics::routes())
        .merge(health::routes())
}

/// What a node answers that only delivers: whether it is well.
pub fn health_router(state: ApiState) -> Router {
    guarded(health::routes().merge(metrics::routes()), state)
}

fn guarded(routes: Routes, state: ApiState) -> Router {
    let max_body_bytes = state.settings.max_body_bytes;
    let description = routes.document().to_string();
    routes
        .into_router()
        .fallback(|| async { ApiError::NotFound })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(max_body_bytes))
        .layer(CatchPanicLayer::custom(answer_to_panic))
        .layer(map_response(async |response| mark(response)))
        .with_state(Api::new(state, description.into()))
}

/// A panic costs the one call; what it says is for the log alone.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn answer_to_panic(panic: Box<dyn Any + Send>) -> Response {
    let words = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = words.unwrap_or("no words"), "a handler panicked");
    ApiError::Panicked.into_response()
}

/// No answer may be taken for another type, or kept by a cache unless it says so itself.
fn mark(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_with_a_500_that_tells_nothing_of_it() {
        async fn break_down() {
            panic!("secret");
        }
        let router = Router::<()>::new().route("/", get(break_down)).layer(CatchPanicLayer::custom(answer_to_panic));

        let answer = router.oneshot(Request::new(Body::empty())).await.unwrap();

        assert_eq!(answer.status(), 500);
        let body = to_bytes(answer.into_body(), 1_000).await.unwrap();
        assert_eq!(body, r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"an unexpected failure"}"#);
    }
}
