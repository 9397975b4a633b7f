//! What the process says about itself: structured logs on standard error, one line an event, metrics for whoever asks, and
//! traces for a collector.

pub mod metrics;
mod one_line;
pub mod traces;

use std::error::Error;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use self::one_line::OneLine;
pub(crate) use self::one_line::spelled_out;
use crate::config::LogFormat;

/// Sends log events at `level` (a filter directive such as `info` or `info,webhook_dispatcher::delivery=debug`) to
/// standard error. Libraries are heard from `warn` on unless the directive names them.
///
/// # Errors
/// When `level` is no filter directive.
pub fn init_logs(level: &str, format: LogFormat) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(format!("sqlx=warn,hyper=warn,hyper_util=warn,{level}"))?;
    let logs = fmt().with_env_filter(filter).with_writer(|| OneLine::to(std::io::stderr())).with_ansi(false);
    let installed = match format {
        LogFormat::Text => logs.finish().try_init(),
        LogFormat::Json => logs.json().finish().try_init(),
    };
    // Somebody else listens already: a test, or a program that embeds the dispatcher.
    drop(installed);
    Ok(())
}

/// An error and what caused it, for one line of the log.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_log_line_holds_every_cause() {
        #[derive(Debug, thiserror::Error)]
        #[error("the page is not written")]
        struct Outer(#[source] io::Error);

        assert_eq!(with_causes(&Outer(io::Error::other("the disk is full"))), "the page is not written: the disk is full");
    }
}
