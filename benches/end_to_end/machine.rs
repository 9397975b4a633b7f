//! Facts about the machine without which a figure means nothing.

use std::fs::{self, File};
use std::io::Write as _;
use std::num::NonZero;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

/// How often the disk is asked to make something durable.
const SYNCS: usize = 100;

/// Where figures were measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    memory_mib: u64,
    /// What appending a page and making it durable takes, half of the time at most; it bounds a single commit.
    pub(crate) sync_ms: f64,
}

impl Machine {
    /// This machine, with its disk where `folder` is.
    pub(crate) fn facts(folder: &Path) -> anyhow::Result<Self> {
        let kib = line_of("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(0, NonZero::get),
            processor: line_of("/proc/cpuinfo", "model name"),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            memory_mib: kib / 1024,
            sync_ms: median_sync(folder)?,
        })
    }
}

/// The value of the first `name : value` line of a file; nothing when there is none.
fn line_of(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

fn median_sync(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    fs::remove_file(path)?;
    Ok(times[SYNCS / 2].as_secs_f64() * 1000.0)
}
