//! Chromium in the hands of a test, by W3C `WebDriver`: a driver of its own, a profile that was never used, and no way to
//! anything but this machine.
//!
//! Driver and browser are one group of processes, which ends with the value, also when a test panics.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};
use webhook_dispatcher::domain::method::Method;

use crate::support::process::RestClient;

/// A browser takes much of a small machine: no more run at once.
static PLACES: Semaphore = Semaphore::const_new(2);

/// Under which name `WebDriver` hands over an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

const ARGUMENTS: [&str; 13] = [
    "--headless=new",
    // The sandbox refuses to run as root; all that is shown comes from the test itself.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--lang=en-US",
    "--window-size=1280,900",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A browser with one window.
pub(crate) struct Chromium {
    driver: Driver,
    http: RestClient,
    session: String,
    // Goes after the processes that write into it.
    _folder: TempDir,
    _place: SemaphorePermit<'static>,
}

/// An element of a page, until the page exchanges it.
pub(crate) struct Element(String);

/// What the browser wrote into its console.
#[derive(Debug)]
pub(crate) struct ConsoleEntry {
    pub(crate) level: String,
    pub(crate) source: String,
    pub(crate) message: String,
}

impl Chromium {
    /// A browser whose user reads `languages`, as `Accept-Language` names them.
    pub(crate) async fn start(languages: &str) -> Self {
        let place = PLACES.acquire().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let driver = Driver::start(folder.path());
        let profile = folder.path().join("profile");
        let own = [format!("--accept-lang={languages}"), format!("--user-data-dir={}", profile.display())];
        let arguments: Vec<String> = ARGUMENTS.map(str::to_owned).into_iter().chain(own).collect();
        let wanted = json!({
            "browserName": "chrome",
            // A dialog stays, and whatever is done next fails.
            "unhandledPromptBehavior": "ignore",
            "timeouts": {"pageLoad": 20_000, "script": 20_000},
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": arguments},
        });
        let mut browser = Self { driver, http: RestClient::new(), session: String::new(), _folder: folder, _place: place };
        let begun = browser.send(Method::Post, "/session", json!({"capabilities": {"alwaysMatch": wanted}})).await.unwrap();
        browser.session = format!("/session/{}", begun["sessionId"].as_str().unwrap());
        browser
    }

    /// Sends a command about the session; what `WebDriver` refuses, it says why.
    pub(crate) async fn command(&self, path: &str, body: Value) -> Result<Value, String> {
        self.send(Method::Post, &format!("{}{path}", self.session), body).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value, String> {
        let body = Bytes::from(body.to_string());
        let (status, mut answer) = self.http.call(method, self.driver.address, path, HeaderMap::new(), Some(body)).await.unwrap();
        let value = answer["value"].take();
        if status == 200 { Ok(value) } else { Err(format!("{}: {}", value["error"], value["message"])) }
    }

    /// Opens an address and waits until the page is there.
    pub(crate) async fn open(&self, url: &str) {
        self.command("/url", json!({"url": url})).await.unwrap();
    }

    /// What a function's body returns in the page.
    pub(crate) async fn script(&self, body: &str, arguments: &[Value]) -> Result<Value, String> {
        self.command("/execute/sync", json!({"script": body, "args": arguments})).await
    }

    /// The element that a function's body returns, if it returns one.
    pub(crate) async fn find(&self, body: &str, arguments: &[Value]) -> Result<Element, String> {
        let found = self.script(body, arguments).await?;
        found[ELEMENT].as_str().map(|id| Element(id.to_owned())).ok_or_else(|| "there is no such element".to_owned())
    }

    /// Clicks where a person would.
    pub(crate) async fn click(&self, element: &Element) -> Result<(), String> {
        self.command(&format!("/element/{}/click", element.0), json!({})).await.map(drop)
    }

    /// Replaces what stands in a field by what is typed.
    pub(crate) async fn fill(&self, element: &Element, text: &str) -> Result<(), String> {
        self.command(&format!("/element/{}/clear", element.0), json!({})).await?;
        self.command(&format!("/element/{}/value", element.0), json!({"text": text})).await.map(drop)
    }

    /// Presses and releases keys, one after the other.
    pub(crate) async fn keys(&self, keys: impl Iterator<Item = char>) {
        let strokes = keys.flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})));
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>()});
        self.command("/actions", json!({"actions": [keyboard]})).await.unwrap();
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command("/goog/cdp/execute", json!({"cmd": command, "params": parameters})).await.unwrap()
    }

    /// What came into the console since it was read last.
    pub(crate) async fn console(&self) -> Vec<ConsoleEntry> {
        let entries = self.command("/se/log", json!({"type": "browser"})).await.unwrap();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let entry =
            |entry: &Value| ConsoleEntry { level: text(entry, "level"), source: text(entry, "source"), message: text(entry, "message") };
        entries.as_array().unwrap().iter().map(entry).collect()
    }
}

/// The driver's process and all that it started.
struct Driver {
    leader: Child,
    address: SocketAddr,
    // Kept open: whoever writes where nobody reads is ended.
    _said: BufReader<ChildStdout>,
}

impl Driver {
    /// Starts a driver on a port that it chooses; it and its browsers keep to `folder`.
    fn start(folder: &Path) -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.env("HOME", folder).env("TMPDIR", folder).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut leader = command.spawn().expect("chromedriver is installed");
        let mut said = BufReader::new(leader.stdout.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "the driver ended before it listened");
            if let Some((_, port)) = line.trim_end_matches(".\n").split_once("started successfully on port ") {
                break port.parse().unwrap();
            }
        };
        Self { leader, address: SocketAddr::from(([127, 0, 0, 1], port)), _said: said }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The shell's own `kill`: not every system has one as a program. The group may have ended already.
        drop(Command::new("sh").args(["-c", &format!("kill -s KILL -- -{}", self.leader.id())]).stderr(Stdio::null()).status());
        drop(self.leader.wait());
    }
}
