//! What the system allows: how many processes, threads and how much memory are left.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{Uid, geteuid, getuid};
use procfs::process::{Process, all_processes};

/// What the system has to give for each unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// A process.
    Process,
    /// A thread of this process.
    Thread,
    /// Memory only.
    Memory,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Limit {
    /// What it is called where it is set.
    name: String,
    /// What it is set to.
    value: u64,
    /// What is left of it.
    left: u64,
}

/// The limits of this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    /// On threads, those of all processes.
    threads: Vec<Limit>,
    /// On mappings of this process.
    maps: Option<Limit>,
    /// On memory, in KiB.
    memory: Option<Limit>,
}

/// How many units may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) units: u64,
    /// Which limit made it fewer than was asked for.
    pub(super) why: Option<String>,
}

/// A thread has a stack and a guard.
const MAPS_A_THREAD: u64 = 2;

/// The most that a unit should take, in KiB: a process its own pages and the kernel's, a thread its
/// two stacks, a job or a task a few words.
const fn kib(needs: Needs) -> u64 {
    match needs {
        Needs::Process => 2_048,
        Needs::Thread => 64,
        Needs::Memory => 2,
    }
}

impl Limits {
    /// What is left now.
    pub(super) fn of_this_system() -> Self {
        let running = running_threads();
        let kernel = ["threads-max", "pid_max"].map(|name| {
            let value = number(format!("/proc/sys/kernel/{name}"))?;
            Some(Limit::of(format!("kernel.{name}"), value, running?))
        });
        let threads = kernel.into_iter().flatten();
        Self {
            threads: threads
                .chain(of_the_user())
                .chain(of_the_groups())
                .collect(),
            maps: of_maps(),
            memory: of_memory(),
        }
    }

    /// As many units as asked for, or as fit in three quarters of what is left.
    ///
    /// The rest is for others, and for what a unit needs beside itself.
    ///
    /// # Errors
    /// Where not even one fits.
    pub(super) fn allow(&self, needs: Needs, units: u64) -> anyhow::Result<Allowed> {
        let threads = self.threads.iter().filter(|_| needs != Needs::Memory);
        let maps = self.maps.iter().filter(|_| needs == Needs::Thread);
        let all = threads
            .map(|limit| (limit, 1))
            .chain(maps.map(|limit| (limit, MAPS_A_THREAD)))
            .chain(self.memory.iter().map(|limit| (limit, kib(needs))));
        let fit = |(limit, each): (&Limit, u64)| (limit.left / 4 * 3 / each, limit.clone());
        let Some((most, limit)) = all.map(fit).min_by_key(|(most, _)| *most) else {
            return Ok(Allowed { units, why: None });
        };
        let Limit { name, value, left } = limit;
        ensure!(
            most > 0,
            "{name} is {value}, of which {left} are left: not enough for one unit; raise it"
        );
        Ok(if most < units {
            let why =
                format!("{name} is {value}, of which {left} are left: {most} of {units} units");
            Allowed {
                units: most,
                why: Some(why),
            }
        } else {
            Allowed { units, why: None }
        })
    }
}

impl Limit {
    fn of(name: impl Into<String>, value: u64, used: u64) -> Self {
        Self {
            name: name.into(),
            value,
            left: value.saturating_sub(used),
        }
    }
}

fn number(path: impl AsRef<Path>) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// All threads of the system: the fourth word of `/proc/loadavg` is those that run and all.
fn running_threads() -> Option<u64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    let (_, all) = text.split_whitespace().nth(3)?.split_once('/')?;
    all.parse().ok()
}

/// The user's limit on threads, which doesn't hold for the system's own user.
fn of_the_user() -> Option<Limit> {
    let (value, _) = getrlimit(Resource::RLIMIT_NPROC).ok()?;
    if geteuid().is_root() || value == nix::libc::RLIM_INFINITY {
        return None;
    }
    let is_ours = |process: &Process| process.uid().is_ok_and(|id| Uid::from_raw(id) == getuid());
    let used = all_processes()
        .ok()?
        .flatten()
        .filter(is_ours)
        .filter_map(|process| Some(process.stat().ok()?.num_threads.unsigned_abs()))
        .sum();
    Some(Limit::of("RLIMIT_NPROC", value, used))
}

/// The limits of the control groups that this process is in, up to the root.
fn of_the_groups() -> Vec<Limit> {
    let Ok(groups) = Process::myself().and_then(|process| process.cgroups()) else {
        return Vec::new();
    };
    let mut limits = Vec::new();
    for group in groups {
        // The second version has one tree for all, the first one a tree for each controller.
        let root = match &group.controllers[..] {
            [] => PathBuf::from("/sys/fs/cgroup"),
            all if all.iter().any(|name| name == "pids") => PathBuf::from("/sys/fs/cgroup/pids"),
            _ => continue,
        };
        let folder = root.join(group.pathname.trim_start_matches('/'));
        for folder in folder
            .ancestors()
            .take_while(|folder| folder.starts_with(&root))
        {
            let max = number(folder.join("pids.max"));
            if let (Some(max), Some(used)) = (max, number(folder.join("pids.current"))) {
                limits.push(Limit::of("pids.max of the control group", max, used));
            }
        }
    }
    limits
}

/// The limit on mappings, of which every thread's stack is one.
fn of_maps() -> Option<Limit> {
    let used = Process::myself().and_then(|process| process.maps()).ok()?;
    let value = number("/proc/sys/vm/max_map_count")?;
    Some(Limit::of("vm.max_map_count", value, used.len() as u64))
}

/// The memory that could be had without pushing others out.
fn of_memory() -> Option<Limit> {
    use procfs::Current as _;
    let memory = procfs::Meminfo::current().ok()?;
    let (total, left) = (memory.mem_total / 1024, memory.mem_available? / 1024);
    let used = total.saturating_sub(left);
    Some(Limit::of("memory in KiB", total, used))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            threads: vec![Limit::of("user", 1_000, 200), Limit::of("group", 500, 100)],
            maps: Some(Limit::of("maps", 500, 100)),
            memory: Some(Limit::of("memory", 8_000_000, 0)),
        }
    }

    #[test]
    fn what_fits_is_allowed_in_full() {
        let all = Allowed {
            units: 150,
            why: None,
        };
        assert_eq!(limits().allow(Needs::Thread, 150).expect("they fit"), all);
        assert_eq!(limits().allow(Needs::Process, 150).expect("they fit"), all);
        let none = Limits::default().allow(Needs::Process, 150);
        assert_eq!(none.expect("no limit"), all);
    }

    #[test]
    fn the_narrowest_limit_is_named() {
        for (needs, units, name) in [
            (Needs::Process, 300, "group is 500, of which 400 are left"),
            (Needs::Thread, 150, "maps is 500, of which 400 are left"),
            (Needs::Memory, 3_000_000, "memory is 8000000"),
        ] {
            let allowed = limits().allow(needs, 10_000_000).expect("some fit");
            assert_eq!(allowed.units, units, "{needs:?}");
            let why = allowed.why.expect("fewer than asked for");
            assert!(why.starts_with(name), "{why}");
        }
    }

    #[test]
    fn where_none_fits_it_is_an_error_that_says_what_to_raise() {
        let mut limits = limits();
        limits.threads.push(Limit::of("group", 10, 10));
        let error = limits.allow(Needs::Process, 1).expect_err("none is left");
        assert!(error.to_string().contains("group is 10"), "{error}");
        assert!(limits.allow(Needs::Memory, 1).is_ok());
    }

    #[test]
    fn this_system_says_something() {
        let limits = Limits::of_this_system();
        assert!(!limits.threads.is_empty() && limits.memory.is_some());
        assert!(limits.allow(Needs::Thread, 1).is_ok());
    }
}
