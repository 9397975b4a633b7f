//! `[store]`: where the data is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::as_text;
use super::check::Check;

/// Where the data is, and how many connections read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// Where the data is.
    #[serde(with = "as_text")]
    pub url: StoreUrl,
    /// Connections that read, of `SQLite`.
    pub readers: u32,
    /// Connections that read and write, of `PostgreSQL`.
    pub connections: u32,
    /// Whether `PostgreSQL` is reached through a connection pooler in transaction mode.
    pub through_pooler: bool,
}

/// Where the data is: which kind of store, and which one of that kind.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// `sqlite://PATH`: an `SQLite` file, which is made when it does not exist.
    Sqlite(PathBuf),
    /// `postgres://…`: a `PostgreSQL` database, which must exist.
    Postgres(SecretString),
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: StoreUrl::Sqlite("data/dispatcher.db".into()), readers: 4, connections: 16, through_pooler: false }
    }
}

impl StoreConfig {
    pub(super) fn validate(check: &mut Check<'_>) {
        check
            .text("url", "sqlite:// and the path of a file, or postgres:// and host and database", |text| text.parse::<StoreUrl>().is_ok());
        check.integer("readers", 1..=64);
        check.integer("connections", 4..=1_000);
    }
}

/// The text names no store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no store's url")]
pub struct NotAStoreUrl;

impl FromStr for StoreUrl {
    type Err = NotAStoreUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("://") {
            Some(("sqlite", path)) => sqlite(path),
            Some(("postgres" | "postgresql", _)) => postgres(text),
            _ => Err(NotAStoreUrl),
        }
    }
}

/// A path ends where the text ends: there are no parameters. A store in memory is refused, because it keeps nothing.
fn sqlite(path: &str) -> Result<StoreUrl, NotAStoreUrl> {
    let names_no_file = path.is_empty() || path == ":memory:" || path.ends_with('/') || path.contains(['?', '\0']);
    if names_no_file { Err(NotAStoreUrl) } else { Ok(StoreUrl::Sqlite(path.into())) }
}

fn postgres(text: &str) -> Result<StoreUrl, NotAStoreUrl> {
    let url = Url::parse(text).map_err(|_| NotAStoreUrl)?;
    let names_a_database = url.path().len() > 1;
    if names_a_database { Ok(StoreUrl::Postgres(text.into())) } else { Err(NotAStoreUrl) }
}

impl fmt::Display for StoreUrl {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(secret) => f.write_str(&without_secrets(secret.expose_secret())),
        }
    }
}

/// A password may stand before the host and among the parameters.
fn without_secrets(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return "postgres://…".to_owned() };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "postgres://…".to_owned();
    }
    url.set_query(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_what_follows_the_scheme() {
        for (text, path) in [("sqlite://data/x.db", "data/x.db"), ("sqlite:///var/x y.db", "/var/x y.db"), ("sqlite://x", "x")] {
            let url: StoreUrl = text.parse().unwrap();

            assert!(matches!(&url, StoreUrl::Sqlite(found) if found.as_os_str() == path), "{url:?}");
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn a_database_is_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://host/db", "postgres://host/db"),
            ("postgresql://user:pass@host:5433/db", "postgresql://user:***@host:5433/db"),
            ("postgres://user@host/db?sslmode=require&password=pass", "postgres://user@host/db"),
        ] {
            let url: StoreUrl = text.parse().unwrap();

            assert!(matches!(&url, StoreUrl::Postgres(kept) if kept.expose_secret() == text));
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("pass"));
        }
    }

    #[test]
    fn what_is_no_store_is_refused() {
        for text in [
            "",
            "x.db",
            "sqlite:x.db",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://data/",
            "sqlite://x.db?mode=memory",
            "postgres://host",
            "postgres://host/",
            "postgres://",
            "mysql://host/db",
        ] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text:?}");
        }
    }
}
