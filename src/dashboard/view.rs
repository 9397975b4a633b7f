//! Small parts of pages that many pages show. Each writes its own markup and escapes what it shows in it.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::FixedOffset;

use super::words::Words;
use crate::domain::attempt::{AttemptOutcome, FailureReason};
use crate::domain::delivery::{DeadLetterReason, DeliveryState};
use crate::domain::stats::Counted;
use crate::domain::time::Timestamp;
use crate::domain::webhook::WebhookState;

/// A time: short to read, exact on hover and for programs.
#[derive(Clone, Debug, Template)]
#[template(source = r#"<time datetime="{{ exact }}" title="{{ exact }}">{{ text }}</time>"#, ext = "html")]
pub(super) struct Moment {
    text: String,
    exact: String,
}

impl HtmlSafe for Moment {}

impl Moment {
    pub(super) fn of(time: Timestamp, offset: FixedOffset) -> Self {
        let text = time.to_utc().with_timezone(&offset).format("%Y-%m-%d %H:%M:%S").to_string();
        Self { text, exact: time.to_rfc3339(offset) }
    }

    /// The short text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The short text alone, for a sentence.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// A state as a word in a colour; the colour says nothing that the word does not.
#[derive(Clone, Copy, Debug, Template)]
#[template(source = r#"<span class="badge {{ tone }}">{{ word }}</span>"#, ext = "html")]
pub(super) struct Badge {
    tone: &'static str,
    word: &'static str,
}

impl HtmlSafe for Badge {}

impl Badge {
    pub(super) const fn delivery(w: &Words, state: DeliveryState) -> Self {
        let (tone, word) = match state {
            DeliveryState::Pending => ("waiting", w.pending),
            DeliveryState::InFlight => ("busy", w.in_flight),
            DeliveryState::Delivered => ("good", w.delivered),
            DeliveryState::DeadLettered => ("bad", w.dead_lettered),
            DeliveryState::Cancelled => ("off", w.cancelled),
        };
        Self { tone, word }
    }

    pub(super) const fn webhook(w: &Words, state: &WebhookState) -> Self {
        let (tone, word) = match state {
            WebhookState::Active => ("good", w.active),
            WebhookState::Paused => ("waiting", w.paused),
            WebhookState::Disabled(_) => ("bad", w.disabled),
        };
        Self { tone, word }
    }

    pub(super) const fn attempt(w: &Words, outcome: &AttemptOutcome) -> Self {
        let (tone, word) = match outcome {
            AttemptOutcome::Delivered => ("good", w.attempt_delivered),
            AttemptOutcome::Retryable(_) => ("waiting", w.attempt_retryable),
            AttemptOutcome::Permanent(_) => ("bad", w.attempt_permanent),
        };
        Self { tone, word }
    }

    pub(super) const fn new(tone: &'static str, word: &'static str) -> Self {
        Self { tone, word }
    }
}

/// One of the choices of a field.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) name: String,
    pub(super) is_chosen: bool,
}

impl Choice {
    pub(super) fn new(value: impl Into<String>, name: impl Into<String>, chosen: &str) -> Self {
        let value = value.into();
        let is_chosen = value == chosen;
        Self { value, name: name.into(), is_chosen }
    }
}

/// Why an attempt failed, in few words.
pub(super) fn failure(w: &Words, reason: &FailureReason) -> String {
    let words = match reason {
        FailureReason::Status(status) => return format!("{} {status}", w.reason_status),
        FailureReason::Gone => w.reason_gone,
        FailureReason::Timeout => w.reason_timeout,
        FailureReason::Dns => w.reason_dns,
        FailureReason::Connect => w.reason_connect,
        FailureReason::Tls => w.reason_tls,
        FailureReason::Protocol => w.reason_protocol,
        FailureReason::Authorization => w.reason_authorization,
        FailureReason::AddressNotAllowed => w.reason_address_not_allowed,
        FailureReason::Unsendable => w.reason_unsendable,
    };
    words.to_owned()
}

/// Why a delivery was given up, in few words.
pub(super) fn given_up(w: &Words, reason: &DeadLetterReason) -> String {
    match reason {
        DeadLetterReason::Exhausted => w.reason_exhausted.to_owned(),
        DeadLetterReason::Permanent(reason) => failure(w, reason),
    }
}

/// A number that was counted up to a limit.
pub(super) fn counted(counted: Counted) -> String {
    if counted.has_more { format!("> {}", counted.count) } else { counted.count.to_string() }
}

/// A length of time for people: the two largest units that say something.
pub(super) fn span(duration: Duration) -> String {
    let (ms, seconds) = (duration.as_millis(), duration.as_secs());
    match seconds {
        0 if ms == 0 => format!("{:.1} ms", duration.as_secs_f64() * 1_000.0),
        0 => format!("{ms} ms"),
        1..=9 => format!("{:.1} s", duration.as_secs_f64()),
        10..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..=86_399 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Offset as _;

    use super::*;

    #[test]
    fn parts_escape_what_they_show() {
        let moment = Moment { text: "<b>".to_owned(), exact: "\"><script>".to_owned() };

        assert_eq!(
            moment.to_string(),
            r#"<time datetime="&#34;&#62;&#60;script&#62;" title="&#34;&#62;&#60;script&#62;">&#60;b&#62;</time>"#
        );
    }

    #[test]
    fn a_time_is_short_to_read_and_exact_on_hover() {
        let moment = Moment::of(Timestamp::from_micros(1_712_855_553_741_194), chrono::Utc.fix());

        assert_eq!(moment.exact, "2024-04-11T17:12:33.741194+00:00");
        assert_eq!(moment.into_text(), "2024-04-11 17:12:33");
    }

    #[test]
    fn a_span_has_two_units() {
        for (duration, text) in [
            (Duration::from_micros(340), "0.3 ms"),
            (Duration::from_millis(12), "12 ms"),
            (Duration::from_millis(1_520), "1.5 s"),
            (Duration::from_secs(59), "59 s"),
            (Duration::from_secs(125), "2 min 5 s"),
            (Duration::from_mins(121), "2 h 1 min"),
            (Duration::from_hours(49), "2 d 1 h"),
        ] {
            assert_eq!(span(duration), text);
        }
    }
}
