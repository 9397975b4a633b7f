//! Access tokens: what a login at a webhook's `authorizationUrl` gave, kept for as long as it is good.
//!
//! One login is under way per webhook however many deliveries wait for it, and all of them get what it brings, success
//! or failure. How a login is encoded and its answer read is `domain::authorization`.

mod fetch;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use secrecy::SecretString;
use tokio::time::Instant;

pub use fetch::LoginFailure;

use crate::domain::authorization::kept_lifetime;
use crate::domain::ids::WebhookId;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::webhook::Webhook;
use crate::egress::Caller;
use crate::telemetry::metrics::TokenMetrics;
use crate::telemetry::traces::{AttemptTrace, Login as LoginSpan, LoginTrace};

/// How long access tokens are kept.
#[derive(Clone, Copy, Debug)]
pub struct TokenSettings {
    /// When the answer states no lifetime; zero: used once.
    pub default_ttl: Duration,
    /// Taken off a stated lifetime, so that a token does not run out on its way.
    pub margin: Duration,
    /// Longer lifetimes are not believed.
    pub max_ttl: Duration,
    /// The most bytes of a login's answer that are read.
    pub max_answer_bytes: usize,
}

/// An access token as a delivery uses it.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token itself.
    pub value: SecretString,
    /// Whether it was there before this delivery asked.
    pub cached: bool,
    serial: u64,
}

/// How a login goes that a delivery begins.
#[derive(Clone, Copy)]
pub struct LoginTerms<'a> {
    /// How long it may take, which may be longer than the delivery has: it may serve others too.
    pub timeout: Duration,
    /// The attempt that begins it.
    pub trace: Option<&'a AttemptTrace>,
}

/// A login's result, before it is known who gets it.
#[derive(Clone)]
struct Issued {
    value: SecretString,
    serial: u64,
    /// Until when it may be used again; `None`: not kept.
    good_until: Option<Timestamp>,
    /// Whether it is for whoever started the login alone.
    single_use: bool,
}

type Login = Shared<BoxFuture<'static, Result<Issued, Arc<LoginFailure>>>>;

/// What is known of one webhook's access token.
enum Slot {
    UnderWay { version: i64, serial: u64, login: Login },
    Kept { version: i64, issued: Issued },
}

/// The access tokens of all webhooks.
pub struct AccessTokens {
    caller: Arc<dyn Caller>,
    clock: Arc<dyn Clock>,
    settings: TokenSettings,
    serials: AtomicU64,
    slots: Mutex<HashMap<WebhookId, Slot>>,
    metrics: TokenMetrics,
}

/// What the slots say to someone who needs a token.
enum Next {
    Use(Issued),
    Join(Login),
    Own(Login),
}

impl AccessTokens {
    /// No tokens yet.
    #[must_use]
    pub fn new(caller: Arc<dyn Caller>, clock: Arc<dyn Clock>, settings: TokenSettings) -> Arc<Self> {
        Arc::new(Self { caller, clock, settings, serials: AtomicU64::new(1), slots: Mutex::default(), metrics: TokenMetrics::default() })
    }

    /// The logins that were made.
    #[must_use]
    pub const fn metrics(&self) -> &TokenMetrics {
        &self.metrics
    }

    /// An access token for a delivery of `webhook`: the kept one, the one that a login under way brings, or a new one.
    ///
    /// A login that this call starts goes by `terms`; it goes on when the caller stops waiting.
    ///
    /// # Errors
    /// When the login that was waited for failed.
    pub async fn get(self: &Arc<Self>, webhook: &Arc<Webhook>, terms: LoginTerms<'_>) -> Result<AccessToken, Arc<LoginFailure>> {
        loop {
            let (issued, cached) = match self.next(webhook, terms) {
                Next::Use(issued) => (issued, true),
                Next::Own(login) => (login.await?, false),
                Next::Join(login) => match login.await? {
                    // It belongs to whoever started the login: log in anew.
                    Issued { single_use: true, .. } => continue,
                    issued => (issued, false),
                },
            };
            return Ok(AccessToken { value: issued.value, cached, serial: issued.serial });
        }
    }

    /// Forgets `token` if it is still the webhook's current one.
    pub fn forget(&self, webhook_id: WebhookId, token: &AccessToken) {
        let mut slots = self.slots();
        if matches!(slots.get(&webhook_id), Some(Slot::Kept { issued, .. }) if issued.serial == token.serial) {
            slots.remove(&webhook_id);
        }
    }

    /// Forgets whatever is kept for a webhook, and what a login under way may bring.
    pub fn forget_all_of(&self, webhook_id: WebhookId) {
        self.slots().remove(&webhook_id);
    }

    fn next(self: &Arc<Self>, webhook: &Arc<Webhook>, terms: LoginTerms<'_>) -> Next {
        let now = self.clock.now();
        let mut slots = self.slots();
        match slots.get(&webhook.id) {
            Some(Slot::Kept { version, issued }) if *version == webhook.version && issued.good_until > Some(now) => {
                Next::Use(issued.clone())
            }
            Some(Slot::UnderWay { version, login, .. }) if *version == webhook.version => Next::Join(login.clone()),
            _ => {
                let serial = self.serials.fetch_add(1, Ordering::Relaxed);
                let login = self.start_login(webhook, serial, terms);
                slots.insert(webhook.id, Slot::UnderWay { version: webhook.version, serial, login: login.clone() });
                Next::Own(login)
            }
        }
    }

    /// Logs in on a task of its own, so that the login does not end with the delivery that asked first.
    fn start_login(self: &Arc<Self>, webhook: &Arc<Webhook>, serial: u64, terms: LoginTerms<'_>) -> Login {
        let (timeout, trace) = (terms.timeout, terms.trace.and_then(AttemptTrace::login));
        let (tokens, webhook) = (Arc::clone(self), Arc::clone(webhook));
        let login = tokio::spawn(async move {
            let login = AssertUnwindSafe(tokens.log_in(&webhook, serial, timeout, trace)).catch_unwind().await;
            let result = login.unwrap_or(Err(LoginFailure::Interrupted)).map_err(Arc::new);
            tokens.settle(&webhook, serial, result.as_ref().ok());
            result
        });
        async move { login.await.unwrap_or_else(|_| Err(Arc::new(LoginFailure::Interrupted))) }.boxed().shared()
    }

    async fn log_in(&self, webhook: &Webhook, serial: u64, timeout: Duration, trace: Option<LoginTrace>) -> Result<Issued, LoginFailure> {
        let (begun, begun_at) = (Instant::now(), self.clock.now());
        let (deadline, body_cap) = (begun + timeout, self.settings.max_answer_bytes);
        let fetched = fetch::fetch(self.caller.as_ref(), webhook, deadline, body_cap, begun_at).await;
        self.metrics.logged_in(fetched.is_ok(), begun.elapsed());
        if let Some(trace) = trace {
            self.end_trace(trace, webhook, begun_at, fetched.as_ref().map(|(status, _)| *status));
        }
        let (_, answer) = fetched?;
        let lifetime = kept_lifetime(answer.lifetime, self.settings.default_ttl, self.settings.margin, self.settings.max_ttl);
        let good_until = (!lifetime.is_zero()).then(|| self.clock.now() + lifetime);
        // A lifetime that is over before it could be kept is long enough for all who wait at this moment.
        let single_use = good_until.is_none() && answer.lifetime.is_none_or(|stated| stated.is_zero());
        Ok(Issued { value: answer.value, serial, good_until, single_use })
    }

    fn end_trace(&self, trace: LoginTrace, webhook: &Webhook, begun: Timestamp, status: Result<u16, &LoginFailure>) {
        let failure = status.err().map(LoginFailure::detail);
        trace.end(LoginSpan {
            webhook_id: webhook.id,
            authorization: &webhook.definition.authorization,
            begun,
            ended: self.clock.now(),
            status: status.map_or_else(LoginFailure::status, Some),
            failure: failure.as_deref(),
        });
    }

    /// Puts a login's result in the place of the login, unless something newer stands there.
    fn settle(&self, webhook: &Webhook, serial: u64, issued: Option<&Issued>) {
        let mut slots = self.slots();
        let is_ours = matches!(slots.get(&webhook.id), Some(Slot::UnderWay { serial: under_way, .. }) if *under_way == serial);
        match issued.filter(|issued| issued.good_until.is_some()) {
            Some(issued) if is_ours => {
                slots.insert(webhook.id, Slot::Kept { version: webhook.version, issued: issued.clone() });
            }
            None if is_ours => {
                slots.remove(&webhook.id);
            }
            _ => {}
        }
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<WebhookId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
