//! `switch`: what it costs to run somebody else.
//!
//! Two sides hand a turn to and fro; a switch is half of a round trip. The sides are processes,
//! threads or tasks, and they differ in how one waits: by blocking in a pipe, in a futex (park, or a
//! lock and a condition variable), or by giving way until it is its turn.
//!
//! # Parts
//! * `same-cpu`: both sides are pinned to one CPU, so that each hand-over is a context switch, and
//!   nothing else runs in between.
//! * `two-cpus`: each side has a CPU of its own, so that each hand-over wakes a CPU. Tasks wake each
//!   other across two runtimes of one worker each; who gives way has nobody to give way to, and is
//!   left out.
//! * `working-set/BYTES`: on one CPU, each side also walks over a working set of its own before it
//!   hands over, line by line, each line naming the next. What such a switch takes beyond a walk
//!   without a switch is the switch and the caches that the other side has used meanwhile. Walks with
//!   and without switches are measured in turns; the figure is the median of their differences.
//!
//! # Counts
//! Beside the time stand the context switches of all threads concerned, as the system counts them in
//! `/proc/ID/task/*/status`. Who gives way counts as involuntary there: it could have gone on. Tasks
//! switch without the system's knowledge, which is the point of them.

mod pair;
mod processes;
mod tasks;
mod threads;
mod working_set;

pub(super) use self::processes::init;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use record::{Reading, machine, metric};

use self::pair::{Cpus, Pair, Side};
use self::working_set::WorkingSet;
use super::{Case, Setting, timed};
use crate::cpus;
use crate::switches::Switches;
use crate::usage::{self, Mark};

/// The working sets of a run: from what fits beside anything, to what no cache of a core holds.
const SETS: [&[usize]; 2] = [
    &[4 << 10, 64 << 10, 1 << 20, 4 << 20],
    &[
        4 << 10,
        16 << 10,
        64 << 10,
        256 << 10,
        1 << 20,
        4 << 20,
        16 << 20,
    ],
];

/// The cases.
pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let setting = *setting;
    let mut cases = Vec::new();
    for side in Side::ALL {
        cases.push(Case::new("switch/same-cpu", side.name(), move || {
            hand_over(*side, Cpus::Same, &setting)
        }));
    }
    for side in Side::ALL.iter().filter(|side| side.waits()) {
        cases.push(Case::new("switch/two-cpus", side.name(), move || {
            hand_over(*side, Cpus::Two, &setting)
        }));
    }
    let [full, quick] = [SETS[1], SETS[0]];
    for bytes in setting.pick(quick, full) {
        for side in Side::WITH_SETS {
            let bench = format!("switch/working-set/{bytes}");
            cases.push(Case::new(bench, side.name(), move || {
                with_a_set(*side, *bytes, &setting)
            }));
        }
    }
    cases
}

/// Pins this thread, and says where the other side goes.
fn place(on: Cpus) -> anyhow::Result<usize> {
    let allowed = cpus::allowed()?;
    let first = *allowed.first().context("no CPU is allowed")?;
    let other = match on {
        Cpus::Same => first,
        Cpus::Two => *allowed.get(1).context(
            "it needs two CPUs, and this process may use one: raise --cpus, or its affinity",
        )?,
    };
    cpus::pin(first)?;
    Ok(other)
}

fn hand_over(side: Side, on: Cpus, setting: &Setting) -> anyhow::Result<Reading> {
    let other = place(on)?;
    let mut pair = side.build(other, &Arc::new(WorkingSet::new(0)))?;
    let a_while = match on {
        Cpus::Same => side.a_while(),
        Cpus::Two => side.a_while().min(100),
    };
    pair.go(a_while)?;
    let enough = setting.pick(Duration::from_millis(40), Duration::from_millis(400));
    let before = (switches(&*pair)?, cpu(&*pair)?);
    let (turns, mut region) = timed(|| {
        let start = Instant::now();
        let mut turns = 0;
        while start.elapsed() < enough {
            pair.go(a_while)?;
            turns += a_while;
        }
        anyhow::Ok(turns)
    });
    region.took.cpu = cpu(&*pair)?.saturating_sub(before.1);
    region.switches = switches(&*pair)? - before.0;
    if side == Side::ProcessPipe {
        // What the system counts as others' has the other side's own time in it.
        region.took.foreign = None;
    }
    Ok(region.a_unit(2 * turns?))
}

/// The CPU time of both sides so far.
fn cpu(pair: &dyn Pair) -> anyhow::Result<Duration> {
    Ok(usage::cpu()? + pair.cpu_elsewhere()?)
}

/// The context switches of both sides so far, and of all threads beside them.
fn switches(pair: &dyn Pair) -> anyhow::Result<Switches> {
    let mut all = Switches::of_threads(std::process::id().cast_signed())?;
    all += pair.switches_elsewhere()?;
    Ok(all)
}

/// How often walks with and without switches are held against each other.
const BLOCKS: usize = 7;

/// What a piece of work took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

fn with_a_set(side: Side, bytes: usize, setting: &Setting) -> anyhow::Result<Reading> {
    let other = place(Cpus::Same)?;
    let set = Arc::new(WorkingSet::new(bytes));
    let mut pair = side.build(other, &set)?;
    pair.go(2)?;
    let turns = turns_of_a_block(&set, setting)?;
    let mut blocks = Vec::new();
    let mark = Mark::now();
    let before = switches(&*pair)?;
    for _ in 0..BLOCKS {
        // The set was driven out by the other side's: the first walk brings it back.
        set.walk()?;
        let alone = cost(&mut *pair, |_| (0..2 * turns).try_for_each(|_| set.walk()))?;
        let both = cost(&mut *pair, |pair| pair.go(turns))?;
        blocks.push([alone, both]);
    }
    let switches = switches(&*pair)? - before;
    let all = (2 * turns * BLOCKS as u64) as f64;
    let mut reading = compare(&blocks, 2 * turns)?
        .with(&metric::VOLUNTARY_SWITCHES, switches.voluntary as f64 / all)
        .with(
            &metric::INVOLUNTARY_SWITCHES,
            switches.involuntary as f64 / all,
        );
    reading.mhz = machine::mhz();
    if side != Side::ProcessPipe {
        reading.foreign = mark.took().foreign;
    }
    Ok(reading)
}

fn cost(
    pair: &mut dyn Pair,
    work: impl FnOnce(&mut dyn Pair) -> anyhow::Result<()>,
) -> anyhow::Result<Cost> {
    let before = cpu(pair)?;
    let start = Instant::now();
    work(pair)?;
    let wall = start.elapsed();
    Ok(Cost {
        wall,
        cpu: cpu(pair)?.saturating_sub(before),
    })
}

/// So many turns that a block of walks takes some milliseconds.
fn turns_of_a_block(set: &WorkingSet, setting: &Setting) -> anyhow::Result<u64> {
    let block = setting.pick(Duration::from_millis(2), Duration::from_millis(20));
    let before = usage::cpu()?;
    for _ in 0..3 {
        set.walk()?;
    }
    let a_walk = (usage::cpu()? - before).as_nanos() / 3;
    let turns = block.as_nanos() / (2 * a_walk).max(1);
    Ok(u64::try_from(turns).unwrap_or(u64::MAX).clamp(3, 2_000))
}

/// The figures of blocks: what so many walks cost without switches, and with them.
fn compare(blocks: &[[Cost; 2]], walks: u64) -> anyhow::Result<Reading> {
    let each = |time: Duration| time.as_secs_f64() * 1e9 / walks as f64;
    let beyond = |of: fn(&Cost) -> Duration| {
        median(
            blocks
                .iter()
                .map(|[alone, both]| each(of(both)) - each(of(alone))),
        )
    };
    let alone = median(blocks.iter().map(|[alone, _]| each(alone.wall)))?;
    let mut reading = Reading::default();
    for (metric, figure) in [
        (&metric::TIME, beyond(|cost| cost.wall)?),
        (&metric::CPU_TIME, beyond(|cost| cost.cpu)?),
    ] {
        if figure > 0.0 {
            reading = reading.with(metric, figure);
        } else {
            let note = format!(
                "{}: too little beside a walk to be told from none",
                metric.name
            );
            reading = reading.with_note(note);
        }
    }
    Ok(reading.with(&metric::WALK, alone))
}

fn median(figures: impl Iterator<Item = f64>) -> anyhow::Result<f64> {
    let mut figures: Vec<_> = figures.collect();
    ensure!(!figures.is_empty(), "nothing was measured");
    figures.sort_by(f64::total_cmp);
    Ok(figures[figures.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(alone: u64, both: u64) -> [Cost; 2] {
        let cost = |wall| Cost {
            wall: Duration::from_micros(wall),
            cpu: Duration::from_micros(7),
        };
        [cost(alone), cost(both)]
    }

    #[test]
    fn a_switch_is_what_lies_beyond_the_walk() {
        let blocks = [block(10, 14), block(10, 900), block(20, 25)];
        let reading = compare(&blocks, 10).expect("three blocks");
        let expected = [(metric::TIME.name, 500.0), (metric::WALK.name, 1_000.0)];
        assert_eq!(reading.figures.len(), expected.len(), "{reading:?}");
        for ((name, figure), (expected_name, expected)) in reading.figures.iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert!((figure - expected).abs() < 1e-6, "{name}: {figure}");
        }
    }

    #[test]
    fn a_difference_of_nothing_is_told() {
        let reading = compare(&[block(10, 10)], 10).expect("a block");
        assert_eq!(reading.figures.len(), 1, "the walk is known all the same");
        assert!(reading.note.is_some());
        assert!(compare(&[], 10).is_err());
    }

    #[test]
    fn both_sides_of_threads_and_tasks_take_turns() {
        // In a thread of its own: it pins itself.
        crate::watchdog::run(|| {
            for side in Side::ALL.iter().filter(|side| **side != Side::ProcessPipe) {
                let other = place(Cpus::Same).expect("a CPU");
                let set = Arc::new(WorkingSet::new(4_096));
                let mut pair = side.build(other, &set).expect("a thread can be had");
                for turns in [1, 10] {
                    pair.go(turns)
                        .unwrap_or_else(|error| panic!("{}: {error:#}", side.name()));
                }
            }
        });
    }
}
