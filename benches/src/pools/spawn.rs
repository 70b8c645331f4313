//! What a spawned job costs that captures 24 bytes: a million of them, from the first spawn
//! until the last has run.
//!
//! They come from a thread outside the pool, from a job inside it, or from two threads outside.
//!
//! # Protocol
//! A common counter would cost more than the jobs of the better pools, so each thread that runs
//! jobs counts for itself, in memory that nobody else writes. The producer's thread adds the
//! counts up until all jobs have ended. Between two looks it sleeps: it would take a core from
//! the workers, and no pool has a wait for "all jobs so far" that all of them could use. A look
//! that comes late adds less than a thousandth to the figure.

use std::cell::Cell;
use std::time::Duration;

use anyhow::ensure;
use exec_core::sync::Mutex;
use exec_core::sync::atomic::{AtomicU64, Ordering};

use super::subjects::{Basic, Book, Rayon, RayonOnOurs, Spawn, Threadpool, Workstealing, start};
use super::{OURS, RAYON_ON_OURS};
use crate::bars::{Bar, Bench, Figure, Judged, PER_JOB, Subject};
use crate::usage::Mark;

/// Time between two looks at the counts.
const LOOK: Duration = Duration::from_micros(20);

/// What the jobs of one measurement add up.
struct Tally {
    /// One a thread that has run a job.
    slots: Mutex<Vec<&'static Slot>>,
}

/// What one thread has run; it alone writes here, so that its lines stay with it.
#[derive(Default)]
#[repr(align(128))]
struct Slot {
    ended: AtomicU64,
    sum: AtomicU64,
}

thread_local! {
    /// This thread's slot; a thread runs the jobs of one measurement only, that of its pool.
    static SLOT: Cell<Option<&'static Slot>> = const { Cell::new(None) };
}

impl Tally {
    fn new() -> &'static Self {
        Box::leak(Box::new(Self {
            slots: Mutex::new(Vec::new()),
        }))
    }

    #[inline]
    fn add(&self, value: u64) {
        let slot = SLOT.get().unwrap_or_else(|| self.join());
        let sum = slot.sum.load(Ordering::Relaxed) + value;
        slot.sum.store(sum, Ordering::Relaxed);
        let ended = slot.ended.load(Ordering::Relaxed) + 1;
        // ORDERING: Release, for the Acquire of `totals`: who sees the count sees the sum.
        slot.ended.store(ended, Ordering::Release);
    }

    #[cold]
    fn join(&self) -> &'static Slot {
        let slot: &'static Slot = Box::leak(Box::default());
        self.slots.lock().push(slot);
        SLOT.set(Some(slot));
        slot
    }

    /// The jobs that have ended, and their sum.
    fn totals(&self) -> (u64, u64) {
        let slots = self.slots.lock();
        slots.iter().fold((0, 0), |(ended, sum), slot| {
            // ORDERING: Acquire, for the Release of `add`.
            let more = slot.ended.load(Ordering::Acquire);
            (ended + more, sum + slot.sum.load(Ordering::Relaxed))
        })
    }
}

/// One job: a pointer and two numbers, 24 bytes.
#[inline]
fn job(tally: &'static Tally, number: u64) -> impl FnOnce() + Send + 'static {
    type Capture = (&'static Tally, u64, u64);
    const {
        assert!(size_of::<Capture>() == 24);
    }
    let capture: Capture = (tally, number, 1);
    move || {
        let (tally, a, b) = capture;
        tally.add(a + b);
    }
}

/// Queues the jobs of a range of numbers.
fn produce<P: Spawn>(pool: &P, tally: &'static Tally, numbers: std::ops::Range<u64>) {
    for number in numbers {
        pool.spawn(job(tally, number));
    }
}

/// Times what `produce` queues until all of it has run, and checks that each job ran once.
fn measure<P: Spawn>(
    cpus: usize,
    jobs: u64,
    produce: impl FnOnce(&'static P, &'static Tally),
) -> anyhow::Result<Figure> {
    let pool = start::<P>(cpus)?;
    let tally = Tally::new();
    let mark = Mark::now();
    produce(pool, tally);
    while tally.totals().0 < jobs {
        std::thread::sleep(LOOK);
    }
    let took = mark.took();
    let (totals, expected) = (tally.totals(), (jobs, jobs * (jobs + 1) / 2));
    ensure!(
        totals == expected,
        "jobs were lost or run twice: {totals:?} instead of {expected:?}"
    );
    Ok(Figure::new(took, jobs))
}

fn outside<P: Spawn>(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    measure::<P>(cpus, jobs, |pool, tally| produce(pool, tally, 0..jobs))
}

fn inside<P: Spawn>(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    measure::<P>(cpus, jobs, |pool, tally| {
        pool.spawn(move || produce(pool, tally, 0..jobs));
    })
}

fn two_producers<P: Spawn>(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    measure::<P>(cpus, jobs, |pool, tally| {
        std::thread::scope(|threads| {
            threads.spawn(|| produce(pool, tally, 0..jobs / 2));
            threads.spawn(|| produce(pool, tally, jobs / 2..jobs));
        });
    })
}

const JOBS: u64 = 1_000_000;

/// Every subject of one question.
macro_rules! subjects {
    ($measure:ident) => {
        &[
            subject(OURS, $measure::<Workstealing>),
            subject("pool-basic", $measure::<Basic>),
            subject("rayon", $measure::<Rayon>),
            subject(RAYON_ON_OURS, $measure::<RayonOnOurs>),
            #[cfg(forte)]
            subject("forte", $measure::<super::forte::Forte>),
            subject("threadpool", $measure::<Threadpool>),
            subject("book", $measure::<Book>),
            #[cfg(feature = "peers")]
            subject("executors-ws", $measure::<super::subjects::ExecutorsWs>),
        ]
    };
}

const fn subject(name: &'static str, measure: crate::bars::Measure) -> Subject {
    Subject {
        name,
        jobs: JOBS,
        measure,
    }
}

const fn bench(
    name: &'static str,
    subjects: &'static [Subject],
    bars: &'static [&'static [Bar]],
) -> Bench {
    Bench {
        name,
        subjects,
        without: "way to spawn a job",
        metrics: PER_JOB,
        judged: Judged::Wall,
        bars,
    }
}

/// From a thread outside.
pub(super) const OUTSIDE: Bench = bench(
    "spawn_outside",
    subjects!(outside),
    &[
        &[Bar::ratio(OURS, "book", 0.5)],
        &[Bar::ratio(OURS, "rayon", 0.3)],
    ],
);

/// From a job inside.
pub(super) const INSIDE: Bench = bench(
    "spawn_inside",
    subjects!(inside),
    &[&[Bar::ratio(OURS, "executors-ws", 0.6)]],
);

/// From two threads outside.
pub(super) const TWO_PRODUCERS: Bench = bench(
    "spawn_2producers",
    subjects!(two_producers),
    &[&[Bar::ratio(OURS, "executors-ws", 1.0)]],
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watchdog;

    #[test]
    fn every_subject_runs_each_job_once() {
        watchdog::run(|| {
            for bench in [OUTSIDE, INSIDE, TWO_PRODUCERS] {
                for subject in bench.subjects {
                    if subject.name == RAYON_ON_OURS {
                        // Another program's.
                        continue;
                    }
                    let figure = (subject.measure)(2, 1_001);
                    let figure = figure.unwrap_or_else(|error| {
                        panic!("{} of {}: {error}", subject.name, bench.name);
                    });
                    assert!(figure.wall_ns > 0.0, "{}", subject.name);
                }
            }
        });
    }

    #[test]
    fn a_job_that_runs_twice_is_no_figure() {
        let run = measure::<Book>(1, 10, |pool, tally| {
            // In order, on one worker: the second 0 is there when the count is reached.
            pool.call(move || produce_here(tally, 0..1));
            pool.call(move || produce_here(tally, 0..9));
        });
        let error = run.expect_err("0 twice, 9 never").to_string();
        assert!(error.contains("(10, 46) instead of (10, 55)"), "{error}");
    }

    fn produce_here(tally: &'static Tally, numbers: std::ops::Range<u64>) {
        numbers.for_each(|number| job(tally, number)());
    }
}
