//! Sends one request to a receiver, logging in first where the webhook says so, and once more when the receiver does
//! not take the access token.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};

use super::definitions::Definition;
use super::echo::Echoes;
use super::{outcome, request};
use crate::domain::authorization::header_value;
use crate::domain::ids::WebhookId;
use crate::domain::webhook::AuthorizationPlan;
use crate::egress::{Answer, CallLimits, Caller, OutboundRequest, SendError};
use crate::telemetry::metrics::TokenMetrics;
use crate::token::{AccessToken, AccessTokens, LoginFailure, LoginTerms};

/// What sending came to.
#[derive(Debug)]
pub enum Sent {
    /// The receiver answered.
    Answered(Answer),
    /// The receiver was called and did not answer.
    NoAnswer(SendError),
    /// The login failed; the receiver was not called (again).
    NotAuthorized(Arc<LoginFailure>),
    /// The authorization makes no header.
    NoHeader,
}

/// What sending came to, and how long its login took.
#[derive(Debug)]
pub struct SendReport {
    /// What it came to.
    pub sent: Sent,
    /// How long logging in took, or waiting for a login; `None` where a kept token did.
    pub login_took: Option<Duration>,
}

impl SendReport {
    /// Takes out of the answer what came back of these secrets.
    pub fn mask(&mut self, secrets: &[Bytes]) {
        if let Sent::Answered(answer) = &mut self.sent {
            Echoes::of_values(secrets.iter().cloned()).mask(answer);
        }
    }
}

/// Sends requests.
pub struct Sender {
    caller: Arc<dyn Caller>,
    tokens: Arc<AccessTokens>,
}

impl Sender {
    /// A sender that calls through `caller` and gets its access tokens from `tokens`.
    #[must_use]
    pub fn new(caller: Arc<dyn Caller>, tokens: Arc<AccessTokens>) -> Self {
        Self { caller, tokens }
    }

    /// The logins that were made.
    #[must_use]
    pub fn token_metrics(&self) -> &TokenMetrics {
        self.tokens.metrics()
    }

    /// Forgets the access token of a webhook that changed.
    pub fn forget(&self, id: WebhookId) {
        self.tokens.forget_all_of(id);
    }

    /// Sends `request` as `definition` authorizes it, all within `limits.deadline`. A login that this begins goes by `terms`.
    pub async fn send(&self, definition: &Definition, request: OutboundRequest, limits: CallLimits, terms: LoginTerms<'_>) -> SendReport {
        match definition.webhook.definition.authorization.plan() {
            AuthorizationPlan::None => SendReport { sent: self.call(Some(request), limits).await, login_took: None },
            AuthorizationPlan::Fixed(fixed) => {
                let request = request::authorized(request, fixed.expose_secret());
                SendReport { sent: self.call(request, limits).await, login_took: None }
            }
            // In a box of its own: every delivery would be half as large again for what only some of them do.
            AuthorizationPlan::LogIn(_) => Box::pin(self.log_in_and_send(definition, request, limits, terms)).await,
        }
    }

    async fn log_in_and_send(
        &self,
        definition: &Definition,
        request: OutboundRequest,
        limits: CallLimits,
        terms: LoginTerms<'_>,
    ) -> SendReport {
        let started = Instant::now();
        let token = match self.token(definition, limits.deadline, terms).await {
            Ok(token) => token,
            Err(sent) => return SendReport { sent, login_took: Some(started.elapsed()) },
        };
        let mut login_took = (!token.cached).then(|| started.elapsed());
        let mut sent = self.call_with(definition, request.clone(), &token, limits).await;
        if let Sent::Answered(answer) = &sent
            && outcome::asks_for_new_login(answer.status, token.cached)
        {
            self.tokens.forget(definition.webhook.id, &token);
            let again = Instant::now();
            let token = self.token(definition, limits.deadline, terms).await;
            login_took = Some(login_took.unwrap_or_default() + again.elapsed());
            sent = match token {
                Ok(token) => self.call_with(definition, request, &token, limits).await,
                Err(sent) => sent,
            };
        }
        SendReport { sent, login_took }
    }

    async fn token(&self, definition: &Definition, deadline: Instant, terms: LoginTerms<'_>) -> Result<AccessToken, Sent> {
        match timeout_at(deadline, self.tokens.get(&definition.webhook, terms)).await {
            Ok(Ok(token)) => Ok(token),
            Ok(Err(failure)) => Err(Sent::NotAuthorized(failure)),
            Err(_) => Err(Sent::NotAuthorized(Arc::new(LoginFailure::NotInTime))),
        }
    }

    async fn call_with(&self, definition: &Definition, request: OutboundRequest, token: &AccessToken, limits: CallLimits) -> Sent {
        let scheme = definition.webhook.definition.authorization.header_auth.as_deref();
        let authorization = header_value(scheme, token.value.expose_secret());
        self.call(request::authorized(request, &authorization), limits).await
    }

    async fn call(&self, request: Option<OutboundRequest>, limits: CallLimits) -> Sent {
        let Some(request) = request else {
            return Sent::NoHeader;
        };
        let echoes = Echoes::of(&request.headers);
        match self.caller.call(request, limits).await {
            Ok(mut answer) => {
                echoes.mask(&mut answer);
                Sent::Answered(answer)
            }
            Err(error) => Sent::NoAnswer(error),
        }
    }
}
