//! The page at `/docs`: it reads `/openapi.json` in the browser and shows it. Part of the program; nothing comes from
//! elsewhere, and no script but its own may run.

use std::marker::PhantomData;

use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::operation::{AnswerShape, Operation};
use super::routes::Routes;
use super::signature::{Answer, schema_of};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Routes {
    Routes::of("About", "This description. No key is needed.")
        .get("/docs", Operation::new("showDocs", "Shows this description as a page"), show::<Page>)
        .get("/docs/docs.css", Operation::new("showDocsStyle", "How that page looks"), show::<Style>)
        .get("/docs/docs.js", Operation::new("showDocsScript", "What that page does"), show::<Script>)
}

/// A part of the page.
trait Part {
    const MEDIA_TYPE: &str;
    const TEXT: &str;
}

struct Page;

struct Style;

struct Script;

impl Part for Page {
    const MEDIA_TYPE: &str = "text/html; charset=utf-8";
    const TEXT: &str = include_str!("assets/docs.html");
}

impl Part for Style {
    const MEDIA_TYPE: &str = "text/css; charset=utf-8";
    const TEXT: &str = include_str!("assets/docs.css");
}

impl Part for Script {
    const MEDIA_TYPE: &str = "text/javascript; charset=utf-8";
    const TEXT: &str = include_str!("assets/docs.js");
}

/// A part as it is sent.
struct Sent<P>(PhantomData<P>);

async fn show<P: Part>() -> Sent<P> {
    Sent(PhantomData)
}

impl<P: Part> Answer for Sent<P> {
    fn declare(operation: &mut Operation) {
        operation.answers(AnswerShape::new(200, P::MEDIA_TYPE, schema_of::<String>));
    }
}

impl<P: Part> IntoResponse for Sent<P> {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, P::MEDIA_TYPE), (header::CONTENT_SECURITY_POLICY, POLICY)], P::TEXT).into_response()
    }
}
