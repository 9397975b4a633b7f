//! A PostgreSQL database that lives as long as its test.

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

    fn on_server(&self, text: &str) {
        psql(self.server.as_str(), text);
    }
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        self.on_server(&format!("drop database {} with (force)", self.name));
    }
}

fn psql(url: &str, text: &str) {
    let output = Command::new("psql").args([url, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text]).output().unwrap();
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
}
