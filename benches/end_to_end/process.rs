//! What a process has used, from `/proc`.

use std::fs;

use anyhow::Context as _;

/// The kernel counts a process's time in hundredths of a second, on every machine, for programs that read it.
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory, in MiB.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident_mib: f64,
    /// At most so far.
    pub(crate) peak_mib: f64,
}

impl Memory {
    /// The larger of each.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { resident_mib: self.resident_mib.max(other.resident_mib), peak_mib: self.peak_mib.max(other.peak_mib) }
    }
}

/// Processor time that a process has used, in user mode and in the kernel, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let ticks = ticks(&read(pid, "stat")?)?;
    Ok((ticks[0] + ticks[1]) / TICKS_PER_SECOND)
}

/// Processor time that all processes with this name have used, those included that they started and that have ended.
pub(crate) fn cpu_seconds_of_named(name: &str) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|file| file.parse().ok()) else { continue };
        // A process may end between two looks; then the one that started it has its time.
        let (Ok(found), Ok(stat)) = (read(pid, "comm"), read(pid, "stat")) else { continue };
        if found.trim_end() == name {
            sum += ticks(&stat)?.iter().sum::<f64>();
        }
    }
    Ok(sum / TICKS_PER_SECOND)
}

/// A process's time in user mode and in the kernel, then the same of its children that have ended.
fn ticks(stat: &str) -> anyhow::Result<[f64; 4]> {
    // The second field is a name in parentheses that may hold spaces; the times are fields 14 to 17.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let ticks = |field: usize| -> anyhow::Result<f64> { Ok(fields.get(field - 3).context("a field is missing")?.parse()?) };
    Ok([ticks(14)?, ticks(15)?, ticks(16)?, ticks(17)?])
}

/// Processor time that all processes together have used since the machine was started, in seconds.
pub(crate) fn cpu_seconds_of_all() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let fields: Vec<f64> =
        stat.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    // The fourth and fifth are idle times; those after the eighth are parts of the first two.
    let ticks: f64 = fields.iter().take(8).enumerate().filter(|(place, _)| !matches!(place, 3 | 4)).map(|(_, ticks)| ticks).sum();
    Ok(ticks / TICKS_PER_SECOND)
}

/// Memory that a process holds.
pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let status = read(pid, "status")?;
    let mib = |name: &str| -> anyhow::Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{name} is missing"))?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    };
    Ok(Memory { resident_mib: mib("VmRSS:")?, peak_mib: mib("VmHWM:")? })
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("process {pid} is gone"))
}
