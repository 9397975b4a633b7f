//! The sentence in English.

use super::{Explanation, FailureReason, Past, Timestamp, Wait};
use crate::domain::webhook::DisableReason;

pub(super) fn say(explanation: Explanation<'_>, written: &impl Fn(Timestamp) -> String) -> String {
    let at = |time: Option<Timestamp>| time.map(written).unwrap_or_default();
    match explanation {
        Explanation::Waiting(past, wait) => format!("{}; {}", so_far(past), what_next(wait, written)),
        Explanation::UnderWay(number) => format!("Attempt {number} is under way."),
        Explanation::Taken(time, number) => format!("The receiver took it at {}, with attempt {number}.", at(time)),
        Explanation::GivenUp(time, number, reason) => {
            format!("It was given up at {} with attempt {number} because {reason}, which does not pass by itself.", at(time))
        }
        Explanation::Exhausted(time, attempts, last) => {
            let (attempts, because) = (counted(attempts), because(last));
            format!("It was given up at {} because its schedule ended after {attempts}; the last one failed{because}.", at(time))
        }
        Explanation::CalledOff(time, attempts) => {
            let attempts = counted(attempts);
            format!("It was called off at {} after {attempts}, by a person or because its webhook was deleted.", at(time))
        }
    }
}

/// What happened before the wait.
fn so_far(past: Past<'_>) -> String {
    match past {
        Past::NoAttempt => "No attempt was made yet".to_owned(),
        Past::Redelivered(attempts) => format!("It was redelivered after {}", counted(attempts)),
        Past::Failed(number, reason) => format!("Attempt {number} failed{}", because(reason)),
    }
}

fn what_next(wait: Wait<'_>, written: &impl Fn(Timestamp) -> String) -> String {
    match wait {
        Wait::Paused => "it waits because its webhook is paused, until somebody resumes that.".to_owned(),
        Wait::Disabled(reason) => {
            let why = match reason {
                DisableReason::Gone => "the receiver answered 410 (gone)",
                DisableReason::FailingTooLong => "every attempt failed for too long",
            };
            format!("it waits because its webhook is disabled ({why}), until somebody resumes that.")
        }
        Wait::Probe(until) => format!("it waits because its receiver is not there: one delivery probes that at {}.", written(until)),
        Wait::Probing => "it waits because its receiver is not there, until one delivery got through.".to_owned(),
        Wait::HeldBack(until) => {
            format!("it waits until {} because its receiver asked for a pause, or because no login worked.", written(until))
        }
        Wait::Planned(due_at) => format!("the next attempt is planned for {}.", written(due_at)),
        Wait::Due(due_at) => format!("the next attempt is due since {} and starts as soon as there is room.", written(due_at)),
    }
}

fn because(reason: Option<&FailureReason>) -> String {
    reason.map(|reason| format!(" because {reason}")).unwrap_or_default()
}

fn counted(attempts: u32) -> String {
    match attempts {
        1 => "1 attempt".to_owned(),
        more => format!("{more} attempts"),
    }
}
