//! A PostgreSQL database that lives as long as its case.

use std::process::{self, Command};

use anyhow::{Context as _, bail};
use url::Url;

/// An empty database; removed when dropped.
pub(crate) struct Database {
    server: Url,
    name: String,
}

impl Database {
    /// Makes one on the server that `server` names, by a user who may.
    pub(crate) fn create(server: &str) -> anyhow::Result<Self> {
        let server: Url = server.parse().context("the PostgreSQL server's url is none")?;
        // What a killed run left behind under the same number is in nobody's use.
        let made = Self { name: format!("end_to_end_{}", process::id()), server };
        made.on_server(&format!("drop database if exists {} with (force)", made.name))?;
        made.on_server(&format!("create database {}", made.name))?;
        Ok(made)
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.into()
    }

    fn on_server(&self, sql: &str) -> anyhow::Result<()> {
        psql(self.server.as_str(), sql).map(drop)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A database that stays says so by `psql`; the figures are good all the same.
        drop(self.on_server(&format!("drop database {} with (force)", self.name)));
    }
}

/// Bytes of the tables and indexes of the database at `url`; its log is the server's and not counted.
pub(crate) fn bytes(url: &str) -> anyhow::Result<u64> {
    Ok(psql(url, "select pg_database_size(current_database())")?.parse()?)
}

fn psql(url: &str, sql: &str) -> anyhow::Result<String> {
    let output = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command", sql, url])
        .env("PGOPTIONS", "-c client_min_messages=warning")
        .output()
        .context("psql cannot be started; it comes with Debian's postgresql-client")?;
    if !output.status.success() {
        bail!("PostgreSQL refused `{sql}`: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
