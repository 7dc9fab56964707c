//! What the process uses, as the system tells it.
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike;

/// What the process uses now; zero where the system does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Memory in RAM, in octets.
    pub resident: u64,
    /// Address space, in octets.
    pub virtual_memory: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Most file descriptors.
    pub most_descriptors: u64,
    /// Threads.
    pub threads: u64,
    /// CPU time, in µs.
    pub cpu_us: u64,
}

impl Process {
    /// Reads /proc of Linux.
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map_or(0, number);
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        let cpu = usage
            .map_or(0, |usage| usage.user_time().num_microseconds() + usage.system_time().num_microseconds());
        Self {
            resident: field("VmRSS:") * 1024,
            virtual_memory: field("VmSize:") * 1024,
            threads: field("Threads:"),
            descriptors: std::fs::read_dir("/proc/self/fd").map_or(0, |open| open.count() as u64),
            most_descriptors: getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft),
            cpu_us: u64::try_from(cpu).unwrap_or(0),
        }
    }
}

/// The first number of `  1234 kB`.
fn number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_this_very_process() {
        let before = Process::now();
        let held = std::fs::File::open("/proc/self/status").unwrap();
        let mut spent = 0u64;
        while Process::now().cpu_us <= before.cpu_us {
            spent += 1;
        }
        let now = Process::now();
        drop(held);
        assert!(now.resident > 100_000 && now.virtual_memory >= now.resident, "{now:?} after {spent}");
        assert!(now.descriptors > 3 && now.most_descriptors >= now.descriptors && now.threads > 0, "{now:?}");
        assert_eq!((number("  1234 kB"), number("")), (1234, 0));
    }
}
