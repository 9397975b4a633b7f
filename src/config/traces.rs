//! `[traces]`: which traces are recorded, and where they go.

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::check::Check;
use super::masked;

/// Where a collector takes spans whose url has no path of its own.
const SPANS_PATH: &str = "/v1/traces";

/// Which traces are recorded, and where they go.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesConfig {
    /// The collector; empty for no traces.
    pub url: String,
    /// What it is told with every request, each as `name: value`. They are written masked.
    #[serde(with = "masked::list")]
    pub headers: Vec<SecretString>,
    /// What the collector knows us by.
    pub service_name: String,
    /// The share of traces that are recorded, of those that begin here.
    pub sampled_share: f64,
    /// Whether receivers are told of the trace.
    pub send_traceparent: bool,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            headers: Vec::new(),
            service_name: env!("CARGO_PKG_NAME").to_owned(),
            sampled_share: 1.0,
            send_traceparent: false,
        }
    }
}

impl TracesConfig {
    /// Where spans are sent, if anywhere.
    #[must_use]
    pub fn url(&self) -> Option<Url> {
        let mut url: Url = self.url.parse().ok()?;
        if url.path() == "/" {
            url.set_path(SPANS_PATH);
        }
        Some(url)
    }

    /// What is told with every request; each value is a secret.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        self.headers.iter().filter_map(|text| header(text.expose_secret())).collect()
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        let is_url = |text: &str| text.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        check.text("url", "empty, or a url with http or https", |text| text.is_empty() || is_url(text));
        check.texts("headers", "a list of headers, each as name: value", |text| header(text).is_some());
        check.text("service_name", "1 to 255 characters", |text| (1..=255).contains(&text.chars().count()));
        check.number("sampled_share", &(0.0..=1.0));
        check.flag_with("send_traceparent", "url");
    }
}

fn header(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    let mut value = HeaderValue::try_from(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_without_a_path_takes_spans_at_the_usual_one() {
        let url = |text: &str| TracesConfig { url: text.to_owned(), ..TracesConfig::default() }.url().map(String::from);

        assert_eq!(url("http://127.0.0.1:4318").unwrap(), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(url("https://collector.example/otlp/v1/traces?a=b").unwrap(), "https://collector.example/otlp/v1/traces?a=b");
        assert_eq!(url(""), None);
    }

    #[test]
    fn a_header_is_a_name_and_a_value_that_nobody_sees() {
        let (name, value) = header("Authorization:  Bearer a:b ").unwrap();

        assert_eq!((name.as_str(), value.to_str().unwrap(), value.is_sensitive()), ("authorization", "Bearer a:b", true));
        for text in ["", "Bearer", ": x", "a b: c", "a: b\nc"] {
            assert!(header(text).is_none(), "{text:?}");
        }
    }
}
