//! Why a page is not what was asked for, and how that looks.
//!
//! Handlers name what is wrong. What a browser gets of it is made in `guard`, which knows the language; what went wrong
//! inside is for the log alone.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::frame::Word;
use super::pairs::address;
use crate::management::Refusal;
use crate::store::StoreError;
use crate::telemetry::with_causes;

/// Where people sign in.
pub(super) const SIGN_IN: &str = "/dashboard/sign-in";

/// Why a page is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignedOut {
        /// Where they wanted to go.
        next: String,
    },
    /// The key is for something else.
    #[error("this API key's role does not allow that")]
    Forbidden,
    /// A form of another site sent it.
    #[error("it came from another site")]
    Foreign,
    /// There is no such page or thing, or it is another client's.
    #[error("there is no such thing")]
    NotFound,
    /// The path is known, the method is not.
    #[error("this path does not know that method")]
    MethodNotAllowed,
    /// What a form sent could not be read.
    #[error("the form could not be read")]
    Unreadable,
    /// What was asked does not fit what is there.
    #[error("it does not fit what is there: {0}")]
    Conflict(Clash),
    /// As many browsers as may are told of changes already.
    #[error("too many are listening")]
    TooManyListeners,
    /// The store could not do it.
    #[error("the store could not do it")]
    Store(#[source] Arc<StoreError>),
    /// A page could not be written.
    #[error("a page could not be written")]
    Unwritable(#[source] askama::Error),
    /// A handler panicked.
    #[error("an unexpected failure")]
    Panicked,
}

/// What stands in the way of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Clash {
    /// The delivery moved on since the page was shown.
    #[error("the delivery's state")]
    DeliveryState,
    /// The delivery will never be sent again.
    #[error("the delivery's webhook is deleted")]
    WebhookDeleted,
    /// One webhook per client and type.
    #[error("the webhook's type is taken")]
    TypeTaken,
    /// Others kept changing the same webhook.
    #[error("the webhook was changed by others")]
    ChangedMeanwhile,
    /// Every request would carry a signature by each.
    #[error("too many signing keys")]
    TooManySigningKeys,
    /// It cannot be stopped any more.
    #[error("the job has ended")]
    JobEnded,
    /// Another test of it is under way.
    #[error("a test is under way")]
    TestUnderWay,
    /// Without it nobody could manage clients.
    #[error("the last root key")]
    LastRootKey,
}

/// What a page says of an error; travels with the answer to where the language is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem(pub(super) Word);

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut { .. } => StatusCode::SEE_OTHER,
            Self::Forbidden | Self::Foreign => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooManyListeners => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(error) if error.is_passing() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Unwritable(_) | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn problem(&self) -> Problem {
        Problem(match self {
            Self::SignedOut { .. } => |w| w.sign_in,
            Self::Forbidden => |w| w.problem_forbidden,
            Self::Foreign => |w| w.problem_foreign,
            Self::NotFound | Self::MethodNotAllowed => |w| w.problem_not_found,
            Self::Unreadable => |w| w.problem_unreadable,
            Self::Conflict(Clash::DeliveryState) => |w| w.problem_moved_on,
            Self::Conflict(Clash::WebhookDeleted) => |w| w.problem_webhook_deleted,
            Self::Conflict(Clash::TypeTaken) => |w| w.problem_type_taken,
            Self::Conflict(Clash::ChangedMeanwhile) => |w| w.problem_changed_meanwhile,
            Self::Conflict(Clash::TooManySigningKeys) => |w| w.problem_signing_keys,
            Self::Conflict(Clash::JobEnded) => |w| w.problem_job_ended,
            Self::Conflict(Clash::TestUnderWay) => |w| w.problem_test_under_way,
            Self::Conflict(Clash::LastRootKey) => |w| w.problem_last_root_key,
            Self::TooManyListeners | Self::Store(_) | Self::Unwritable(_) | Self::Panicked => |w| w.problem_inside,
        })
    }

    fn log(&self) {
        match self {
            // Every visitor meets these while the store is away, of which the heartbeat tells once.
            Self::Store(error) if error.is_passing() => tracing::debug!(error = %with_causes(&**error), "a page failed at the store"),
            Self::Store(error) => tracing::error!(error = %with_causes(&**error), "a page failed at the store"),
            Self::Unwritable(error) => tracing::error!(error = %with_causes(error), "a page could not be written"),
            _ => {}
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        self.log();
        if let Self::SignedOut { next } = &self {
            return Redirect::to(&address(SIGN_IN, &[("next", next)])).into_response();
        }
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self.problem());
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        Self::Unwritable(error)
    }
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(_) => Self::Unreadable,
            Refusal::NotFound => Self::NotFound,
            Refusal::TypeTaken => Self::Conflict(Clash::TypeTaken),
            Refusal::ChangedMeanwhile => Self::Conflict(Clash::ChangedMeanwhile),
            Refusal::TooManySigningKeys => Self::Conflict(Clash::TooManySigningKeys),
            Refusal::NoKeyMade => Self::Panicked,
            Refusal::Store(error) => error.into(),
        }
    }
}
