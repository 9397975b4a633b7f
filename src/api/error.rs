//! The one place where a refusal or a failure becomes an HTTP answer: `application/problem+json` (RFC 9457).
//!
//! Handlers name what is wrong; this file alone knows statuses, words and headers. Nothing of a store's inner state
//! reaches a caller: it goes into the log, once.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::delivery::DeliveryState;
use crate::domain::redelivery::RedeliveryJobState;
use crate::domain::signature::TooManyKeys;
use crate::domain::trial::TrialRefused;
use crate::intake::IntakeError;
use crate::management::Refusal;
pub(super) use crate::management::fields::FieldError;
use crate::management::fields::Invalid;
use crate::store::StoreError;
use crate::telemetry::with_causes;

/// Why a call gets no answer of its own.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// No key came, or none that opens anything.
    #[error("a known API key is needed in X-API-KEY")]
    Unauthenticated,
    /// More unknown keys came from one remote address than are allowed.
    #[error("too many unknown API keys came from this address; a known one is needed in X-API-KEY")]
    TooManyUnknownKeys {
        /// How long it takes until another is looked at.
        wait: Duration,
    },
    /// More requests came with one key than are allowed.
    #[error("too many requests came with this API key")]
    TooManyRequests {
        /// How long it takes until another is answered.
        wait: Duration,
    },
    /// The key is known but not for this.
    #[error("this API key's role does not allow that")]
    Forbidden,
    /// There is no such thing, or it is another client's.
    #[error("there is no such thing")]
    NotFound,
    /// The path is known, the method is not.
    #[error("this path does not know that method")]
    MethodNotAllowed,
    /// The body stopped before its end, or its framing is broken.
    #[error("the body could not be read to its end")]
    UnreadableBody,
    /// The body is not UTF-8.
    #[error("the body must be UTF-8")]
    NotUtf8,
    /// The body is not JSON, or JSON that is nested too deeply or holds numbers out of range.
    #[error("the body must be JSON: {0}")]
    Malformed(serde_json::Error),
    /// The body is larger than the configured cap.
    #[error("the body must have at most {limit} bytes")]
    TooLarge {
        /// The cap.
        limit: usize,
    },
    /// The body is not declared as JSON.
    #[error("the media type must be application/json")]
    UnsupportedMediaType,
    /// Values break rules; every one that does is named.
    #[error("some fields break a rule")]
    Invalid(Vec<FieldError>),
    /// What is asked does not fit what is there.
    #[error(transparent)]
    Conflict(Conflict),
    /// The body does not come as fast as it has to.
    #[error("the body came too slowly")]
    TooSlow,
    /// More comes in than can be stored.
    #[error("too much is coming in at the moment")]
    Overloaded,
    /// A webhook is tested already.
    #[error(transparent)]
    TrialRefused(#[from] TrialRefused),
    /// Too many requests are under way.
    #[error("too many requests are under way at the moment")]
    Crowded,
    /// The store is not ready.
    #[error("the store is not ready")]
    NotReady(#[source] StoreError),
    /// The store could not do what was asked.
    #[error("the store could not do it")]
    Store(#[source] Arc<StoreError>),
    /// Nobody knows whether the events are stored.
    #[error("it is not known whether the events are stored; send them again with the same idempotency keys")]
    Unanswered,
    /// A handler panicked.
    #[error("an unexpected failure")]
    Panicked,
}

/// What stands in the way of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Conflict {
    /// One webhook per client and type.
    #[error("the client has a webhook of this type already; change or delete that one")]
    TypeTaken,
    /// Others kept changing the same webhook.
    #[error("the webhook was changed by others at the same time; read it again")]
    ChangedMeanwhile,
    /// Every request would carry a signature by each.
    #[error("{TooManyKeys}: wait until one ends, or end them all with overlapSeconds 0")]
    TooManySigningKeys,
    /// Without it nobody could manage clients.
    #[error("the last root key cannot be deleted")]
    LastRootKey,
    /// A delivery in this state cannot be redelivered.
    #[error("a delivery that is {} cannot be redelivered", .0.as_str())]
    NotRedeliverable(DeliveryState),
    /// A delivery in this state cannot be cancelled.
    #[error("only a pending delivery can be cancelled; this one is {}", .0.as_str())]
    NotCancellable(DeliveryState),
    /// A redelivery of many that has ended goes on no more.
    #[error("only a running job can be cancelled; this one is {}", .0.as_str())]
    JobEnded(RedeliveryJobState),
    /// The delivery will never be sent again.
    #[error("the delivery's webhook is deleted")]
    WebhookDeleted,
}

/// What is wrong with a call, as RFC 9457 has it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Problem<'a> {
    /// Always `about:blank`: the status says what kind of problem it is.
    r#type: &'static str,
    /// The words for the status.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong, for people.
    detail: String,
    /// With 422: every field that breaks a rule.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl ApiError {
    /// One field that breaks a rule.
    pub(super) fn field(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// The body that says so.
    pub(super) fn problem(&self) -> Problem<'_> {
        let status = self.status();
        Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.to_string(),
            errors: if let Self::Invalid(errors) = self { errors } else { &[] },
        }
    }

    /// The status that it is answered with.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::UnreadableBody | Self::NotUtf8 | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyUnknownKeys { .. } | Self::TooManyRequests { .. } | Self::TrialRefused(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded | Self::Crowded | Self::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(error) if matches!(**error, StoreError::Busy(_) | StoreError::Unanswered(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Unanswered | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// In how many seconds the caller may come again.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            // Whole ones, and not too early.
            Self::TooManyUnknownKeys { wait } | Self::TooManyRequests { wait } => {
                Some(HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))
            }
            Self::TrialRefused(_) => Some(HeaderValue::from_static("1")),
            _ => (self.status() == StatusCode::SERVICE_UNAVAILABLE).then(|| HeaderValue::from_static("1")),
        }
    }

    /// Logs what a caller is not told.
    pub(super) fn log(&self) {
        match self {
            Self::NotReady(error) => tracing::warn!(error = %with_causes(error), "the store is not ready"),
            // Every caller meets these while the store is away, of which the heartbeat tells once.
            Self::Store(error) if matches!(**error, StoreError::Busy(_) | StoreError::Unanswered(_)) => {
                tracing::debug!(error = %with_causes(&**error), "a call failed at the store");
            }
            Self::Store(error) => tracing::error!(error = %with_causes(&**error), "a call failed at the store"),
            _ => {}
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let status = self.status();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(self.problem())).into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Overloaded => Self::Overloaded,
            IntakeError::Unanswered => Self::Unanswered,
            IntakeError::Store(error) => Self::Store(error),
        }
    }
}

impl From<Invalid> for ApiError {
    fn from(Invalid(errors): Invalid) -> Self {
        Self::Invalid(errors)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(invalid) => invalid.into(),
            Refusal::NotFound => Self::NotFound,
            Refusal::TypeTaken => Conflict::TypeTaken.into(),
            Refusal::ChangedMeanwhile => Conflict::ChangedMeanwhile.into(),
            Refusal::TooManySigningKeys => Conflict::TooManySigningKeys.into(),
            Refusal::NoKeyMade => Self::Panicked,
            Refusal::Store(error) => error.into(),
        }
    }
}

impl From<Conflict> for ApiError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_store_asks_for_patience_and_a_broken_one_does_not() {
        let busy = ApiError::from(StoreError::Busy("locked".into())).into_response();
        let broken = ApiError::from(StoreError::Backend("disk".into())).into_response();

        assert_eq!((busy.status().as_u16(), busy.headers()["retry-after"].to_str().unwrap()), (503, "1"));
        assert_eq!((broken.status().as_u16(), broken.headers().get("retry-after")), (500, None));
    }

    #[test]
    fn who_comes_too_often_is_told_in_how_many_whole_seconds_it_may_come_again() {
        let told = |millis| ApiError::TooManyRequests { wait: Duration::from_millis(millis) }.into_response();

        for (millis, seconds) in [(1, "1"), (1_000, "1"), (1_001, "2"), (59_999, "60")] {
            let answer = told(millis);
            assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, seconds));
        }
    }

    #[test]
    fn the_words_for_a_caller_tell_nothing_of_the_store() {
        let error = ApiError::from(StoreError::Backend("secret path".into()));

        assert_eq!(error.to_string(), "the store could not do it");
    }
}
