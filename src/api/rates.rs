//! How often each of many callers may do something.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::future::Cache;

use crate::domain::allowance::{Allowance, Used};
use crate::domain::time::Timestamp;

/// So many callers are remembered; of more, those that were seen least.
const MOST: u64 = 10_000;

/// An allowance for each `K`.
pub(super) struct Rates<K> {
    /// `None`: everything is allowed.
    allowance: Option<Allowance>,
    used: Cache<K, Arc<Mutex<Used>>>,
}

impl<K: Eq + Hash + Send + Sync + 'static> Rates<K> {
    pub(super) fn new(allowance: Option<Allowance>) -> Self {
        // Whoever was not seen for so long has used up nothing.
        let forgotten_after = allowance.as_ref().map_or(Duration::ZERO, Allowance::recovery).max(Duration::from_mins(1));
        Self { allowance, used: Cache::builder().max_capacity(MOST).time_to_idle(forgotten_after).build() }
    }

    /// Lets `who` do it once more at `now`.
    ///
    /// # Errors
    ///
    /// How long it takes until that is allowed.
    pub(super) async fn take(&self, who: K, now: Timestamp) -> Result<(), Duration> {
        let Some(allowance) = self.allowance else { return Ok(()) };
        let used = self.used.get_with(who, async { Arc::new(Mutex::new(Used::NOTHING)) }).await;
        let mut used = used.lock().unwrap_or_else(PoisonError::into_inner);
        allowance.take(&mut used, now)
    }
}

/// What one person of the network has for sure: an IPv4 address, or the 64 bits of an IPv6 network, in which anybody has as
/// many addresses as wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Neighbourhood(IpAddr);

impl From<IpAddr> for Neighbourhood {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
            address @ IpAddr::V4(_) => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_are_one_neighbourhood() {
        let of = |text: &str| Neighbourhood::from(text.parse::<IpAddr>().unwrap());

        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[tokio::test]
    async fn each_has_an_allowance_of_its_own() {
        let rates = Rates::new(Allowance::per_second(1, 2));
        let now = Timestamp::from_micros(1_712_855_553_741_194);

        assert_eq!([rates.take("a", now).await, rates.take("a", now).await], [Ok(()); 2]);
        assert_eq!(rates.take("a", now).await, Err(Duration::from_secs(1)));
        assert_eq!(rates.take("b", now).await, Ok(()));
        assert_eq!(rates.take("a", now + Duration::from_secs(1)).await, Ok(()));
    }

    #[tokio::test]
    async fn without_an_allowance_everything_is_allowed() {
        let rates = Rates::new(Allowance::per_second(0, 1));

        for _ in 0..100 {
            assert_eq!(rates.take("a", Timestamp::from_micros(0)).await, Ok(()));
        }
    }
}
