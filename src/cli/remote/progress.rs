//! How far long work is, on standard error: a bar on a terminal, a line for each step forward elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::telemetry::spelled_out;

const BAR: &str = "  {bar:30} {pos}/{len} {msg}";

/// Shows progress until it is dropped; a bar is gone then.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    told: Option<u64>,
    what: &'static str,
}

impl Progress {
    /// Progress of something that is counted in `what`.
    pub(super) fn of(what: &'static str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style).with_finish(ProgressFinish::AndClear)
        });
        Self { bar, told: None, what }
    }

    /// So many of so many are done.
    pub(super) fn show(&mut self, done: u64, total: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(total.max(done));
                bar.set_position(done);
                bar.set_message(self.what);
            }
            None if self.told != Some(done) => self.say(&format!("{done}/{total} {}", self.what)),
            None => {}
        }
        self.told = Some(done);
    }

    /// Something that a person should know meanwhile.
    pub(super) fn say(&self, text: &str) {
        let text = spelled_out(text);
        match &self.bar {
            Some(bar) => bar.println(text),
            // Nobody is left to tell when standard error is closed.
            None => drop(writeln!(io::stderr(), "{text}")),
        }
    }
}
