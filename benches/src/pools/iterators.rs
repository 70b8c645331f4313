//! rayon's parallel iterators on its own core and on ours.
//!
//! The programs are the same lines; the thread that calls them is outside the pool, as the
//! main thread of a program is. Values are `u64`.

use std::hint::black_box;

use anyhow::ensure;
use rayon::prelude::*;
use record::metric;

use super::RAYON_ON_OURS;
use super::subjects::check_core;
use crate::bars::{Bar, Bench, CPU_NS_PER_JOB, Figure, Judged, Measure, Subject};
use crate::usage::{Mark, Took};

/// Values of the large inputs; unoptimised code has less to do.
const LARGE: usize = if cfg!(test) { 100_000 } else { 10_000_000 };
/// Values of the small one.
const SMALL: usize = 10_000;

/// Gives the global pool so many threads; later calls are for tests and change nothing.
fn start(on_ours: bool, cpus: usize) -> anyhow::Result<()> {
    check_core(on_ours)?;
    let built = rayon::ThreadPoolBuilder::new()
        .num_threads(cpus)
        .build_global();
    ensure!(
        built.is_ok() || rayon::current_num_threads() > 0,
        "could not start the threads: {built:?}"
    );
    Ok(())
}

/// Numbers without order.
fn scattered(len: usize) -> Vec<u64> {
    (0..len as u64).map(workloads::mix::mix).collect()
}

/// Repeats a program that makes something of the input, and checks each thing.
fn repeat<T>(
    runs: u64,
    program: impl Fn() -> T,
    check: impl Fn(T) -> anyhow::Result<()>,
) -> anyhow::Result<Figure> {
    check(program())?;
    let mut last = None;
    let mark = Mark::now();
    for _ in 0..runs {
        // Dropping the result of the run before is a part of the program.
        last = Some(black_box(program()));
    }
    let took = mark.took();
    last.map_or(Ok(()), check)?;
    Ok(Figure::new(took, runs))
}

fn sum_squares<const ON_OURS: bool>(cpus: usize, runs: u64) -> anyhow::Result<Figure> {
    start(ON_OURS, cpus)?;
    let values: Vec<u64> = (0..LARGE as u64).collect();
    let n = LARGE as u128;
    let expected = ((n - 1) * n * (2 * n - 1) / 6) as u64;
    repeat(
        runs,
        || {
            black_box(&values)
                .par_iter()
                .map(|x| x.wrapping_mul(*x))
                .reduce(|| 0, u64::wrapping_add)
        },
        |sum: u64| {
            ensure!(sum == expected, "wrong sum: {sum} instead of {expected}");
            Ok(())
        },
    )
}

fn map_collect<const ON_OURS: bool>(cpus: usize, runs: u64) -> anyhow::Result<Figure> {
    start(ON_OURS, cpus)?;
    let values: Vec<u64> = (0..LARGE as u64).collect();
    repeat(
        runs,
        || black_box(&values).par_iter().map(|x| 3 * x + 1).collect(),
        |mapped: Vec<u64>| {
            let right = |(at, x): (usize, &u64)| *x == 3 * at as u64 + 1;
            ensure!(
                mapped.len() == LARGE && mapped.iter().enumerate().all(right),
                "a value is wrong"
            );
            Ok(())
        },
    )
}

fn sort<const ON_OURS: bool>(cpus: usize, runs: u64) -> anyhow::Result<Figure> {
    start(ON_OURS, cpus)?;
    let values = scattered(LARGE);
    let mut sum = Took {
        wall: std::time::Duration::ZERO,
        cpu: std::time::Duration::ZERO,
        foreign: None,
    };
    for _ in 0..runs {
        // The copy is made anew and isn't measured.
        let mut copy = values.clone();
        let mark = Mark::now();
        copy.par_sort_unstable();
        let took = mark.took();
        ensure!(
            copy.len() == LARGE && copy.is_sorted(),
            "the result isn't sorted"
        );
        sum.wall += took.wall;
        sum.cpu += took.cpu;
        sum.foreign = took.foreign;
    }
    Ok(Figure::new(sum, runs))
}

fn small_sum<const ON_OURS: bool>(cpus: usize, runs: u64) -> anyhow::Result<Figure> {
    start(ON_OURS, cpus)?;
    let values: Vec<u64> = (0..SMALL as u64).collect();
    let n = SMALL as u64;
    let expected = (n - 1) * n / 2;
    repeat(
        runs,
        || black_box(&values).par_iter().sum(),
        |sum: u64| {
            ensure!(sum == expected, "wrong sum: {sum} instead of {expected}");
            Ok(())
        },
    )
}

const fn bench(
    name: &'static str,
    subjects: &'static [Subject; 2],
    bars: &'static [&'static [Bar]],
) -> Bench {
    Bench {
        name,
        subjects,
        without: "parallel iterators",
        metrics: &[(metric::TIME, Judged::Wall), (CPU_NS_PER_JOB, Judged::Cpu)],
        judged: Judged::Wall,
        bars,
    }
}

const fn subjects(runs: u64, rayon: Measure, on_ours: Measure) -> [Subject; 2] {
    [
        Subject {
            name: "rayon",
            jobs: runs,
            measure: rayon,
        },
        Subject {
            name: RAYON_ON_OURS,
            jobs: runs,
            measure: on_ours,
        },
    ]
}

const AS_FAST: &[&[Bar]] = &[&[Bar::ratio(RAYON_ON_OURS, "rayon", 1.0)]];

/// A sum of squares of 10 million values.
pub(super) const SUM_SQUARES: Bench = bench(
    "sum_squares_10M",
    &subjects(20, sum_squares::<false>, sum_squares::<true>),
    AS_FAST,
);

/// A new vector of 10 million values.
pub(super) const MAP_COLLECT: Bench = bench(
    "map_collect_10M",
    &subjects(10, map_collect::<false>, map_collect::<true>),
    AS_FAST,
);

/// An unstable sort of 10 million values.
pub(super) const SORT: Bench = bench(
    "sort_10M",
    &subjects(3, sort::<false>, sort::<true>),
    AS_FAST,
);

/// A sum of 10 thousand values.
pub(super) const SMALL_SUM: Bench = bench(
    "sum_10k",
    &subjects(10_000, small_sum::<false>, small_sum::<true>),
    &[&[Bar::ratio(RAYON_ON_OURS, "rayon", 0.5)]],
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watchdog;

    #[test]
    fn rayon_answers_right() {
        watchdog::run(|| {
            for bench in [SUM_SQUARES, MAP_COLLECT, SORT, SMALL_SUM] {
                let measure = bench.subjects[0].measure;
                let figure =
                    measure(2, 1).unwrap_or_else(|error| panic!("{}: {error}", bench.name));
                assert!(figure.wall_ns > 0.0, "{}", bench.name);
            }
        });
    }

    #[test]
    fn a_wrong_result_is_no_figure() {
        let check = |result: u64| {
            ensure!(result == 1, "wrong");
            Ok(())
        };
        assert!(repeat(2, || 1, check).is_ok());
        assert!(repeat(2, || 2, check).is_err());
    }

    #[test]
    fn a_program_without_our_core_does_not_measure_it() {
        assert!((SMALL_SUM.subjects[1].measure)(2, 1).is_err());
    }
}
