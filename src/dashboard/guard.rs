//! What goes for every answer of the dashboard: only its own scripts, styles and forms work on a page, nobody frames it,
//! nobody keeps it, and what went wrong is told in the visitor's language.

use std::any::Any;

use askama::Template as _;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use tower_http::csrf::ProtectionError;

use super::error::{PageError, Problem};
use super::frame::{BareFrame, ProblemPage};
use super::language::Language;

/// No inline script or style, nothing from elsewhere, no text that becomes script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Stands around every handler.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let language = Language::of(request.headers());
    let mut response = next.run(request).await;
    if response.extensions().get::<ProtectionError>().is_some() {
        response = PageError::Foreign.into_response();
    }
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = told(problem, language, &response);
    }
    protect(response.headers_mut());
    response
}

fn told(Problem(words): Problem, language: Language, response: &Response) -> Response {
    let (status, headers) = (response.status(), response.headers().clone());
    let title = words(language.words());
    let page = ProblemPage { frame: BareFrame::of(language, title.to_owned()), w: language.words(), status: status.as_u16() };
    match page.render() {
        Ok(text) => (status, headers, Html(text)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// A panic costs the one page; what it says is for the log alone.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
pub(super) fn answer_to_panic(panic: Box<dyn Any + Send>) -> Response {
    let words = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = words.unwrap_or("no words"), "a page panicked");
    PageError::Panicked.into_response()
}
