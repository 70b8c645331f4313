//! What a measured piece of work took: wall time, CPU time, and how busy others kept the
//! machine meanwhile.
//!
//! On a machine that does other things at the same time, wall time measures those too. CPU
//! time of this process is nearly free of them; the foreign share says how far the wall time
//! can be trusted.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};

use crate::switches::Switches;

/// A moment to measure from.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    wall: Instant,
    cpu: Duration,
    machine: Option<Duration>,
}

/// What went by since a mark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Took {
    /// Wall time.
    pub wall: Duration,
    /// CPU time of all threads of this process.
    pub cpu: Duration,
    /// The share of the machine's CPUs that others used, 0 to 1; `None` where the system
    /// doesn't say, or the time was too short to tell.
    pub foreign: Option<f64>,
}

/// The system counts in steps of some milliseconds: below this, the share is mostly error.
const TELLING: Duration = Duration::from_millis(40);

impl Mark {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            machine: machine_busy(),
            cpu: own_cpu(),
            wall: Instant::now(),
        }
    }

    /// What went by since.
    #[must_use]
    pub fn took(&self) -> Took {
        let wall = self.wall.elapsed();
        let cpu = own_cpu().saturating_sub(self.cpu);
        let busy = machine_busy()
            .zip(self.machine)
            .map(|(now, then)| now.saturating_sub(then));
        let foreign = busy.filter(|_| wall >= TELLING).map(|busy| {
            let cpus = sysconf(SysconfVar::_NPROCESSORS_ONLN)
                .ok()
                .flatten()
                .unwrap_or(1);
            let all = wall.as_secs_f64() * cpus as f64;
            (busy.saturating_sub(cpu).as_secs_f64() / all).clamp(0.0, 1.0)
        });
        Took { wall, cpu, foreign }
    }
}

/// CPU time of all threads of this process so far, to the nanosecond.
pub(crate) fn cpu() -> anyhow::Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .context("could not read the process's CPU time")?;
    Ok(Duration::from(time))
}

/// CPU time of all threads of a process so far, to the nanosecond.
pub(crate) fn cpu_of(process: Pid) -> anyhow::Result<Duration> {
    let clock = clock_getcpuclockid(process)
        .with_context(|| format!("process {process} has no clock any more"))?;
    let time = clock_gettime(clock).context("could not read a process's CPU time")?;
    Ok(Duration::from(time))
}

/// That of this process, for those who have measured already when it would fail.
fn own_cpu() -> Duration {
    cpu().expect("invariant: every system has this clock")
}

/// What the children of this process have used that were waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Children {
    /// Their CPU time, to the microsecond.
    pub(crate) cpu: Duration,
    /// Their context switches.
    pub(crate) switches: Switches,
}

impl Children {
    /// All so far.
    pub(crate) fn so_far() -> Self {
        let usage =
            getrusage(UsageWho::RUSAGE_CHILDREN).expect("invariant: the arguments are valid");
        let sum = usage.user_time() + usage.system_time();
        Self {
            cpu: Duration::from_micros(u64::try_from(sum.num_microseconds()).unwrap_or(0)),
            switches: Switches::of(&usage),
        }
    }
}

/// CPU time of everybody so far; time that the machine's own host took counts as foreign.
fn machine_busy() -> Option<Duration> {
    let steps_a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten()?;
    let steps = busy_steps(&fs::read_to_string("/proc/stat").ok()?)?;
    Some(Duration::from_secs_f64(
        steps as f64 / steps_a_second as f64,
    ))
}

/// Sums the first line of `/proc/stat`, without idle and waiting for I/O, and without the
/// guests' time, which is in the user's already.
fn busy_steps(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let [
        user,
        nice,
        system,
        _idle,
        _io_wait,
        irq,
        soft_irq,
        steal,
        ..,
    ] = fields[..]
    else {
        return None;
    };
    Some(user + nice + system + irq + soft_irq + steal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_line_is_summed() {
        let stat = "cpu  10 1 20 900 50 3 4 2 7 0\ncpu0 5 0 10 450 25 1 2 1 3 0\n";
        assert_eq!(busy_steps(stat), Some(40));
        assert_eq!(busy_steps("intr 5\n"), None);
        assert_eq!(busy_steps("cpu 1 2 3\n"), None);
    }

    #[test]
    fn work_shows_in_the_cpu_time() {
        let mark = Mark::now();
        let before = mark.took();
        // Ends only when work is counted as CPU time; other tests of this process may add theirs.
        while mark.took().cpu < before.cpu + Duration::from_millis(5) {}
        let worked = mark.took();
        assert!(worked.wall > before.wall, "{before:?} {worked:?}");
    }
}
