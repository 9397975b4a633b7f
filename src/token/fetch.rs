//! One login: the call to `authorizationUrl` and the access token in its answer.

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::domain::authorization::{AccessTokenAnswer, LoginCall, TokenAnswerError, UnsendableLogin, login_call, read_access_token};
use crate::domain::headers::holds_secret;
use crate::domain::time::Timestamp;
use crate::domain::webhook::{AuthorizationFields, SecretObject, Webhook};
use crate::egress::{CallLimits, Caller, OutboundRequest, SendError};

/// Why a login gave no access token. Says nothing of what was sent or what the answer held.
#[derive(Debug, thiserror::Error)]
pub enum LoginFailure {
    /// The definition makes no login call.
    #[error("the login call cannot be made")]
    Unsendable(#[from] UnsendableLogin),
    /// No answer came.
    #[error("the login got no answer")]
    NoAnswer(#[from] SendError),
    /// The answer's status is not 2xx.
    #[error("the login was answered {0}")]
    Refused(u16),
    /// The answer is larger than is read, or broke off.
    #[error("the login's answer is too large or incomplete")]
    Incomplete,
    /// The answer holds no usable access token.
    #[error("the login's answer holds no access token")]
    NoToken(#[from] TokenAnswerError),
    /// No login came to an end before the attempt's deadline.
    #[error("no login was over before the deadline")]
    NotInTime,
    /// The webhook has no `authorizationUrl`.
    #[error("the webhook does not log in")]
    NotNeeded,
    /// The login was cut off by an error of our own.
    #[error("the login was interrupted")]
    Interrupted,
}

impl LoginFailure {
    /// The status that refused the login.
    pub(super) const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(status) => Some(*status),
            _ => None,
        }
    }

    /// What happened in one line, for people who ask why a delivery failed.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::NoAnswer(error) => format!("{self}: {}", error.detail().unwrap_or_else(|| error.to_string())),
            Self::NoToken(error) => format!("{self}: {error}"),
            Self::Unsendable(error) => format!("{self}: {error}"),
            _ => self.to_string(),
        }
    }
}

/// Logs in for `webhook`; answers the status and what it brought. Only a 2xx answer that was read whole counts.
pub(super) async fn fetch(
    caller: &dyn Caller,
    webhook: &Webhook,
    deadline: Instant,
    body_cap: usize,
    now: Timestamp,
) -> Result<(u16, AccessTokenAnswer), LoginFailure> {
    let authorization = &webhook.definition.authorization;
    let request = OutboundRequest { client_certificate: authorization.client_certificate.clone(), ..to_request(to_call(authorization)?) };
    let answer = caller.call(request, CallLimits { deadline, body_cap }).await?;
    if !(200..300).contains(&answer.status) {
        return Err(LoginFailure::Refused(answer.status));
    }
    if !answer.body_complete {
        return Err(LoginFailure::Incomplete);
    }
    Ok((answer.status, read_access_token(&answer.body, authorization.response_token_attr.as_deref(), now)?))
}

fn to_call(authorization: &AuthorizationFields) -> Result<LoginCall, LoginFailure> {
    let url = authorization.url.as_ref().ok_or(LoginFailure::NotNeeded)?;
    let body = authorization.body.as_ref().map(SecretObject::expose);
    Ok(login_call(url, authorization.login_method(), authorization.headers.as_ref(), body)?)
}

fn to_request(call: LoginCall) -> OutboundRequest {
    let mut headers = HeaderMap::new();
    for (name, value) in call.headers {
        // Names and values were checked when the webhook was written.
        if let (Ok(known), Ok(mut value)) = (HeaderName::try_from(&name), HeaderValue::try_from(value)) {
            value.set_sensitive(holds_secret(&name));
            headers.insert(known, value);
        }
    }
    OutboundRequest { method: call.method, url: call.url, headers, body: call.body, client_certificate: None }
}
