//! `parallel`: what a second CPU is worth.
//!
//! # Protocol of a case
//! 1. The problem is solved once by a [`Counting`] crew, which runs everything in order and counts:
//!    the *work* is all steps, the *span* the steps on the longest path, that is those that would be
//!    left with CPUs without end. A step is one call of fib, one element, one comparison of a sort's
//!    usual n log n, one node, one round of a stage; forking and joining count nothing, so that the
//!    bound, the smaller of the CPUs and work / span, is one that nobody gets beyond.
//! 2. The serial program, the model with one worker, and the model with as many as there are CPUs
//!    solve it in turns; a run before these isn't measured. The model with one worker may use one CPU
//!    only, which is how a model without workers is held to it. The problem is a job of the model (the
//!    stages of the pipeline are), so that the thread that asks only waits.
//! 3. Every answer is held against the serial program's.
//!
//! # Figures
//! Times are medians; time and CPU time are those with all CPUs. The speed-up is the serial time over
//! that time; the efficiency is the speed-up a CPU.

mod counting;
mod crew;
mod data;
mod fork_join;
mod pipeline;
mod problem;
mod tree_search;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use record::{Model, Reading, machine, metric};

use self::counting::Counting;
use self::crew::{Crew, RayonNative, Serial, StealingNative};
use self::problem::{Answer, Input, Problem};
use super::{Case, Setting};
use crate::cpus;
use crate::model;
use crate::usage::{self, Mark};

/// The cases.
pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let setting = *setting;
    let mut cases = Vec::new();
    for &problem in Problem::ALL {
        let bench = format!("parallel/{}", problem.name());
        for &model in Model::ALL {
            cases.push(Case::new(&bench, model.name(), move || {
                measure(problem, &setting, |cpus| model::build(model, cpus))
            }));
        }
        if problem.has_native() {
            cases.push(Case::new(&bench, "pool-workstealing-native", move || {
                measure(problem, &setting, StealingNative::new)
            }));
            cases.push(Case::new(&bench, "rayon-native", move || {
                measure(problem, &setting, RayonNative::new)
            }));
        }
    }
    let limit = setting.pick(Duration::from_secs(30), Duration::from_secs(120));
    cases.into_iter().map(|case| case.within(limit)).collect()
}

/// The smaller of the CPUs and work / span.
fn bound(cpus: usize, work: u64, span: u64) -> f64 {
    (work as f64 / span.max(1) as f64).min(cpus as f64)
}

fn measure<C: Crew>(
    problem: Problem,
    setting: &Setting,
    build: impl Fn(usize) -> anyhow::Result<C>,
) -> anyhow::Result<Reading> {
    let input = Input::of(problem, setting.quick);
    let counting = Counting::default();
    let expected = problem.solve(&counting, input.clone())?;
    let (work, span) = counting.seen();

    let first = *cpus::allowed()?.first().context("no CPU is allowed")?;
    let one = cpus::elsewhere(first, || build(1))??;
    let all = build(setting.cpus)?;
    let by_one = || cpus::elsewhere(first, || solve(problem, &one, &input, &expected))?;
    let by_all = || solve(problem, &all, &input, &expected);
    let serially = || solve(problem, &Serial, &input, &expected);

    serially()?;
    by_one()?;
    by_all()?;
    let turns = setting.pick(3, 7);
    let mark = Mark::now();
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut cpu = Vec::new();
    for _ in 0..turns {
        let [serial, one, before] = [serially()?, by_one()?, usage::cpu()?];
        let all = by_all()?;
        cpu.push(nanos(usage::cpu()?.saturating_sub(before)));
        for (times, time) in times.iter_mut().zip([serial, one, all]) {
            times.push(nanos(time));
        }
    }
    let [serial, one_worker, all_workers] = times.map(median);
    let speed_up = serial / all_workers;
    let reading = Reading {
        foreign: mark.took().foreign,
        mhz: machine::mhz(),
        ..Reading::default()
    };
    Ok(reading
        .with(&metric::TIME, all_workers)
        .with(&metric::CPU_TIME, median(cpu))
        .with(&metric::ONE_WORKER, one_worker)
        .with(&metric::SERIAL, serial)
        .with(&metric::SPEED_UP, speed_up)
        .with(&metric::SPEED_UP_BOUND, bound(setting.cpus, work, span))
        .with(&metric::EFFICIENCY, speed_up / setting.cpus as f64))
}

/// Solves it once, checks the answer, and says what it took.
fn solve<C: Crew>(
    problem: Problem,
    crew: &C,
    input: &Input,
    expected: &Answer,
) -> anyhow::Result<Duration> {
    let input = input.clone();
    let start = Instant::now();
    let answer = if problem.is_a_job() {
        crew.enter(move |crew| problem.solve(crew, input))??
    } else {
        problem.solve(crew, input)?
    };
    let time = start.elapsed();
    ensure!(answer == *expected, "a wrong answer to {}", problem.name());
    Ok(time)
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_the_smaller_one() {
        assert_eq!(bound(4, 100, 50), 2.0);
        assert_eq!(bound(4, 100, 1), 4.0);
        assert_eq!(bound(4, 0, 0), 0.0);
    }

    #[test]
    fn every_crew_solves_every_problem() {
        crate::watchdog::run(|| {
            for &problem in Problem::ALL {
                let input = Input::small(problem);
                let expected = problem.solve(&Serial, input.clone()).expect("it can be");
                let counting = Counting::default();
                let counted = problem.solve(&counting, input.clone()).expect("it can be");
                assert_eq!(counted, expected, "{}", problem.name());
                let (work, span) = counting.seen();
                assert!(span > 0 && work > span, "{}: {work} {span}", problem.name());
                for &model in Model::ALL {
                    for workers in [1, 2] {
                        let crew = model::build(model, workers).expect("two threads can be had");
                        let solved = solve(problem, &crew, &input, &expected);
                        solved.unwrap_or_else(|error| panic!("{model}: {error:#}"));
                    }
                }
                if problem.has_native() {
                    let crew = StealingNative::new(2).expect("two threads can be had");
                    solve(problem, &crew, &input, &expected).expect("the right answer");
                    let crew = RayonNative::new(2).expect("two threads can be had");
                    solve(problem, &crew, &input, &expected).expect("the right answer");
                }
            }
        });
    }
}
