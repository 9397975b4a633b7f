//! Turns names into addresses that may be called.
//!
//! The HTTP client dials exactly what comes out of here: there is no second look-up between the check and the dial.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::address_policy::AddressPolicy;

/// Resolves names as the host does and refuses a name of which any address may not be called.
pub(super) struct GuardedResolver {
    policy: Arc<AddressPolicy>,
    port: u16,
}

impl GuardedResolver {
    /// A resolver for calls to `port`: networks may be allowed for one port alone, and a look-up does not tell it.
    pub(super) fn for_port(policy: Arc<AddressPolicy>, port: u16) -> Self {
        Self { policy, port }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, port) = (Arc::clone(&self.policy), self.port);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            for address in &found {
                policy.check(address.ip(), port)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
