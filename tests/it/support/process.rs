//! The real program as a process: started on a folder, killed or asked to stop, spoken to over REST.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::Instant;
use webhook_dispatcher::domain::address_policy::AddressPolicy;
use webhook_dispatcher::domain::method::Method;
use webhook_dispatcher::egress::{CallLimits, Caller, EgressSettings, HttpCaller, OutboundRequest};

/// The root key of every process that tests start.
pub(crate) const ROOT_KEY: &str = "the-root-key-of-the-tests-0123456789";

/// A running `serve`; killed when dropped.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Process {
    /// Starts the program on `folder` with these settings (`section.key=value`), and waits until it listens.
    pub(crate) async fn start(folder: &Path, settings: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-dispatcher"));
        command.arg("serve").current_dir(folder).env("DISPATCHER_ROOT_KEY", ROOT_KEY).stdin(Stdio::null());
        for setting in ["server.listen=127.0.0.1:0", "egress.allow=127.0.0.0/8", "log.level=warn"].iter().chain(settings) {
            command.args(["--set", setting]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = tokio::process::ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let mut lines = BufReader::new(output).lines();
        let first = lines.next_line().await.unwrap().expect("the program says where it listens");
        let address = first.strip_prefix("listening on http://").unwrap().parse().unwrap();
        Self { address, child }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Calls the REST interface.
#[derive(Clone)]
pub(crate) struct RestClient(Arc<HttpCaller>);

impl RestClient {
    pub(crate) fn new() -> Self {
        let policy = AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let settings = EgressSettings {
            connect_timeout: Duration::from_secs(5),
            idle_connections_per_host: 64,
            user_agent: "tests".to_owned(),
            allow_http: true,
        };
        Self(Arc::new(HttpCaller::new(Arc::new(policy), &settings).unwrap()))
    }

    /// The status and the JSON of the answer, or `None` when none came.
    pub(crate) async fn post(
        &self,
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> Option<(u16, Value)> {
        let mut all = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        all.extend(headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap())));
        let request = OutboundRequest {
            method: Method::Post,
            url: format!("http://{address}{path}").parse().unwrap(),
            headers: all,
            body: Some(Bytes::from(body.to_string())),
        };
        let limits = CallLimits { deadline: Instant::now() + Duration::from_secs(30), body_cap: 1 << 20 };
        let answer = self.0.call(request, limits).await.ok()?;
        Some((answer.status, serde_json::from_slice(&answer.body).ok()?))
    }
}
