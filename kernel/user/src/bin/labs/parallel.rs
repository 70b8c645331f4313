//! `parallel`: the same work on one processor and on all.
//!
//! `fork-join` halves a range down to small pieces, `sum` is a few equal jobs without anything in
//! common. Each is run on one processor first, and then on all: the speed-up is the first time by
//! the second, and the efficiency the speed-up a processor.

use alloc::string::String;
use alloc::vec::Vec;

use exec_core::Handle;
use workloads::mix::churn;

use super::case::{Case, Model, Reading, Setting, confine, failed, timed};

/// Rounds of the whole work.
fn rounds(setting: &Setting) -> u64 {
    setting.pick(4_000_000, 20_000_000)
}

/// Pieces of `fork-join`, and of `sum`.
const PIECES: u64 = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    ForkJoin,
    Sum,
}

pub(crate) fn cases(setting: &Setting) -> Vec<Case> {
    let setting = *setting;
    let mut cases = Vec::new();
    for (bench, shape) in [
        ("parallel/fork-join", Shape::ForkJoin),
        ("parallel/sum", Shape::Sum),
    ] {
        for model in Model::ALL {
            cases.push(Case::new(bench, model.name(), move || {
                run(model, shape, &setting)
            }));
        }
    }
    cases
}

fn run(model: Model, shape: Shape, setting: &Setting) -> Result<Reading, String> {
    let all = setting.cpus;
    let time = |cpus: usize| -> Result<u64, String> {
        confine(cpus)?;
        let handle = model.build(cpus)?;
        let piece = rounds(setting) / PIECES;
        // The stacks, and the workers' first steps.
        work(shape, &handle, 1)?;
        let (sum, region) = timed(|| work(shape, &handle, piece));
        match sum? == serial(piece) {
            true => Ok(region.ns()),
            false => Err("a wrong sum".into()),
        }
    };
    let one = time(1)?;
    let reading = |ns: u64| Reading::default().with("time", ns as f64);
    if all < 2 {
        return Ok(reading(one));
    }
    let many = time(all)?;
    let speed_up = one as f64 / many as f64;
    Ok(reading(many)
        .with("speed_up", speed_up)
        .with("efficiency", speed_up / all as f64))
}

fn work(shape: Shape, handle: &Handle, piece: u64) -> Result<u64, String> {
    match shape {
        Shape::ForkJoin => Ok(halves(handle, 0, PIECES, piece)),
        Shape::Sum => {
            let jobs: Vec<_> = (0..PIECES)
                .map(|seed| handle.spawn(move || churn(seed, piece)))
                .collect();
            jobs.into_iter().try_fold(0_u64, |sum, job| {
                Ok(sum.wrapping_add(job.join().map_err(failed("a job"))?))
            })
        }
    }
}

fn halves(handle: &Handle, from: u64, to: u64, piece: u64) -> u64 {
    if to - from == 1 {
        return churn(from, piece);
    }
    let middle = from.midpoint(to);
    let (low, high) = handle.join(
        || halves(handle, from, middle, piece),
        || halves(handle, middle, to, piece),
    );
    low.wrapping_add(high)
}

fn serial(piece: u64) -> u64 {
    (0..PIECES).fold(0, |sum, seed| sum.wrapping_add(churn(seed, piece)))
}
