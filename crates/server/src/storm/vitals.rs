//! What a process takes, as Linux tells it.
use std::{fs, time::Duration};

/// Figures of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// User and system time of all its threads so far.
    pub cpu: Duration,
    /// Resident memory, kB.
    pub memory_kb: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors; 0 where we may not look.
    pub descriptors: usize,
}

impl Vitals {
    /// Of a process that runs; `None` if it does not.
    pub fn of(process: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let number = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
        };
        Some(Self {
            cpu: cpu(&stat)?,
            memory_kb: number("VmRSS:"),
            threads: number("Threads:"),
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count),
        })
    }
}

/// User and system time in `/proc/PID/stat`: fields 14 and 15, in units of USER_HZ, which is 100 on Linux.
fn cpu(stat: &str) -> Option<Duration> {
    // The name of the program, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some(Duration::from_millis(10 * (user + system)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_parenthesis_does_not_mislead() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 3 0 100 1 2";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1750)));
        assert_eq!(cpu("7 (short) S 1"), None);
    }

    #[test]
    fn this_process_has_memory_and_threads() {
        let own = Vitals::of(std::process::id()).unwrap();
        assert!(own.memory_kb > 0 && own.threads > 0 && own.descriptors > 0);
        assert_eq!(Vitals::of(u32::MAX), None);
    }
}
