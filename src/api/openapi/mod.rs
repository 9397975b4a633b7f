//! The description of the interface (OpenAPI 3.1), made of the very routes that answer calls.
//!
//! A route is declared once, in [`Routes`]. Who may call it, what it reads and what it answers are taken from the types
//! of its handler (`signature`); only a name and a sentence are written beside it. So the description cannot say
//! anything that the handler does not do: no test has to compare the two.
//!
//! - what is declared: `routes`, `operation`
//! - what a handler's types say: `signature`, with `refusals` for what may go wrong
//! - how values look: `schemas`
//! - the document: `document`, with answers of a real run in `examples.json`
//! - what receivers get: `receivers`
//! - the page that shows it: `page`

mod document;
mod operation;
mod page;
mod receivers;
mod refusals;
mod routes;
mod schemas;
mod signature;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

pub(super) use self::operation::{AnswerShape, Operation, Parameter};
pub(super) use self::routes::Routes;
pub(super) use self::schemas::{Anything, HEADER_TEXT, Name, Time, object, words};
pub(super) use self::signature::{Answer, Input, schema_of};

use super::state::Api;

/// The description itself and the page, open to everybody.
pub(super) fn routes() -> Routes {
    Routes::of("About", "This description. No key is needed.")
        .get("/openapi.json", Operation::new("showDescription", "Describes this interface (OpenAPI 3.1)"), show)
        .merge(page::routes())
}

/// The document, made once.
struct Described(Bytes);

async fn show(State(api): State<Api>) -> Described {
    Described(api.description.clone())
}

impl Answer for Described {
    fn declare(operation: &mut Operation) {
        operation.answers(AnswerShape::new(200, "application/json", schema_of::<Anything>));
    }
}

impl IntoResponse for Described {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}
