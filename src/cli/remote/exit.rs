//! How a command ends: the numbers that scripts go by.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use crate::rest::RestError;

/// What `--help` says of them.
pub(in super::super) const EXIT_CODES: &str = "Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  not found
  4  not allowed: no or an unknown key, or one of another role
  5  invalid input: what was sent breaks a rule, or a file cannot be understood
  6  the dispatcher cannot be reached, or is not ready
  7  partly done: some of it was done or goes on, some was not
  8  not possible as things stand, as a redelivery of what is in flight";

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const NOT_ALLOWED: u8 = 4;
const INVALID: u8 = 5;
const UNREACHABLE: u8 = 6;
const PARTLY_DONE: u8 = 7;
const CONFLICT: u8 = 8;

/// An end that no answer of the dispatcher explains.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Ended {
    code: u8,
    message: String,
}

impl Ended {
    /// The command was called in a way that makes no sense.
    pub(super) fn usage(message: impl Display) -> Self {
        Self { code: USAGE, message: message.to_string() }
    }

    /// A file or a value breaks a rule.
    pub(super) fn invalid(message: impl Display) -> Self {
        Self { code: INVALID, message: message.to_string() }
    }

    /// Not everything was done.
    pub(super) fn partly(message: impl Display) -> Self {
        Self { code: PARTLY_DONE, message: message.to_string() }
    }

    /// Nothing was done, for the reason that `error` gives, and perhaps for others.
    pub(super) fn like(error: &RestError, message: impl Display) -> Self {
        Self { code: of_rest(error), message: message.to_string() }
    }
}

/// With which number the program ends because of `error`.
pub(in super::super) fn code_of(error: &anyhow::Error) -> ExitCode {
    let of_end = error.downcast_ref::<Ended>().map(|ended| ended.code);
    let code = of_end.or_else(|| error.downcast_ref::<RestError>().map(of_rest));
    ExitCode::from(code.unwrap_or(FAILED))
}

fn of_rest(error: &RestError) -> u8 {
    match error {
        RestError::NoAnswer { .. } => UNREACHABLE,
        RestError::Incomplete { .. } | RestError::NotUnderstood { .. } => FAILED,
        RestError::Refused { problem, .. } => match problem.status {
            401 | 403 => NOT_ALLOWED,
            404 => NOT_FOUND,
            409 => CONFLICT,
            400 | 413 | 415 | 422 => INVALID,
            429 | 502..=504 => UNREACHABLE,
            _ => FAILED,
        },
    }
}

/// Whether nobody reads any more what is written.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::Problem;

    #[test]
    fn every_refusal_ends_with_the_number_that_the_help_says() {
        let ends = [
            (400, 5),
            (401, 4),
            (403, 4),
            (404, 3),
            (409, 8),
            (413, 5),
            (415, 5),
            (422, 5),
            (429, 6),
            (500, 1),
            (502, 6),
            (503, 6),
            (504, 6),
            (302, 1),
        ];

        for (status, code) in ends {
            let problem = Problem { status, detail: String::new(), errors: Vec::new() };
            assert_eq!(of_rest(&RestError::Refused { what: String::new(), problem }), code, "{status}");
        }
        let broken_off = RestError::Incomplete { what: String::new() };
        assert_eq!(of_rest(&broken_off), 1);
    }
}
