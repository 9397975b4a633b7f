//! Traces: who makes spans, what sends them, and when that stops.

use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::egress_settings;
use crate::config::Config;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::allowed_network::AllowedNetwork;
use crate::domain::ids::NodeId;
use crate::domain::trace::SampledShare;
use crate::egress::{EgressSettings, HttpCaller, UnusableClient};
use crate::telemetry::traces::{Collector, SpanExport, TraceSettings, Tracer};

/// How long a stop waits for spans to be sent, at most.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// What sends spans, if there is a collector.
pub(super) struct Traces {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Traces {
    /// Begins to send to the collector that `config` names; without one the tracer is off.
    pub(super) fn start(config: &Config, node: NodeId, seed: [u8; 32]) -> Result<(Tracer, Self), UnusableClient> {
        let stop = CancellationToken::new();
        let Some(collector) = collector(config, node)? else {
            return Ok((Tracer::default(), Self { stop, task: None }));
        };
        let (queue, export) = SpanExport::new(collector);
        let settings =
            TraceSettings { sampled: SampledShare::new(config.traces.sampled_share), sends_traceparent: config.traces.send_traceparent };
        let task = tokio::spawn(export.run(stop.clone()));
        Ok((Tracer::new(settings, StdRng::from_seed(seed), queue), Self { stop, task: Some(task) }))
    }

    /// Sends what still waits, for no longer than `limit`.
    pub(super) async fn stop(self, limit: Duration) {
        self.stop.cancel();
        let Some(mut task) = self.task else { return };
        if timeout(limit.min(LAST_SPANS), &mut task).await.is_err() {
            warn!("the last spans were not sent in time");
            task.abort();
        }
    }
}

fn collector(config: &Config, node: NodeId) -> Result<Option<Collector>, UnusableClient> {
    let Some(url) = config.traces.url() else { return Ok(None) };
    let resource = vec![
        ("service.name", config.traces.service_name.clone()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", node.to_string()),
    ];
    // The operator names this address; customers have no say in it, and the proxy is for what they name.
    let settings = EgressSettings { allow_http: true, proxy: None, ..egress_settings(config) };
    let caller = HttpCaller::new(Arc::new(AddressPolicy::new(everywhere())), settings)?;
    Ok(Some(Collector { caller: Arc::new(caller), url, headers: config.traces.headers(), resource }))
}

fn everywhere() -> Vec<AllowedNetwork> {
    let networks = [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
    networks.map(|network| AllowedNetwork { network, port: None }).to_vec()
}
