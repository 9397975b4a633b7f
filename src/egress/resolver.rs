//! Turns names into addresses that may be called.
//!
//! The HTTP client dials exactly what comes out of here: there is no second look-up between the check and the dial.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::names::Names;
use crate::domain::address_policy::{AddressPolicy, RefusedAddress};

/// Refuses a name of which any address may not be called.
pub(super) struct GuardedResolver {
    policy: Arc<AddressPolicy>,
    names: Arc<dyn Names>,
    port: u16,
}

impl GuardedResolver {
    /// A resolver for calls to `port`: networks may be allowed for one port alone, and a look-up does not tell it.
    pub(super) fn for_port(policy: Arc<AddressPolicy>, names: Arc<dyn Names>, port: u16) -> Self {
        Self { policy, names, port }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, names, port) = (Arc::clone(&self.policy), Arc::clone(&self.names), self.port);
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await?;
            for address in &found {
                policy.check(*address, port).map_err(|refused| told(refused, name.as_str()))?;
            }
            Ok(Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

/// Tells operators what was refused, and why; whoever wrote the url gets the same words whatever it is.
pub(super) fn told(refused: RefusedAddress, host: &str) -> RefusedAddress {
    tracing::warn!(host, address = %refused.address, rule = refused.rule, "an address that may not be called was not called");
    refused
}
