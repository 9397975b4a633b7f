//! Why a call has no result: no answer, a refusal, or an answer that nobody understands.

use std::fmt;

use http::StatusCode;
use serde::Deserialize;

use crate::egress::{Answer, SendError};

/// How much is told of a refusal that is not written as the contract says, as those of a proxy are.
const MOST_CHARS: usize = 200;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestError {
    /// No answer came.
    #[error("no answer from {server}")]
    NoAnswer {
        /// Who was asked.
        server: String,
        /// Why none came.
        #[source]
        source: SendError,
    },
    /// The answer is a refusal.
    #[error("{what}: {problem}")]
    Refused {
        /// What was called.
        what: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The answer is longer than is read, or broke off.
    #[error("the answer to {what} did not come whole")]
    Incomplete {
        /// What was called.
        what: String,
    },
    /// The answer is none of this dispatcher's.
    #[error("the answer to {what} is not what the contract says")]
    NotUnderstood {
        /// What was called.
        what: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl RestError {
    /// What the dispatcher said against it, if it said anything.
    pub(crate) const fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => Some(problem),
            Self::NoAnswer { .. } | Self::Incomplete { .. } | Self::NotUnderstood { .. } => None,
        }
    }
}

/// What a refusal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The status of the answer.
    pub(crate) status: u16,
    /// What is wrong, for people.
    pub(crate) detail: String,
    /// Every field that breaks a rule.
    pub(crate) errors: Vec<FieldProblem>,
}

/// A field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct FieldProblem {
    /// Which.
    pub(crate) field: String,
    /// What is wrong with it, to be read after its name.
    pub(crate) message: String,
}

/// A problem as RFC 9457 has it.
#[derive(Deserialize)]
struct Written {
    detail: String,
    #[serde(default)]
    errors: Vec<FieldProblem>,
}

impl Problem {
    /// What `answer`, which is a refusal, says.
    pub(super) fn of(answer: &Answer) -> Self {
        let status = answer.status;
        match serde_json::from_slice::<Written>(&answer.body) {
            Ok(Written { detail, errors }) => Self { status, detail, errors },
            Err(_) => Self { status, detail: first_words(answer), errors: Vec::new() },
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.status)?;
        for (index, FieldProblem { field, message }) in self.errors.iter().enumerate() {
            write!(f, "{} {field} {message}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

/// What somebody else than the dispatcher answered.
fn first_words(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let line: String = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().chars().take(MOST_CHARS).collect();
    if line.is_empty() {
        let reason = StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
        return reason.unwrap_or("no words").to_lowercase();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn told(status: u16, body: &str) -> String {
        let (connect_took, head_after, body_took) = (None, Duration::ZERO, Duration::ZERO);
        let body = Bytes::copy_from_slice(body.as_bytes());
        let (headers, remote_address, body_complete) = (HeaderMap::new(), None, true);
        let answer = Answer { status, headers, remote_address, body, body_complete, connect_took, head_after, body_took };
        Problem::of(&answer).to_string()
    }

    #[test]
    fn a_refusal_is_told_in_one_sentence_with_every_field() {
        let two = r#"{"type": "about:blank", "detail": "some fields break a rule",
            "errors": [{"field": "url", "message": "is required"}, {"field": "name", "message": "must be text"}]}"#;

        assert_eq!(told(404, r#"{"detail": "there is no such thing"}"#), "there is no such thing (404)");
        assert_eq!(told(422, two), "some fields break a rule (422): url is required; name must be text");
    }

    #[test]
    fn whatever_else_answers_is_told_by_its_first_line() {
        assert_eq!(told(502, "\n <html>\n<body>"), "<html> (502)");
        assert_eq!(told(502, &"x".repeat(10_000)), format!("{} (502)", "x".repeat(200)));
        assert_eq!(told(502, ""), "bad gateway (502)");
    }
}
