//! Which deliveries and dead letters a command is about.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::domain::delivery::DeadLetterReason;
use crate::domain::event::EventType;
use crate::domain::ids::WebhookId;
use crate::domain::time::Timestamp;

/// What deliveries of every state have.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Filter")]
pub(super) struct FilterArgs {
    /// For this webhook alone.
    #[arg(long, value_name = "ID")]
    pub(super) webhook: Option<WebhookId>,
    /// Of events of this type alone.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<EventType>,
    /// About this subject (document id) alone.
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Made at this time or later (RFC 3339 with an offset, as 2024-04-11T14:12:33Z).
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<String>,
    /// Made before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<String>,
}

/// Pairs of a name and a value, as a query or a JSON object has them.
pub(super) struct Pairs(Vec<(&'static str, String)>);

impl FilterArgs {
    /// The filter in the words of the REST interface.
    pub(super) fn pairs(&self) -> Pairs {
        Pairs(Vec::new())
            .and("webhookId", self.webhook)
            .and("type", self.event_type.as_ref())
            .and("subject", self.subject.as_ref())
            .and("from", self.from.as_ref())
            .and("to", self.to.as_ref())
    }
}

impl Pairs {
    /// No pairs.
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    /// With one more, if there is a value.
    pub(super) fn and(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// The path with these as its query.
    pub(super) fn after(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        format!("{path}?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish())
    }

    /// These as the fields of an object.
    pub(super) fn object(self) -> Map<String, Value> {
        self.0.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }
}

/// A time, as it was written.
pub(super) fn time(text: &str) -> Result<String, &'static str> {
    let known = Timestamp::parse_rfc3339(text).map(|_| text.to_owned());
    known.ok_or("must be an RFC 3339 time with an offset, as 2024-04-11T14:12:33Z")
}

/// The reasons that dead letters show.
pub(super) fn reasons() -> PossibleValuesParser {
    PossibleValuesParser::new(DeadLetterReason::words())
}
