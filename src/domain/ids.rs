//! The names of things: one UUID v7 type per kind, so that ids cannot be swapped, and the source that makes them.
//!
//! Ids made by one [`IdSource`] rise strictly, so "oldest first" and keyset pages need no second column.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::time::Timestamp;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id as the plain UUID that stores keep.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

ids! {
    /// Names a client, the tenant that owns webhooks and API keys.
    ClientId,
    /// Names an API key (not the key itself).
    ApiKeyId,
    /// Names a webhook definition.
    WebhookId,
    /// Names an event; receivers see it as `webhook-id`, the same on every attempt and redelivery.
    EventId,
    /// Names a delivery: one event bound for one webhook.
    DeliveryId,
    /// Names a running process.
    NodeId,
    /// Names a key that signs requests (not the key itself).
    SigningKeyId,
    /// Names what a client has settled for a catalogue.
    ClientCatalogId,
    /// Names an audit entry.
    AuditEntryId,
    /// Names a redelivery of many.
    RedeliveryJobId,
    /// Fences a claim: no two claims of one delivery ever carry the same token.
    ClaimToken,
}

/// Makes ids from the time and a seeded source of chance.
///
/// Layout (RFC 9562, version 7, method 3): 48 bits of milliseconds, 12 bits of the millisecond's fraction, 62 bits of
/// chance. Where the clock stands still or runs backwards the 60 time bits count on from the last id.
pub struct IdSource {
    state: Mutex<IdState>,
}

struct IdState {
    last: u64,
    chance: StdRng,
}

impl IdSource {
    /// A source whose random bits come from `seed`.
    #[must_use]
    pub fn seeded(seed: [u8; 32]) -> Self {
        let chance = StdRng::from_seed(seed);
        Self { state: Mutex::new(IdState { last: 0, chance }) }
    }

    /// The next id of any kind.
    pub fn next<Id: From<Uuid>>(&self, now: Timestamp) -> Id {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = ticks(now).max(state.last + 1);
        let (ticks, chance) = (state.last, state.chance.next_u64());
        drop(state);
        Id::from(version_7(ticks, chance))
    }
}

/// Time in units of 1/4096 of a millisecond.
fn ticks(now: Timestamp) -> u64 {
    let micros = now.as_micros().max(0).cast_unsigned();
    ((micros / 1_000) << 12) | ((micros % 1_000) * 4096 / 1_000)
}

fn version_7(ticks: u64, chance: u64) -> Uuid {
    const VERSION: u64 = 0x7 << 12;
    const VARIANT: u64 = 0b10 << 62;
    let high = ((ticks >> 12) << 16) | VERSION | (ticks & 0xFFF);
    let low = VARIANT | (chance >> 2);
    Uuid::from_u64_pair(high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_hold_their_time() {
        let ids = IdSource::seeded([7; 32]);

        let id: EventId = ids.next(Timestamp::from_micros(1_712_855_553_741_194));

        assert_eq!(id.as_uuid().get_version_num(), 7);
        assert_eq!(id.as_uuid().as_u64_pair().0 >> 16, 1_712_855_553_741);
    }

    #[test]
    fn ids_rise_strictly_even_when_the_clock_runs_backwards() {
        let ids = IdSource::seeded([7; 32]);
        let times = [5_000_000, 5_000_000, 4_000_000, 4_000_001, 5_000_001, 9_000_000];

        let made: Vec<EventId> = times.iter().map(|&micros| ids.next(Timestamp::from_micros(micros))).collect();

        assert!(made.is_sorted_by(|a, b| a < b), "{made:?}");
    }
}
