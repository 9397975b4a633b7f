//! `[server]`: where requests come in, and how the server stops.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono::{FixedOffset, Offset, Utc};
use serde::{Deserialize, Serialize};

use super::as_text;
use super::check::Check;

/// Where requests come in, and how the server stops.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Bytes that the body of a request may have.
    pub max_body_bytes: usize,
    /// Seconds that an orderly stop waits for what is in flight.
    pub drain_seconds: u32,
    /// Offset from UTC in which answers give times.
    #[serde(with = "as_text")]
    pub time_offset: FixedOffset,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            max_body_bytes: 16_777_216,
            drain_seconds: 30,
            time_offset: Utc.fix(),
        }
    }
}

impl ServerConfig {
    /// How long an orderly stop waits for what is in flight.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        let listen = "an IP address with a port, such as 127.0.0.1:8080 or [::1]:8080";
        check.text("listen", listen, |text| text.parse::<SocketAddr>().is_ok());
        check.integer("max_body_bytes", 1024..=268_435_456);
        check.integer("drain_seconds", 1..=3600);
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
