//! The thread of a shard: where it may run, and before whom.
use crate::MediaThreads;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::thread::JoinHandle;

/// Starts the thread of this shard.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn spawn(
    shard: u16,
    settings: &MediaThreads,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let core = settings.cores.get(usize::from(shard) % settings.cores.len().max(1)).copied();
    let nice = settings.nice;
    std::thread::Builder::new().name(format!("media-{shard}")).spawn(move || {
        if let Some(core) = core
            && let Err(error) = pin(core)
        {
            tracing::warn!(shard, core, %error, "the media thread cannot be bound to this core and runs on any");
        }
        if let Some(nice) = nice
            && let Err(error) = renice(nice)
        {
            tracing::warn!(
                shard, nice, %error,
                "the media thread runs with ordinary priority: a nice value below 0 needs CAP_SYS_NICE or LimitNICE"
            );
        }
        run();
    })
}

/// Binds this thread to a core.
fn pin(core: usize) -> nix::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// Sets this thread's nice value (on Linux each thread has its own).
#[allow(unsafe_code)]
fn renice(nice: i32) -> nix::Result<()> {
    // SAFETY: two numbers go in, one comes back.
    let done = unsafe { nix::libc::setpriority(nix::libc::PRIO_PROCESS, 0, nice) };
    nix::errno::Errno::result(done).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sched::sched_getaffinity;

    #[test]
    fn a_thread_runs_where_it_is_bound_to_and_goes_on_where_it_cannot_be() {
        let here = sched_getaffinity(Pid::from_raw(0)).expect("readable");
        let core = (0..CpuSet::count()).find(|core| here.is_set(*core) == Ok(true)).expect("one");
        let (sender, receiver) = std::sync::mpsc::channel();
        for cores in [vec![core], vec![CpuSet::count() - 1], vec![]] {
            let settings = MediaThreads { cores, nice: Some(5) };
            let sender = sender.clone();
            let run = move || {
                let set = sched_getaffinity(Pid::from_raw(0)).expect("readable");
                let cores = (0..CpuSet::count()).filter(|core| set.is_set(*core) == Ok(true)).count();
                sender.send((std::thread::current().name().map(str::to_owned), cores)).expect("heard");
            };
            spawn(3, &settings, run).expect("a thread").join().expect("it ends");
        }
        let name = Some("media-3".to_owned());
        assert_eq!(receiver.recv(), Ok((name, 1)));
        let all = (0..CpuSet::count()).filter(|core| here.is_set(*core) == Ok(true)).count();
        assert_eq!(receiver.recv().expect("it ran").1, all);
        assert_eq!(receiver.recv().expect("it ran").1, all);
    }
}
