//! What the kernel says about another process, and how to stop one.

use anyhow::{Context, Result, bail};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// User and system time of a process so far, all its threads, ended ones too. Grain: 10 ms.
///
/// # Errors
/// When there is no such process.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    parse_cpu_time(&text).with_context(|| format!("{path}: not in the form of proc(5)"))
}

/// Fields 14 and 15 of proc(5), counted after the command name, which may hold blanks and parentheses.
fn parse_cpu_time(stat: &str) -> Option<Duration> {
    const TICKS_PER_SECOND: u64 = 100; // USER_HZ, fixed in the kernel's interface
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

/// A size line of /proc/PID/status (`VmRSS`, `VmHWM`) in MiB; `None` when it is not there.
pub(crate) fn memory_mib(pid: u32, field: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.split(':').next() == Some(field))?;
    let kib: f64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Asks a process to stop. Uses kill(1): std can only send SIGKILL.
pub(crate) fn terminate(child: &Child) -> Result<()> {
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().context("kill(1)")?;
    if !status.success() {
        bail!("kill -TERM {} failed", child.id());
    }
    Ok(())
}

/// Waits until a process has ended.
///
/// # Errors
/// When it is still there after `limit`.
pub(crate) fn wait_for_exit(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > limit {
            bail!("process {} is still running {} s after it was asked to stop", child.id(), limit.as_secs());
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_survives_a_name_with_blanks_and_parentheses() {
        let stat = "12 (a (b) c) S 1 12 12 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 1 2";
        assert_eq!(parse_cpu_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(parse_cpu_time("12 (short) S 1"), None);
    }

    #[test]
    fn own_memory_is_known() {
        assert!(memory_mib(std::process::id(), "VmRSS").is_some_and(|mib| mib > 0.1));
        assert_eq!(memory_mib(std::process::id(), "VmNothing"), None);
    }
}
