//! `serve`: the dispatcher, until it is asked to stop.

use std::io::{self, Write};

use clap::Args;
use secrecy::ExposeSecret;
use tracing::{info, warn};

use super::{ConfigArgs, asked_to_stop, environment};
use crate::app::App;
use crate::config::Config;
use crate::telemetry;

/// What `serve` takes.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where to listen; short for `--set server.listen=…`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where to keep everything; short for `--set store.url=…`.
    #[arg(long, value_name = "URL")]
    store_url: Option<String>,
    /// What this node does: all, api or worker; short for `--set node.role=…`.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

pub(super) fn run(args: ServeArgs) -> anyhow::Result<()> {
    let short_forms = [("server.listen", args.listen), ("store.url", args.store_url), ("node.role", args.role)];
    let overrides = short_forms.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?))).collect();
    let config = args.config.load(overrides)?;
    telemetry::init_logs(&config.log.level, config.log.format)?;
    refuse_huge_pages();
    raise_open_files(&config);
    warn_of_ignored(&environment());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(&config))
}

/// A huge page is cleared as a whole when it is first touched, and whatever the thread has to do waits for that: some 8 ms
/// on a virtual machine, at every fiftieth request that hung. With small pages a process is as fast and a quarter smaller.
#[cfg(target_os = "linux")]
fn refuse_huge_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "the system may give huge pages");
    }
}

/// Elsewhere there are none that come unasked.
#[cfg(not(target_os = "linux"))]
const fn refuse_huge_pages() {}

/// Every delivery in flight is an open connection, and so is every caller: takes as many as the system gives.
fn raise_open_files(config: &Config) {
    let wanted = (2 * (config.delivery.max_in_flight + config.lanes.max_stalled) + config.server.max_connections) as u64;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit >= wanted => {}
        Ok(limit) => warn!(limit, wanted, "the system allows few open files; under load connections will fail: raise `ulimit -n`"),
        Err(error) => warn!(%error, "the limit on open files cannot be raised"),
    }
}

/// Whoever set these may think that they are used.
fn warn_of_ignored(environment: &[(String, String)]) {
    let names_a_proxy = |name: &str| ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].iter().any(|known| name.eq_ignore_ascii_case(known));
    for (name, _) in environment.iter().filter(|(_, value)| !value.is_empty()) {
        if names_a_proxy(name) {
            warn!(name, "a proxy that the environment names is not used; set egress.proxy if it should be");
        } else if name.starts_with("OTEL_") {
            warn!(name, "variables of OpenTelemetry are not used; the section traces of the configuration is");
        }
    }
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let app = App::start(config).await?;
    announce(&app, config, &mut io::stdout())?;
    asked_to_stop().await?;
    info!("asked to stop");
    app.stop().await;
    Ok(())
}

/// One write, so that whoever reads the first line has the others too.
fn announce(app: &App, config: &Config, out: &mut impl Write) -> io::Result<()> {
    let root_key = app.new_root_key.as_ref().map(|key| format!("root key (shown this once): {}\n", key.expose_secret()));
    let text = format!("listening on http://{}\nstore {}\n{}", app.address, config.store.url, root_key.unwrap_or_default());
    out.write_all(text.as_bytes())?;
    out.flush()
}
