//! The real program as a process: started on a folder, killed or asked to stop, spoken to over REST.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use webhook_dispatcher::domain::address_policy::AddressPolicy;
use webhook_dispatcher::domain::method::Method;
use webhook_dispatcher::egress::{CallLimits, Caller, EgressSettings, HttpCaller, OutboundRequest};

use super::keys;

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
        let mut command = serve(folder, settings);
        Self::run(command.env("DISPATCHER_ROOT_KEY", ROOT_KEY).env("DISPATCHER_SECRETS_KEY", keys::KEY)).await.1
    }

    /// As [`Self::start`], with these keys for secrets in place of the usual one; what it logs goes to `log`.
    pub(crate) async fn start_with_keys(folder: &Path, settings: &[&str], keys: &str, log: &Path) -> Self {
        let mut command = serve(folder, settings);
        command.env("DISPATCHER_ROOT_KEY", ROOT_KEY).stderr(File::options().create(true).append(true).open(log).unwrap());
        if !keys.is_empty() {
            command.env("DISPATCHER_SECRETS_KEY", keys);
        }
        Self::run(&mut command).await.1
    }

    /// As [`Self::start`], with these variables in its environment; what it logs goes to `log`.
    pub(crate) async fn start_in(folder: &Path, settings: &[&str], environment: &[(&str, &str)], log: &Path) -> Self {
        let mut command = serve(folder, settings);
        command.env("DISPATCHER_ROOT_KEY", ROOT_KEY).env("DISPATCHER_SECRETS_KEY", keys::KEY);
        command.envs(environment.iter().copied()).stderr(File::options().create(true).append(true).open(log).unwrap());
        Self::run(&mut command).await.1
    }

    /// As [`Self::start`], without a root key of its own; answers what it said when it listened.
    pub(crate) async fn start_without_root_key(folder: &Path) -> (String, Self) {
        Self::run(&mut serve(folder, &[])).await
    }

    async fn run(command: &mut Command) -> (String, Self) {
        let mut child = command.spawn().unwrap();
        let mut output = tokio::process::ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let mut said = vec![0; 4096];
        let read = output.read(&mut said).await.unwrap();
        let said = String::from_utf8(said[..read].to_vec()).unwrap();
        let first = said.lines().next().expect("the program says where it listens");
        let address = first.strip_prefix("listening on http://").unwrap().parse().unwrap();
        (said, Self { address, child })
    }

    /// Sends SIGTERM and waits until it has ended.
    pub(crate) fn ask_to_stop(mut self) -> impl Future<Output = ExitStatus> {
        signal("TERM", &self.child);
        async move { tokio::task::spawn_blocking(move || self.child.wait().unwrap()).await.unwrap() }
    }

    /// What the system says of it.
    #[cfg(target_os = "linux")]
    pub(crate) fn status(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap()
    }

    /// Stops it where it stands, as a machine does that has no time for it.
    pub(crate) fn freeze(&self) {
        signal("STOP", &self.child);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        signal("CONT", &self.child);
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

/// Sends a signal, with the shell's own `kill`: not every system has one as a program.
pub(crate) fn signal(name: &str, child: &Child) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().unwrap();
    assert!(sent.success());
}

fn serve(folder: &Path, settings: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-dispatcher"));
    command.arg("serve").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
    for setting in ["server.listen=127.0.0.1:0", "egress.allow=127.0.0.0/8", "log.level=warn"].iter().chain(settings) {
        command.args(["--set", setting]);
    }
    command
}

/// Calls the REST interface.
#[derive(Clone)]
pub(crate) struct RestClient(Arc<HttpCaller>);

impl RestClient {
    pub(crate) fn new() -> Self {
        let policy = AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let settings = EgressSettings { idle_connections_per_host: 64, ..EgressSettings::default() };
        Self(Arc::new(HttpCaller::new(Arc::new(policy), settings).unwrap()))
    }

    /// Makes a client with one webhook that calls `url` for finished documents; answers an admin key.
    pub(crate) async fn register(&self, address: SocketAddr, url: &str) -> String {
        let key = self.admin(address).await;
        let webhook = json!({"name": "Webhook 1", "type": 0, "method": "POST", "url": url});
        let (status, _) = self.post(address, "/api_document/document_webhooks", &[("x-api-key", &key)], &webhook).await.unwrap();
        assert_eq!(status, 200);
        key
    }

    /// Makes a client; answers an admin key.
    pub(crate) async fn admin(&self, address: SocketAddr) -> String {
        let root = ("x-api-key", ROOT_KEY);
        let (_, client) = self.post(address, "/v1/clients", &[root], &json!({"name": "acme"})).await.unwrap();
        let key = json!({"role": "admin", "clientId": client["id"]});
        let (_, key) = self.post(address, "/v1/api-keys", &[root], &key).await.unwrap();
        key["key"].as_str().unwrap().to_owned()
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
        self.call(Method::Post, address, path, all, Some(Bytes::from(body.to_string()))).await
    }

    /// What a path shows to the holder of `key`.
    pub(crate) async fn get(&self, address: SocketAddr, path: &str, key: &str) -> Value {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-api-key"), HeaderValue::try_from(key).unwrap())]);
        let (status, shown) = self.call(Method::Get, address, path, headers, None).await.unwrap();
        assert_eq!(status, 200, "{shown}");
        shown
    }

    /// The status of the answer, and its text.
    pub(crate) async fn get_text(&self, address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let url = format!("http://{address}{path}").parse().unwrap();
        let limits = CallLimits { deadline: Instant::now() + Duration::from_secs(30), body_cap: 1 << 20 };
        let header = |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        let request = OutboundRequest {
            method: Method::Get,
            url,
            headers: headers.iter().map(header).collect(),
            body: None,
            client_certificate: None,
        };
        let answer = self.0.call(request, limits).await.unwrap();
        (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        address: SocketAddr,
        path: &str,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Option<(u16, Value)> {
        let url = format!("http://{address}{path}").parse().unwrap();
        let limits = CallLimits { deadline: Instant::now() + Duration::from_secs(30), body_cap: 1 << 20 };
        let answer = self.0.call(OutboundRequest { method, url, headers, body, client_certificate: None }, limits).await.ok()?;
        Some((answer.status, serde_json::from_slice(&answer.body).ok()?))
    }
}
