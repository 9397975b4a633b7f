//! Carries out one attempt: builds the request, sends it, and says what that means for the delivery and for its lane.
//!
//! Keeps no state between attempts. Claims, limits and records are the pool's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{Offset as _, Utc};
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use rand::rngs::StdRng;
use tokio::time::Instant;

use super::definitions::Definition;
use super::outcome::Sign;
use super::request::Unsendable;
use super::sender::{SendReport, Sender, Sent};
use super::{PoolSettings, outcome, request};
use crate::domain::attempt::{Attempt, AttemptOutcome, Exchange, FailureReason, Phases};
use crate::domain::delivery::{self, Transition};
use crate::domain::event::Event;
use crate::domain::ids::WebhookId;
use crate::domain::retry::{clamp_retry_after, parse_retry_after};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::trial;
use crate::egress::{Answer, CallLimits, OutboundRequest, SendError};
use crate::store::records::{AttemptRecord, ClaimedDelivery};
use crate::telemetry::metrics::TokenMetrics;
use crate::telemetry::traces::{AttemptTrace, Attempted, Tracer};
use crate::token::{LoginFailure, LoginTerms};

/// The most of an answer's headers that is kept, in bytes.
const KEPT_HEAD_BYTES: usize = 8 * 1024;

/// A claimed delivery with the definition to send it by.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The delivery.
    pub claimed: ClaimedDelivery,
    /// Its webhook.
    pub definition: Arc<Definition>,
    /// Why there is nothing to send, if that is known already.
    pub unsendable: Option<Unsendable>,
    /// What the payload holds of secrets.
    pub secrets: Vec<Bytes>,
}

/// An attempt that ended.
#[derive(Debug)]
pub struct Ended {
    /// What is to be recorded.
    pub record: AttemptRecord,
    /// What the lane should know.
    pub feedback: Feedback,
    /// What the attempt says of the receiver.
    pub sign: Sign,
}

/// What an attempt tells about its whole lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feedback {
    /// Nothing.
    None,
    /// A login worked.
    LoginWorked,
    /// A login failed.
    LoginFailed,
    /// The receiver asks to be left alone until then.
    HoldBackUntil(Timestamp),
}

/// What one exchange came to, before the schedule is asked.
struct Finding {
    outcome: AttemptOutcome,
    exchange: Exchange,
    retry_after: Option<Duration>,
    feedback: Feedback,
}

/// Carries out attempts.
pub struct Worker {
    sender: Sender,
    clock: Arc<dyn Clock>,
    settings: PoolSettings,
    chance: Mutex<StdRng>,
    tracer: Tracer,
}

impl Worker {
    /// A worker that sends through `sender`; `chance` is for the jitter of retries.
    #[must_use]
    pub fn new(sender: Sender, clock: Arc<dyn Clock>, settings: PoolSettings, chance: StdRng) -> Self {
        Self { sender, clock, settings, chance: Mutex::new(chance), tracer: Tracer::default() }
    }

    /// The same, with `tracer` to take the spans of attempts.
    #[must_use]
    pub fn traced_by(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// The logins that were made.
    #[must_use]
    pub fn token_metrics(&self) -> &TokenMetrics {
        self.sender.token_metrics()
    }

    /// Forgets what is kept for a webhook that changed.
    pub fn forget(&self, id: WebhookId) {
        self.sender.forget(id);
    }

    /// The chance of this node, for jitter.
    pub fn chance(&self) -> MutexGuard<'_, StdRng> {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One attempt, from its first byte to what follows from it. Ends by the webhook's deadline.
    pub async fn attempt(&self, ready: &Ready) -> Ended {
        let started_at = self.clock.now();
        let mut trace = self.tracer.attempt(ready.claimed.event.id, ready.claimed.trace.as_ref());
        let build = || request::build(&ready.definition, &ready.claimed.event, started_at);
        let mut request = ready.unsendable.clone().map_or_else(build, Err);
        if let (Some(trace), Ok(request)) = (&mut trace, &mut request) {
            trace.calls(request);
        }
        let finding = self.find_out(&ready.definition, request, &ready.secrets, trace.as_ref()).await;
        let ended = self.conclude(ready, started_at, finding);
        if let Some(trace) = trace {
            trace.end(attempted(ready, &ended.record));
        }
        ended
    }

    /// How an attempt ends that an error of our own cut short.
    pub fn interrupted(&self, ready: &Ready) -> Ended {
        let now = self.clock.now();
        let exchange = Exchange { detail: Some("the attempt was interrupted by an internal error".to_owned()), ..Exchange::default() };
        let outcome = AttemptOutcome::Retryable(FailureReason::Protocol);
        self.conclude(ready, now, Finding { outcome, exchange, retry_after: None, feedback: Feedback::None })
    }

    /// One attempt outside the queue, whose request says that it is a test. Nothing follows from it.
    pub async fn try_out(&self, definition: &Definition, event: &Event) -> Attempt {
        let started_at = self.clock.now();
        let mark = (HeaderName::from_static(trial::MARK), HeaderValue::from_static("true"));
        let request = request::build(definition, event, started_at).map(|mut request| {
            request.headers.extend([mark]);
            request
        });
        let Finding { outcome, exchange, .. } = self.find_out(definition, request, &[], None).await;
        Attempt { number: 1, started_at, finished_at: self.clock.now(), outcome, exchange }
    }

    async fn find_out(
        &self,
        definition: &Definition,
        request: Result<OutboundRequest, Unsendable>,
        secrets: &[Bytes],
        trace: Option<&AttemptTrace>,
    ) -> Finding {
        let timeout = definition.timeout.unwrap_or(self.settings.timeout);
        let limits = CallLimits { deadline: Instant::now() + timeout, body_cap: self.settings.kept_body_bytes };
        match request {
            Err(unsendable) => Finding::without_answer(outcome::of_unsendable(&unsendable), Some(unsendable.to_string())),
            Ok(request) => {
                let mut report = self.sender.send(definition, request, limits, LoginTerms { timeout, trace }).await;
                report.mask(secrets);
                let mut finding = self.weigh(report);
                if finding.outcome == AttemptOutcome::Retryable(FailureReason::Tls) {
                    finding.exchange.detail = blame_certificate(finding.exchange.detail, definition, self.clock.now());
                }
                finding
            }
        }
    }

    fn weigh(&self, report: SendReport) -> Finding {
        let login = report.login_took;
        let mut finding = match report.sent {
            Sent::Answered(answer) => self.weigh_answer(answer),
            Sent::NoAnswer(error) => Finding::without_answer(outcome::of_send_error(&error), error.detail()),
            Sent::NotAuthorized(failure) => weigh_login_failure(&failure),
            Sent::NoHeader => {
                let detail = "the authorization makes no valid header".to_owned();
                Finding::without_answer(AttemptOutcome::Permanent(FailureReason::Unsendable), Some(detail))
            }
        };
        finding.exchange.phases.login = login;
        if login.is_some() && finding.feedback == Feedback::None {
            finding.feedback = Feedback::LoginWorked;
        }
        finding
    }

    fn weigh_answer(&self, answer: Answer) -> Finding {
        let now = self.clock.now();
        let retry_after = answer.headers.get(RETRY_AFTER).and_then(|value| parse_retry_after(value.as_bytes(), now));
        let retry_after = retry_after.map(|asked| clamp_retry_after(asked, self.settings.retry_after_max));
        let feedback = match retry_after {
            Some(pause) if outcome::slows_the_lane(answer.status) => Feedback::HoldBackUntil(now + pause),
            _ => Feedback::None,
        };
        let phases = Phases { login: None, connect: answer.connect_took, answer: Some(answer.head_after), body: Some(answer.body_took) };
        let exchange = Exchange {
            status: Some(answer.status),
            detail: None,
            remote_address: answer.remote_address,
            phases,
            response_head: Some(head_text(&answer.headers)),
            response_body: Some(answer.body),
        };
        Finding { outcome: outcome::of_status(answer.status), exchange, retry_after, feedback }
    }

    /// Asks the schedule, and puts the record together.
    fn conclude(&self, ready: &Ready, started_at: Timestamp, finding: Finding) -> Ended {
        let finished_at = self.clock.now();
        let claimed = &ready.claimed;
        let transition = self.next_step(ready, &finding, finished_at);
        let webhook_version = ready.definition.webhook.version;
        let disable_webhook = outcome::disables_webhook(&finding.outcome);
        let sign = outcome::sign_of(&finding.outcome);
        let attempt =
            Attempt { number: claimed.attempt_number(), started_at, finished_at, outcome: finding.outcome, exchange: finding.exchange };
        let record =
            AttemptRecord { claim: claimed.claim, webhook_id: claimed.webhook_id, webhook_version, attempt, transition, disable_webhook };
        Ended { record, feedback: finding.feedback, sign }
    }

    fn next_step(&self, ready: &Ready, finding: &Finding, now: Timestamp) -> Transition {
        let schedule = ready.definition.retry.as_ref().unwrap_or(&self.settings.retry);
        let retry_at = match finding.outcome {
            AttemptOutcome::Retryable(_) => {
                schedule.retry_at(ready.claimed.attempt_in_series(), now, finding.retry_after, &mut *self.chance())
            }
            AttemptOutcome::Delivered | AttemptOutcome::Permanent(_) => None,
        };
        delivery::after(&finding.outcome, retry_at)
    }
}

impl Finding {
    fn without_answer(outcome: AttemptOutcome, detail: Option<String>) -> Self {
        Self { outcome, exchange: Exchange { detail, ..Exchange::default() }, retry_after: None, feedback: Feedback::None }
    }
}

fn attempted<'a>(ready: &'a Ready, record: &'a AttemptRecord) -> Attempted<'a> {
    Attempted {
        event: &ready.claimed.event,
        delivery_id: record.claim.delivery_id,
        webhook_id: record.webhook_id,
        attempt: &record.attempt,
        transition: &record.transition,
    }
}

/// A login that was refused an address, or makes no call, is hopeless; any other may work later, for every delivery of
/// the lane.
fn weigh_login_failure(failure: &LoginFailure) -> Finding {
    let (outcome, feedback) = match failure {
        LoginFailure::NoAnswer(SendError::BlockedAddress(_) | SendError::PlainHttp) => {
            (AttemptOutcome::Permanent(FailureReason::AddressNotAllowed), Feedback::LoginFailed)
        }
        LoginFailure::Unsendable(_) => (AttemptOutcome::Permanent(FailureReason::Unsendable), Feedback::None),
        // Others may be logging in all the same.
        LoginFailure::NotInTime => (AttemptOutcome::Retryable(FailureReason::Authorization), Feedback::None),
        _ => (AttemptOutcome::Retryable(FailureReason::Authorization), Feedback::LoginFailed),
    };
    Finding { feedback, ..Finding::without_answer(outcome, Some(failure.detail())) }
}

/// A receiver that takes no expired certificate often says no more than that it refuses.
fn blame_certificate(detail: Option<String>, definition: &Definition, now: Timestamp) -> Option<String> {
    let certificate = definition.webhook.definition.authorization.client_certificate.as_ref();
    let Some(expired) = certificate.map(|own| own.facts()).filter(|own| own.has_expired(now)) else { return detail };
    let until = expired.expires_at.to_rfc3339(Utc.fix());
    Some(format!("{}; the webhook's client certificate was good until {until}", detail.unwrap_or_default()))
}

/// Headers as text, one a line; cookies are nobody's business.
fn head_text(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        let value = if is_private(name) { "****".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        if text.len() + name.as_str().len() + value.len() + 3 > KEPT_HEAD_BYTES {
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(name.as_str());
        text.push_str(": ");
        text.push_str(&value);
    }
    text
}

fn is_private(name: &HeaderName) -> bool {
    *name == SET_COOKIE
}
