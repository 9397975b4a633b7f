//! `[store]`: where the data is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::as_text;
use super::check::Check;

/// Where the data is, and how many connections read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// Where the data is.
    #[serde(with = "as_text")]
    pub url: StoreUrl,
    /// Connections that read.
    pub readers: u32,
}

/// Where the data is: which kind of store, and which one of that kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite://PATH`: an `SQLite` file, which is made when it does not exist.
    Sqlite(PathBuf),
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: StoreUrl::Sqlite("data/dispatcher.db".into()), readers: 4 }
    }
}

impl StoreConfig {
    /// The path of the `SQLite` file.
    #[must_use]
    pub fn path(&self) -> &Path {
        let StoreUrl::Sqlite(path) = &self.url;
        path
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        check.text("url", "sqlite:// and the path of a file", |text| text.parse::<StoreUrl>().is_ok());
        check.integer("readers", 1..=64);
    }
}

/// The text names no store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no store's url")]
pub struct NotAStoreUrl;

impl FromStr for StoreUrl {
    type Err = NotAStoreUrl;

    /// A path ends where the text ends: there are no parameters. A store in memory is refused, because it keeps nothing.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix("sqlite://").filter(|path| !path.is_empty() && !path.contains(['?', '\0'])).ok_or(NotAStoreUrl)?;
        if path == ":memory:" || path.ends_with('/') { Err(NotAStoreUrl) } else { Ok(Self::Sqlite(path.into())) }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Sqlite(path) = self;
        write!(f, "sqlite://{}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_what_follows_the_scheme() {
        for (text, path) in [("sqlite://data/x.db", "data/x.db"), ("sqlite:///var/x y.db", "/var/x y.db"), ("sqlite://x", "x")] {
            let url: StoreUrl = text.parse().unwrap();

            assert_eq!(StoreConfig { url: url.clone(), readers: 1 }.path(), Path::new(path));
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for text in [
            "",
            "x.db",
            "sqlite:x.db",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://data/",
            "sqlite://x.db?mode=memory",
            "postgres://host/db",
        ] {
            assert_eq!(text.parse::<StoreUrl>(), Err(NotAStoreUrl), "{text:?}");
        }
    }
}
