//! The two programs that the demonstration is played with, in this process: the dispatcher and the receiver.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use url::Url;

use super::kind::RETRY_DELAYS_SECONDS;
use super::ledger::Ledger;
use super::ports::free_address;
use super::receiver::Receiver;
use super::setup::{self, DOCUMENTED_PORT, Keys};
use crate::app::App;
use crate::config::{Config, Sources};
use crate::rest::RestClient;
use crate::telemetry;

/// Where the dispatcher listens when nobody else does.
const DISPATCHER_PORT: u16 = 8080;

/// Both programs, with the example webhook registered.
pub(super) struct Stage {
    app: App,
    receiver: Receiver,
    root: RestClient,
    /// What the receiver sees.
    pub(super) ledger: Arc<Ledger>,
    /// The keys of the demonstration's client.
    pub(super) keys: Keys,
    /// The webhook, as the dispatcher answered when it was registered.
    pub(super) webhook: Value,
}

impl Stage {
    /// Starts both and registers the webhook. `settings` are pairs of the form `section.key=value` that win over what
    /// the demonstration sets.
    ///
    /// # Errors
    /// When one of them does not start, or the dispatcher refuses the example.
    pub(super) async fn set(store: &Path, ledger: Arc<Ledger>, settings: &[String]) -> anyhow::Result<Self> {
        let address = free_address(DISPATCHER_PORT).await.context("no port is free for the dispatcher")?;
        let config = config(address, store, settings)?;
        telemetry::init_logs(&config.log.level, config.log.format)?;
        let receiver = Receiver::start(DOCUMENTED_PORT, Arc::clone(&ledger)).await?;
        let app = App::start(&config).await?;
        let root_key = app.new_root_key.as_ref().context("the store is not new: it has a root key already")?;
        let root = client(app.address)?.with_key(root_key)?;
        let keys = setup::make_keys(&root).await?;
        let webhook = setup::register_example(&root.with_key(&keys.admin)?, receiver.port).await?;
        Ok(Self { app, receiver, root, ledger, keys, webhook })
    }

    /// A client of the dispatcher with the producer's key.
    pub(super) fn as_producer(&self) -> anyhow::Result<RestClient> {
        Ok(self.root.with_key(&self.keys.producer)?)
    }

    /// A client of the dispatcher with the operator's key.
    pub(super) fn as_operator(&self) -> anyhow::Result<RestClient> {
        Ok(self.root.with_key(&self.keys.operator)?)
    }

    /// Where the dispatcher listens.
    pub(super) const fn dispatcher(&self) -> SocketAddr {
        self.app.address
    }

    /// The receiver's port.
    pub(super) const fn receiver_port(&self) -> u16 {
        self.receiver.port
    }

    /// Stops the dispatcher, then the receiver, so that what is in flight still gets its answer.
    pub(super) async fn strike(self) {
        drop(self.root);
        self.app.stop().await;
        self.receiver.stop().await;
    }
}

/// A client of the dispatcher at `address`, without a key.
pub(super) fn client(address: SocketAddr) -> anyhow::Result<RestClient> {
    Ok(RestClient::new(Url::parse(&format!("http://{address}"))?, None)?)
}

/// The defaults, with retries that a person can wait for and leave to call this machine.
pub(super) fn config(listen: SocketAddr, store: &Path, settings: &[String]) -> anyhow::Result<Config> {
    let delays: Vec<String> = RETRY_DELAYS_SECONDS.iter().map(u64::to_string).collect();
    let own = [
        format!("server.listen={listen}"),
        "server.drain_seconds=5".to_owned(),
        // That of the documentation's example.
        "server.time_offset=-03:00".to_owned(),
        format!("store.url=sqlite://{}", store.display()),
        "egress.allow=127.0.0.0/8,::1/128".to_owned(),
        format!("retry.delays_seconds={}", delays.join(",")),
        "retry.jitter=0".to_owned(),
        "log.level=warn".to_owned(),
    ];
    Ok(Config::load(&Sources::new().with_overrides(own).with_overrides(settings.iter().cloned()))?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_configuration_is_the_demonstrations_own_unless_a_setting_wins() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8080));

        let config = config(listen, Path::new("/tmp/x/dispatcher.db"), &["log.level=info".to_owned()]).unwrap();

        assert_eq!(config.server.listen, listen);
        assert_eq!(config.store.url.to_string(), "sqlite:///tmp/x/dispatcher.db");
        assert_eq!(config.retry.delays(), [1, 1, 2].map(Duration::from_secs));
        assert_eq!(config.egress.allow.len(), 2);
        assert_eq!(config.log.level, "info");
    }
}
