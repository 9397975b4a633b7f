//! The operator's pages: what became of every delivery, why, and what to do about it.
//!
//! Pages are HTML that works by itself; scripts only add to it (`live`: without reloading; `forms`: checked as one types).
//! Everything is in the program. What strangers' servers answered, and whatever else comes from outside, is text: templates
//! escape it, and the policy of `guard` keeps any script but our own files from running. Nothing here asks the store for
//! more than the API does, and changes are made by the use cases in `management`.
//!
//! - who looks: `session` (signing in), `visitor` (every request), `guesses`
//! - how a page is made: `frame` around it, `view` for small parts, `words` in two languages, `templates/`
//! - the pages, a file each

mod assets;
mod audit;
mod chart;
mod cookies;
mod dead_letters;
mod deliveries;
mod delivery;
mod error;
mod frame;
mod guard;
mod guesses;
mod keys;
mod lane;
mod language;
mod live;
mod local_time;
mod messages;
mod names;
mod overview;
mod pager;
mod pairs;
mod recovery;
mod redelivery;
mod request;
mod session;
mod state;
mod trial;
mod view;
mod visitor;
mod webhook;
mod webhook_fields;
mod webhook_form;
mod webhooks;
mod words;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::response::Response;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;

pub use self::state::{DashboardSettings, DashboardState, KeyChance, TokenChance};

use self::error::PageError;
use self::state::Dashboard;

/// What a handler answers.
type Page = Result<Response, PageError>;

/// No form is larger: a definition with all its headers.
const MAX_FORM_BYTES: usize = 256 * 1_024;

/// All pages, to be put under `/dashboard`.
pub fn router(state: DashboardState) -> Router {
    Router::new()
        .merge(assets::routes())
        .merge(audit::routes())
        .merge(dead_letters::routes())
        .merge(deliveries::routes())
        .merge(delivery::routes())
        .merge(keys::routes())
        .merge(live::routes())
        .merge(overview::routes())
        .merge(recovery::routes())
        .merge(redelivery::routes())
        .merge(session::routes())
        .merge(trial::routes())
        .merge(webhook::routes())
        .merge(webhook_form::routes())
        .merge(webhooks::routes())
        .fallback(|| async { PageError::NotFound })
        .method_not_allowed_fallback(|| async { PageError::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(CatchPanicLayer::custom(guard::answer_to_panic))
        .layer(CsrfLayer::new())
        .layer(from_fn(guard::dress))
        .with_state(Dashboard::new(state))
}
