//! `create`: what one unit of execution costs to make and to end.
//!
//! # Parts
//! * `time/N`: N units are made, then all are waited for, again and again until there is enough to
//!   time. Time, CPU time and context switches are a unit's share, those of child processes
//!   included.
//! * `memory/N`: N units exist and wait: processes for a byte, threads for a gate, tasks for ever,
//!   jobs of a pool in its queue, whose workers are kept busy. A unit's share is what the process
//!   and its children have grown by ([`memory`]).
//! * `calls/N`: the system calls of N units, counted by a tracer ([`calls`]).
//!
//! # Units
//! A process is started as std does it (fork and exec in one), or by `fork` alone. A job is what
//! `Handle::spawn` makes; of the two async executors the unit is a task. A `-native` subject is the
//! peer without our trait.

mod calls;
mod gate;
mod kind;
mod limits;
mod memory;
mod processes;
mod tasks;
mod threads;

pub(super) use self::processes::init;

use std::time::{Duration, Instant};

use record::Reading;

use self::kind::{Kind, Units};
use self::limits::Limits;
use super::{Case, Setting, timed};

/// How many units' system calls are counted: enough that what they share is little.
const SOME: u64 = 100;

/// How many units are made before others are counted or weighed: threads have run, and what is
/// allocated once is there.
const FEW: u64 = 10;

/// The cases.
pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let setting = *setting;
    let mut cases = Vec::new();
    for kind in Kind::all() {
        for units in sizes(kind.most(&setting), &setting) {
            cases.push(case(&setting, "time", units, kind, move |units| {
                time(kind, units, &setting)
            }));
        }
    }
    for kind in Kind::all() {
        let waiting = kind.waiting(&setting);
        for units in sizes(*waiting.end(), &setting).filter(|units| waiting.contains(units)) {
            cases.push(case(&setting, "memory", units, kind, move |units| {
                let mut maker = kind.build(setting.cpus)?;
                if !kind.is_process() {
                    maker.make(FEW)?;
                }
                memory::measure(&mut *maker, units)
            }));
        }
    }
    for kind in Kind::all() {
        let count = move |units| calls::count(kind, units, &setting);
        cases.push(case(&setting, "calls", SOME, kind, count));
    }
    cases
}

/// A case of so many units, or of as many as the system allows.
fn case(
    setting: &Setting,
    part: &str,
    units: u64,
    kind: Kind,
    measure: impl Fn(u64) -> anyhow::Result<Reading> + Send + Sync + 'static,
) -> Case {
    let run = move || {
        let allowed = Limits::of_this_system().allow(kind.needs(), units)?;
        let reading = measure(allowed.units)?;
        Ok(match allowed.why {
            Some(why) => reading.with_note(why),
            None => reading,
        })
    };
    let limit = setting.pick(Duration::from_secs(30), Duration::from_secs(120));
    Case::new(format!("create/{part}/{units}"), kind.name(), run).within(limit)
}

/// How many units exist at once: a power of ten, up to the most.
fn sizes(most: u64, setting: &Setting) -> impl Iterator<Item = u64> {
    let step = setting.pick(100, 10);
    std::iter::successors(Some(1), move |units| Some(units * step))
        .take_while(move |units| *units <= most)
}

/// How many units are made before the clock starts, at most.
const WARM_UP: u64 = 1_000;

fn time(kind: Kind, units: u64, setting: &Setting) -> anyhow::Result<Reading> {
    let mut maker = kind.build(setting.cpus)?;
    maker.make(units.min(WARM_UP))?;
    let enough = setting.pick(Duration::from_millis(20), Duration::from_millis(200));
    let before = maker.elsewhere()?;
    let (made, mut region) = timed(|| repeat(&mut *maker, units, enough));
    let after = maker.elsewhere()?;
    region.took.cpu += after.cpu.saturating_sub(before.cpu);
    region.switches += after.switches - before.switches;
    if kind.is_process() {
        // What the system counts as others' has the children's own time in it.
        region.took.foreign = None;
    }
    Ok(region.a_unit(made?))
}

/// Makes the units again and again, and says how many there were in all.
fn repeat(maker: &mut dyn Units, units: u64, enough: Duration) -> anyhow::Result<u64> {
    let start = Instant::now();
    let mut made = 0;
    while made == 0 || start.elapsed() < enough {
        maker.make(units)?;
        made += units;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_grow_by_decades() {
        let sizes = |quick, most| sizes(most, &Setting { quick, cpus: 2 }).collect::<Vec<_>>();
        assert_eq!(sizes(true, 10_000), [1, 100, 10_000]);
        assert_eq!(sizes(false, 1_000), [1, 10, 100, 1_000]);
        assert_eq!(sizes(false, 1_000_000).len(), 7);
    }

    #[test]
    fn every_kind_that_needs_no_program_makes_what_was_asked() {
        crate::watchdog::run(|| {
            let here = |kind: &Kind| !matches!(kind, Kind::ProcessExec | Kind::PoolProcess);
            for kind in Kind::all().filter(here) {
                let mut maker = kind.build(2).expect("two threads can be had");
                maker.make(3).expect("three of each can be had");
                let made = repeat(&mut *maker, 2, Duration::ZERO);
                assert_eq!(made.expect("two can be had"), 2, "{}", kind.name());
            }
        });
    }
}
