//! What a process takes: memory, descriptors, threads.
use crate::wait_for;
use std::{fs, time::Duration};

/// Figures of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Resident memory in kB.
    pub memory_kb: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: u64,
}

impl Vitals {
    /// Of a process that runs.
    pub fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
        let number = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name)).expect("Linux has it");
            line.split_whitespace().nth(1).and_then(|value| value.parse().ok()).expect("a number")
        };
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).expect("our own process").count();
        Self { memory_kb: number("VmRSS:"), descriptors, threads: number("Threads:") }
    }

    /// Waits until the process is back near these figures: a few descriptors more (pools, logs), memory within `slack_kb`.
    #[track_caller]
    pub fn are_back(self, process: u32, slack_kb: u64, limit: Duration) {
        let back = wait_for(limit, || {
            let now = Self::of(process);
            let is_near = now.descriptors <= self.descriptors + 6
                && now.memory_kb <= self.memory_kb + slack_kb
                && now.threads <= self.threads + 4;
            is_near.then_some(())
        });
        assert!(back.is_some(), "before {self:?}, after {:?}", Self::of(process));
    }
}
