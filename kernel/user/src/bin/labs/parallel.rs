//! `parallel`: the same work by a plain loop, and by a model on all processors.
//!
//! `fork-join` halves a range down to small pieces, `sum` is a few equal jobs without anything in
//! common. The loop, the model with one worker on one processor, and the model with all of them take
//! turns, every sum is checked, and the times are medians. The speed-up is the loop's time over the
//! model's with all, the efficiency the speed-up a processor. Forking has no steps of its own, so work
//! over span is the number of pieces, and the bound the processors.
//!
//! The host's other problems are left out: an emulator has no caches for what moves through memory, and
//! the pipeline needs channels for tasks.

use alloc::string::String;
use alloc::vec::Vec;

use exec_core::Handle;
use workloads::mix::churn;

use super::case::{Case, Model, Reading, Setting, failed, pin, timed};

/// Rounds of the whole work.
fn rounds(setting: &Setting) -> u64 {
    setting.pick(2_000_000, 20_000_000)
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

/// Runs of the loop, of the model with one worker, and of the model with all.
const TURNS: usize = 3;

fn run(model: Model, shape: Shape, setting: &Setting) -> Result<Reading, String> {
    let cpus = setting.cpus;
    let piece = rounds(setting) / PIECES;
    // Threads that it makes later are made by this one, or by one of its own.
    pin(1)?;
    let one = model.build(1)?;
    // The stacks, and the workers' first steps.
    work(shape, &one, 1)?;
    pin(ANYWHERE)?;
    let all = model.build(cpus)?;
    work(shape, &all, 1)?;
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        let (expected, region) = timed(|| serial(piece));
        times[0].push(region.ns());
        pin(1)?;
        let (by_one, region) = timed(|| work(shape, &one, piece));
        times[1].push(region.ns());
        pin(ANYWHERE)?;
        let (by_all, region) = timed(|| work(shape, &all, piece));
        times[2].push(region.ns());
        if by_one? != expected || by_all? != expected {
            return Err("a wrong sum".into());
        }
    }
    let [serial, one_worker, time] = times.map(|mut times| {
        times.sort_unstable();
        times[TURNS / 2] as f64
    });
    let speed_up = serial / time;
    Ok(Reading::default()
        .with("time", time)
        .with("one_worker", one_worker)
        .with("serial", serial)
        .with("speed_up", speed_up)
        .with("speed_up_bound", cpus.min(PIECES as usize) as f64)
        .with("efficiency", speed_up / cpus as f64))
}

/// All processors, whichever there are.
const ANYWHERE: u64 = u64::MAX;

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
