//! `[server]`: where requests come in, what clients may take, and how the server stops.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono::{FixedOffset, Offset, Utc};
use serde::{Deserialize, Serialize};
use toml::Value;

use super::as_text;
use super::check::Check;

/// Where requests come in, what clients may take, and how the server stops.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Bytes that the body of a request may have.
    pub max_body_bytes: usize,
    /// Seconds that the body of a request may take at least.
    pub body_timeout_seconds: u32,
    /// Bytes of a body for which it gets a second more; 0 for none.
    pub body_bytes_per_second: u32,
    /// Bytes that the head of a request may have.
    pub max_header_bytes: usize,
    /// Seconds that the head of a request may take.
    pub header_timeout_seconds: u32,
    /// Seconds that a connection may rest between two requests.
    pub idle_timeout_seconds: u32,
    /// Connections that are open at once.
    pub max_connections: usize,
    /// Requests under way at once; fewer than `max_connections`.
    pub max_requests: usize,
    /// Seconds that an orderly stop waits for what is in flight.
    pub drain_seconds: u32,
    /// Who may read metrics.
    pub metrics_access: MetricsAccess,
    /// Offset from UTC in which answers give times.
    #[serde(with = "as_text")]
    pub time_offset: FixedOffset,
}

/// Who may read metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsAccess {
    /// Whoever asks from this machine, but for a proxy; others with a key that may read.
    Loopback,
    /// Whoever asks.
    Everybody,
    /// Whoever has a key that may read.
    Key,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            max_body_bytes: 16_777_216,
            body_timeout_seconds: 15,
            body_bytes_per_second: 16_384,
            max_header_bytes: 16_384,
            header_timeout_seconds: 10,
            idle_timeout_seconds: 75,
            max_connections: 8_192,
            max_requests: 4_096,
            drain_seconds: 30,
            metrics_access: MetricsAccess::Loopback,
            time_offset: Utc.fix(),
        }
    }
}

impl ServerConfig {
    /// How long the body of a request may take at least.
    #[must_use]
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds.into())
    }

    /// How long the head of a request may take.
    #[must_use]
    pub fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds.into())
    }

    /// How long a connection may rest between two requests.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_seconds.into())
    }

    /// How long an orderly stop waits for what is in flight.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        let listen = "an IP address with a port, such as 127.0.0.1:8080 or [::1]:8080";
        check.text("listen", listen, |text| text.parse::<SocketAddr>().is_ok());
        check.integer("max_body_bytes", 1024..=268_435_456);
        check.integer("body_timeout_seconds", 1..=3600);
        check.integer("body_bytes_per_second", 0..=1_000_000_000);
        check.integer("max_header_bytes", 1024..=262_144);
        check.integer("header_timeout_seconds", 1..=600);
        check.integer("idle_timeout_seconds", 1..=3600);
        let connections = check.integer("max_connections", 2..=1_000_000);
        let requests = check.integer("max_requests", 1..=999_999);
        // Else there would be no place left for a health check.
        if let (Some(connections), Some(requests)) = (connections, requests)
            && requests >= connections
        {
            let allowed = format!("fewer than server.max_connections, which is {connections}");
            check.refuse("max_requests", &Value::from(requests), allowed);
        }
        check.integer("drain_seconds", 1..=3600);
        check.text("metrics_access", "loopback, everybody or key", |text| ["loopback", "everybody", "key"].contains(&text));
        check.text("time_offset", "+HH:MM or -HH:MM", is_offset);
    }
}

/// Whether the text is exactly `±HH:MM` and shorter than a day.
fn is_offset(text: &str) -> bool {
    let well_formed = match text.as_bytes() {
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()),
        _ => false,
    };
    well_formed && text.parse::<FixedOffset>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_a_sign_hours_and_minutes() {
        for text in ["+00:00", "-00:00", "-03:00", "+05:45", "+14:00", "-23:59"] {
            assert!(is_offset(text), "{text}");
        }
        for text in ["", "Z", "00:00", "+0000", "+5:45", "+05:45:00", "+05:60", "+24:00", " +05:45", "+05 45", "UTC", "\u{2212}03:00"] {
            assert!(!is_offset(text), "{text}");
        }
    }
}
