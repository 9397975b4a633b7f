//! What a handler's types say of its route. An extractor says what it reads and refuses, an answer what it looks like.

use axum::Json;
use axum::extract::State;
use axum::handler::Handler;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::super::error::ApiError;
use super::super::state::Api;
use super::operation::{AnswerShape, Operation};

/// Something that a handler takes.
pub(in super::super) trait Input {
    /// Says what it reads and refuses.
    fn declare(operation: &mut Operation);
}

/// Something that a handler answers.
pub(in super::super) trait Answer {
    /// Says what it looks like.
    fn declare(operation: &mut Operation);
}

/// A handler that takes only [`Input`]s and answers an [`Answer`].
#[diagnostic::on_unimplemented(
    message = "this handler cannot be described",
    note = "every argument needs `openapi::Input`, the answer `openapi::Answer`"
)]
pub(in super::super) trait Documented<T>: Handler<T, Api> {
    /// Says what its types say.
    fn declare(operation: &mut Operation);
}

macro_rules! documented {
    ($($input:ident),*) => {
        impl<F, Answered, A, Via, $($input,)*> Documented<(Via, $($input,)*)> for F
        where
            F: Handler<(Via, $($input,)*), Api> + FnOnce($($input,)*) -> Answered,
            Answered: Future<Output = A>,
            A: Answer,
            $($input: Input,)*
        {
            fn declare(operation: &mut Operation) {
                $($input::declare(operation);)*
                A::declare(operation);
            }
        }
    };
}

documented!();
documented!(T1);
documented!(T1, T2);
documented!(T1, T2, T3);
documented!(T1, T2, T3, T4);
documented!(T1, T2, T3, T4, T5);

impl Input for State<Api> {
    fn declare(_: &mut Operation) {}
}

impl<T: JsonSchema> Answer for Json<T> {
    fn declare(operation: &mut Operation) {
        operation.answers(AnswerShape::new(200, "application/json", schema_of::<T>));
    }
}

impl<A: Answer> Answer for Result<A, ApiError> {
    fn declare(operation: &mut Operation) {
        A::declare(operation);
    }
}

/// The schema of a type; named types are referred to.
pub(in super::super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
