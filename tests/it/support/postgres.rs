//! A PostgreSQL database that lives as long as its test.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use url::Url;

/// Names the server: a url with a user who may create databases.
const SERVER: &str = "DISPATCHER_TEST_POSTGRES_URL";

static MADE: AtomicU32 = AtomicU32::new(0);

/// An empty database.
pub(crate) struct FreshDatabase {
    server: Url,
    name: String,
}

impl FreshDatabase {
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests themselves, not of the program")]
    pub(crate) fn create() -> Self {
        let server = std::env::var(SERVER).unwrap_or_else(|_| panic!("{SERVER} must name a server: tests/run starts one"));
        let server = Url::parse(&server).unwrap();
        let name = format!("dispatcher_test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::SeqCst));
        let made = Self { server, name };
        made.on_server(&format!("create database {}", made.name));
        made
    }

    pub(crate) fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// Where the server listens.
    pub(crate) fn server_address(&self) -> SocketAddr {
        self.server.socket_addrs(|| Some(5432)).unwrap()[0]
    }

    /// As [`Self::url`], but through `proxy`, in plain text.
    pub(crate) fn url_by_way_of(&self, proxy: SocketAddr) -> String {
        let mut url = Url::parse(&self.url()).unwrap();
        url.set_ip_host(proxy.ip()).unwrap();
        url.set_port(Some(proxy.port())).unwrap();
        url.set_query(Some("sslmode=disable"));
        url.into()
    }

    /// Runs SQL in this database; answers what `psql` prints, without headings, or what it says when that fails.
    pub(crate) fn sql(&self, text: &str) -> Result<String, String> {
        psql(&self.url(), text)
    }

    fn on_server(&self, text: &str) {
        psql(self.server.as_str(), text).unwrap();
    }
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        self.on_server(&format!("drop database {} with (force)", self.name));
    }
}

fn psql(url: &str, text: &str) -> Result<String, String> {
    let output = Command::new("psql").args([url, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text]).output().unwrap();
    let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(said(output.stdout)) } else { Err(said(output.stderr)) }
}
