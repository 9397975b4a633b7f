//! Bounds how many wrong keys one address may try, so that nobody guesses in earnest.
//!
//! A key is long and random; this is for those that people chose themselves. What is remembered is bounded: when too many
//! addresses try, the memory starts anew, which costs a guesser more than it gives.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;

/// So many wrong keys in so long.
const MOST: u32 = 10;
const WINDOW: Duration = Duration::from_mins(1);

const MOST_ADDRESSES: usize = 10_000;

/// Wrong keys by the address that they came from.
#[derive(Default)]
pub(super) struct Guesses(Mutex<HashMap<Option<IpAddr>, (Timestamp, u32)>>);

impl Guesses {
    /// Whether an address may try a key at `now`.
    pub(super) fn may_try(&self, address: Option<IpAddr>, now: Timestamp) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&address).is_none_or(|(since, count)| *count < MOST || now.since(*since) >= WINDOW)
    }

    /// Notes that an address tried a wrong key at `now`.
    pub(super) fn note(&self, address: Option<IpAddr>, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_ADDRESSES {
            known.clear();
        }
        let entry = known.entry(address).or_insert((now, 0));
        *entry = if now.since(entry.0) >= WINDOW { (now, 1) } else { (entry.0, entry.1 + 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_guesses_has_to_wait_and_others_do_not() {
        let guesses = Guesses::default();
        let (stranger, other) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);

        for second in 0..10 {
            assert!(guesses.may_try(stranger, at(second)));
            guesses.note(stranger, at(second));
        }

        assert!(!guesses.may_try(stranger, at(10)));
        assert!(!guesses.may_try(stranger, at(59)));
        assert!(guesses.may_try(other, at(10)));
        assert!(guesses.may_try(stranger, at(60)));
        guesses.note(stranger, at(60));
        assert!(guesses.may_try(stranger, at(61)));
    }

    #[test]
    fn the_memory_is_bounded() {
        let guesses = Guesses::default();
        for address in 0..25_000_u32 {
            guesses.note(Some(IpAddr::from(address.to_be_bytes())), Timestamp::from_micros(0));
        }

        assert!(guesses.0.lock().unwrap().len() <= MOST_ADDRESSES);
    }
}
