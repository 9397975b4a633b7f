//! `[egress]`: which addresses may be called, and how connections are made.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::as_text;
use super::check::Check;
use crate::domain::allowed_network::AllowedNetwork;

/// Which addresses may be called, and how connections are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressConfig {
    /// Networks that may be called although their addresses are not public.
    #[serde(with = "as_text::list")]
    pub allow: Vec<AllowedNetwork>,
    /// Milliseconds that making a connection may take.
    pub connect_timeout_ms: u32,
    /// Idle connections that are kept for one host.
    pub idle_connections_per_host: usize,
    /// Whether `http://` urls may be called.
    pub allow_http: bool,
    /// A file with CA certificates in PEM form that are trusted beside the system's; empty for none.
    pub ca_file: PathBuf,
    /// What makes the connections in our place.
    #[serde(with = "as_text")]
    pub proxy: Proxy,
}

/// What makes the connections in our place: nothing, or an HTTP proxy. Its url may hold a password, which is not written.
#[derive(Clone, Debug, Default)]
pub struct Proxy(Option<SecretString>);

/// The text names no HTTP proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no url of an HTTP proxy")]
pub struct NotAProxyUrl;

impl FromStr for Proxy {
    type Err = NotAProxyUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let url = Url::parse(text).map_err(|_| NotAProxyUrl)?;
        let is_a_host_alone = url.host_str().is_some() && url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if url.scheme() == "http" && is_a_host_alone { Ok(Self(Some(text.into()))) } else { Err(NotAProxyUrl) }
    }
}

impl fmt::Display for Proxy {
    /// Without user name and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(url) = self.0.as_ref().and_then(|url| Url::parse(url.expose_secret()).ok()) else { return Ok(()) };
        let user = if url.username().is_empty() && url.password().is_none() { "" } else { "****@" };
        write!(f, "http://{user}{}", &url[url::Position::BeforeHost..url::Position::AfterPort])
    }
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            connect_timeout_ms: 5000,
            idle_connections_per_host: 1024,
            allow_http: true,
            ca_file: PathBuf::new(),
            proxy: Proxy::default(),
        }
    }
}

impl EgressConfig {
    /// How long making a connection may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms.into())
    }

    /// The file of further CA certificates, if there is one.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        Some(self.ca_file.as_path()).filter(|file| !file.as_os_str().is_empty())
    }

    /// The url of the proxy, if there is one.
    #[must_use]
    pub const fn proxy(&self) -> Option<&SecretString> {
        self.proxy.0.as_ref()
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        let networks = "a list of networks such as \"127.0.0.0/8\", \"10.0.0.5:8443\", \"[::1]:5000\" or \"fd00::/8\"";
        check.texts("allow", networks, |text| text.parse::<AllowedNetwork>().is_ok());
        check.integer("connect_timeout_ms", 100..=60_000);
        check.integer("idle_connections_per_host", 0..=4096);
        check.text("ca_file", "empty, or the path of a file", |text| !text.contains('\0'));
        check.text("proxy", "empty, or http:// and host and port, with user:password@ where the proxy asks for it", |text| {
            text.parse::<Proxy>().is_ok()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        for (text, shown) in [
            ("", ""),
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("http://user:pass@10.0.0.5:3128/", "http://****@10.0.0.5:3128"),
            ("http://[fd00::5]:8080", "http://[fd00::5]:8080"),
        ] {
            let proxy: Proxy = text.parse().unwrap();

            assert_eq!(proxy.to_string(), shown);
            assert_eq!(proxy.0.is_some(), !text.is_empty());
            assert!(!format!("{proxy:?}").contains("pass"));
        }
    }

    #[test]
    fn what_is_no_http_proxy_is_refused() {
        for text in [
            "proxy:3128",
            "https://proxy:3128",
            "socks5://proxy:1080",
            "http://",
            "http://proxy/path",
            "http://proxy/?a",
            "http://proxy/#a",
            " ",
        ] {
            assert!(text.parse::<Proxy>().is_err(), "{text:?}");
        }
    }
}
