//! Confines this process to a number of CPUs.

use anyhow::{Context as _, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Lets this thread, and every thread that it starts from now on, run on the first `cpus` of
/// the CPUs that it may use.
///
/// Where there are fewer, all of them stay allowed: more workers than CPUs can be asked for.
///
/// # Errors
/// Where `cpus` is 0, or the system refuses.
pub fn confine(cpus: usize) -> anyhow::Result<()> {
    ensure!(cpus > 0, "a model needs a CPU");
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread).context("could not read the affinity")?;
    let mut chosen = CpuSet::new();
    let mut left = cpus;
    for cpu in 0..CpuSet::count() {
        if left > 0 && allowed.is_set(cpu).unwrap_or(false) {
            chosen.set(cpu).context("could not name a CPU")?;
            left -= 1;
        }
    }
    sched_setaffinity(this_thread, &chosen).context("could not set the affinity")
}

/// The CPUs that this thread may use.
pub(crate) fn allowed() -> anyhow::Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("could not read the affinity")?;
    let is_set = |cpu: &usize| allowed.is_set(*cpu).unwrap_or(false);
    Ok((0..CpuSet::count()).filter(is_set).collect())
}

/// Lets this thread run on one CPU, which need not be one of those that it uses now.
pub(crate) fn pin(cpu: usize) -> anyhow::Result<()> {
    let mut chosen = CpuSet::new();
    chosen.set(cpu).context("could not name a CPU")?;
    let pinned = sched_setaffinity(Pid::from_raw(0), &chosen);
    pinned.with_context(|| format!("could not move to CPU {cpu}"))
}

/// Does something on another CPU, for instance starts what is to stay there, and comes back.
pub(crate) fn elsewhere<T>(cpu: usize, what: impl FnOnce() -> T) -> anyhow::Result<T> {
    let this_thread = Pid::from_raw(0);
    let before = sched_getaffinity(this_thread).context("could not read the affinity")?;
    pin(cpu)?;
    let result = what();
    sched_setaffinity(this_thread, &before).context("could not set the affinity")?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cpu_is_what_is_left() {
        // In a thread of its own: the test runner's other threads keep theirs.
        let seen = std::thread::spawn(|| {
            confine(1).expect("one CPU can be had");
            std::thread::available_parallelism().expect("known").get()
        });
        assert_eq!(seen.join().expect("no panic"), 1);
    }

    #[test]
    fn a_thread_goes_elsewhere_and_comes_back() {
        let body = || {
            let all = allowed().expect("readable");
            let last = *all.last().expect("a CPU");
            let there = elsewhere(last, || allowed().expect("readable")).expect("it is allowed");
            assert_eq!(there, [last]);
            assert_eq!(allowed().expect("readable"), all);
        };
        std::thread::spawn(body).join().expect("no panic");
    }

    #[test]
    fn no_cpu_is_refused() {
        assert!(confine(0).is_err());
    }
}
