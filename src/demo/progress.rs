//! Shows on standard error how far things are: a bar on a terminal, a line a second elsewhere.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use tokio::time::interval;

use super::counts::counted;
use super::ledger::Tally;

const BAR: &str = "  {bar:30} {pos}/{len} arrived, {msg}";
const REDRAW: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(1);

/// How far the producer and the receiver are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Documents that were handed in.
    pub(super) handed_in: usize,
    /// What the receiver has seen.
    pub(super) tally: Tally,
}

/// Shows how far the delivery of `total` documents is until it is dropped; a bar is gone then.
pub(super) async fn show(total: usize, standing: impl Fn() -> Standing) -> Infallible {
    if io::stderr().is_terminal() { show_bar(total, standing).await } else { show_lines(total, standing).await }
}

async fn show_bar(total: usize, standing: impl Fn() -> Standing) -> Infallible {
    let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(total as u64).with_style(style).with_finish(ProgressFinish::AndClear);
    let mut redraw = interval(REDRAW);
    loop {
        redraw.tick().await;
        let Standing { handed_in, tally } = standing();
        bar.set_message(message(handed_in, tally));
        bar.set_position(tally.arrived as u64);
    }
}

async fn show_lines(total: usize, standing: impl Fn() -> Standing) -> Infallible {
    let mut next = interval(LINE);
    // The first tick comes at once, when there is nothing to tell.
    next.tick().await;
    loop {
        next.tick().await;
        let Standing { handed_in, tally } = standing();
        // Nobody is left to tell when standard error is closed.
        drop(writeln!(io::stderr(), "  {}/{total} arrived, {}", tally.arrived, message(handed_in, tally)));
    }
}

fn message(handed_in: usize, tally: Tally) -> String {
    format!("{handed_in} handed in, {}, {}", counted(tally.requests, "request"), counted(tally.logins, "login"))
}
