//! `mixed`: what jobs that compute, or that block, do to those that must answer soon.
//!
//! A few small tasks are each due every [`PERIOD`]; the figure is how late each is when it runs.
//! `mixed/idle`: nothing else runs. `mixed/compute`: jobs that compute, one more than there are
//! processors, begin again and again. `mixed/blocking`: as many jobs that hold their thread in a
//! system call.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use exec_core::ground::Nanos;
use exec_core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use exec_core::{Handle, JoinHandle};
use user::syscall;
use workloads::mix::churn;

use super::case::{Case, Model, Reading, Setting, failed, sleep_until};

/// From one time that a task is due to the next.
const PERIOD: Duration = Duration::from_millis(2);

/// Small tasks.
const TASKS: u64 = 4;

/// Rounds of a job that computes: some milliseconds on an emulator.
const ROUNDS: u64 = 1_000_000;

/// How long a job blocks its thread.
const BLOCKED_NS: u64 = 5_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Computing,
    Blocking,
}

pub(crate) fn cases(setting: &Setting) -> Vec<Case> {
    let setting = *setting;
    let mut cases = Vec::new();
    for (bench, beside) in [
        ("mixed/idle", Beside::Nothing),
        ("mixed/compute", Beside::Computing),
        ("mixed/blocking", Beside::Blocking),
    ] {
        for model in Model::ALL {
            cases.push(Case::new(bench, model.name(), move || {
                run(model, beside, &setting)
            }));
        }
    }
    cases
}

fn run(model: Model, beside: Beside, setting: &Setting) -> Result<Reading, String> {
    let times = setting.pick(50, 250);
    let handle = model.build(setting.cpus)?;
    let stop = Arc::new(AtomicBool::new(false));
    let jobs: Vec<_> = match beside {
        Beside::Nothing => Vec::new(),
        _ => (0..=setting.cpus as u64)
            .map(|seed| work(&handle, beside, seed, &stop))
            .collect(),
    };
    let first = handle.ground().now();
    let tasks: Vec<_> = (0..TASKS).map(|_| ask(&handle, first, times)).collect();
    let mut late: Vec<u64> = Vec::new();
    for task in tasks {
        late.extend(task.join().map_err(failed("a task"))?);
    }
    stop.store(true, SeqCst);
    for job in jobs {
        job.join().map_err(failed("a job"))?;
    }
    late.sort_unstable();
    let at = |share: f64| late[(share * (late.len() - 1) as f64) as usize] as f64;
    Ok(Reading::default()
        .with("latency_p50", at(0.5))
        .with("latency_p99", at(0.99)))
}

/// A task that is due so many times; how late it was each time.
fn ask(handle: &Handle, first: Nanos, times: u64) -> JoinHandle<Vec<u64>> {
    let own = handle.clone();
    handle.spawn_async(async move {
        let mut late = Vec::with_capacity(times as usize);
        for turn in 1..=times {
            let due = Nanos(first.0 + turn * PERIOD.as_nanos() as u64);
            own.sleep_until(due).await;
            late.push(own.ground().now().0.saturating_sub(due.0));
        }
        late
    })
}

/// A job after which the next one comes, until it is time to stop.
fn work(handle: &Handle, beside: Beside, seed: u64, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (own, stop) = (handle.clone(), Arc::clone(stop));
    handle.spawn_async(async move {
        while !stop.load(SeqCst) {
            let job = own.spawn(move || match beside {
                Beside::Blocking => sleep_until(syscall::clock() + BLOCKED_NS),
                _ => drop(core::hint::black_box(churn(seed, ROUNDS))),
            });
            // It is done, or its model has ended, and then so is this.
            if job.await.is_err() {
                return;
            }
        }
    })
}
