//! What the process says about itself: structured logs on standard error, one line an event, and metrics for whoever asks.

pub mod metrics;
mod one_line;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use self::one_line::OneLine;
use crate::config::LogFormat;

/// Sends log events at `level` (a filter directive such as `info` or `info,webhook_dispatcher::delivery=debug`) to
/// standard error. Libraries are heard from `warn` on unless the directive names them.
///
/// # Errors
/// When `level` is no filter directive.
pub fn init_logs(level: &str, format: LogFormat) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(format!("sqlx=warn,hyper=warn,reqwest=warn,h2=off,{level}"))?;
    let logs = fmt().with_env_filter(filter).with_writer(|| OneLine::to(std::io::stderr())).with_ansi(false);
    let installed = match format {
        LogFormat::Text => logs.finish().try_init(),
        LogFormat::Json => logs.json().finish().try_init(),
    };
    // Somebody else listens already: a test, or a program that embeds the dispatcher.
    drop(installed);
    Ok(())
}
