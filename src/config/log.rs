//! `[log]`: what is logged, and how.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::check::Check;

/// What is logged, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// A level or directives, as [`EnvFilter`] reads them.
    pub level: String,
    /// How a line is written.
    pub format: LogFormat,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

impl LogConfig {
    pub(super) fn validate(check: &mut Check<'_>) {
        check.text("level", "off, error, warn, info, debug, trace, or directives such as \"info,webhook_dispatcher=debug\"", is_filter);
        check.text("format", "text or json", |text| matches!(text, "text" | "json"));
    }
}

/// Whether the text is a filter whose bare words are levels.
///
/// To [`EnvFilter`] a bare word that is no level names a target: `inof` would silence everything but a target that
/// does not exist.
fn is_filter(text: &str) -> bool {
    let is_directive = |part: &str| part.contains('=') || (!part.is_empty() && part.parse::<LevelFilter>().is_ok());
    let bare_words_are_levels = text.contains('[') || text.split(',').all(is_directive);
    bare_words_are_levels && EnvFilter::try_new(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_filters() {
        for text in ["info", "OFF", "info,webhook_dispatcher::delivery=debug", "warn,sqlx=error", "info,[delivery{id=1}]=trace"] {
            assert!(is_filter(text), "{text}");
        }
    }

    #[test]
    fn a_mistyped_level_is_no_filter() {
        for text in ["", "inof", "info,", "info,debgu", "warn, sqlx=error", "sqlx=loud", "webhook_dispatcher", "[x=trace"] {
            assert!(!is_filter(text), "{text}");
        }
    }
}
