//! `mixed`: what jobs that compute, or that block, do to those that must answer soon.
//!
//! Small requests come from outside, each due at a fixed time, whatever becomes of those before; the figure
//! is how late each is when it has been answered. Beside that it is told how many of the other jobs end in
//! a second. It is what the host's half does, part by part, with half as many requests a second, since an
//! emulator is slow.
//!
//! | part | what else the model has to do |
//! |---|---|
//! | `idle` | nothing |
//! | `compute` | jobs that compute for 5 ms ([`background`](super::background)), twice as many as workers |
//! | `nested` | as `compute`, but each job that ends starts the next itself, not somebody outside |
//! | `blocking` | as many jobs that block their thread for 5 ms |
//!
//! The host's `inversion` needs a fair lock for tasks, and the ways out of `mini-executor` its threads for
//! what blocks: neither exists without std.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use exec_core::JoinHandle;
use exec_core::ground::Nanos;
use user::syscall;

use super::background::{Background, Fed, Work};
use super::case::{Case, Model, Reading, Setting, failed, sleep_until};

/// From one time that a request is due to the next.
const PERIOD_NS: u64 = 2_000_000;

/// Jobs a worker that go on all the time.
const JOBS_A_WORKER: usize = 2;

/// How long requests are waited for when nothing else is left to do.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn cases(setting: &Setting) -> Vec<Case> {
    let setting = *setting;
    let mut cases = Vec::new();
    for (bench, beside) in [
        ("mixed/idle", None),
        ("mixed/compute", Some((Work::Compute, Fed::Outside))),
        ("mixed/nested", Some((Work::Compute, Fed::Inside))),
        ("mixed/blocking", Some((Work::Block, Fed::Outside))),
    ] {
        for model in Model::ALL {
            cases.push(Case::new(bench, model.name(), move || {
                run(model, beside, &setting)
            }));
        }
    }
    cases
}

fn run(model: Model, beside: Option<(Work, Fed)>, setting: &Setting) -> Result<Reading, String> {
    let handle = model.build(setting.cpus)?;
    let jobs = (JOBS_A_WORKER * setting.cpus) as u32;
    let background = beside.map(|(work, fed)| Background::start(&handle, work, fed, jobs));
    let background = background.transpose()?;

    let requests: u64 = setting.pick(100, 1_000);
    let before = background.as_ref().map(Background::ended);
    let start = syscall::clock();
    let mut requests: Requests = (1..=requests)
        .map(|number| {
            let due = start + number * PERIOD_NS;
            sleep_until(due);
            (due, handle.spawn(syscall::clock))
        })
        .collect();
    let took = syscall::clock() - start;
    let after = background.as_ref().map(Background::ended);
    let mut late = Vec::with_capacity(requests.len());
    // The jobs go on while the last requests are waited for, but not for ever.
    gather(&mut requests, &mut late, Duration::from_nanos(took * 2))?;
    if let Some(background) = background {
        background.end()?;
    }
    gather(&mut requests, &mut late, PATIENCE)?;
    if !requests.is_empty() {
        return Err(format!("{} requests were never answered", requests.len()));
    }

    late.sort_unstable();
    let at = |share: f64| late[(share * (late.len() - 1) as f64) as usize] as f64;
    let reading = Reading::default()
        .with("latency_p50", at(0.5))
        .with("latency_p99", at(0.99));
    let ended = after.zip(before).map(|(after, before)| after - before);
    Ok(match ended {
        Some(ended) => reading.with("jobs", f64::from(ended) * 1e9 / took as f64),
        None => reading,
    })
}

/// When each was due, and the answer, which is when it came.
type Requests = VecDeque<(u64, JoinHandle<u64>)>;

/// Waits for answers, at most so long.
fn gather(requests: &mut Requests, late: &mut Vec<u64>, limit: Duration) -> Result<(), String> {
    let end = Nanos(syscall::clock() + limit.as_nanos() as u64);
    while let Some((due, answer)) = requests.pop_front() {
        match answer.join_until(end) {
            Ok(at) => late.push(at.map_err(failed("a request"))?.saturating_sub(due)),
            Err(answer) => {
                requests.push_front((due, answer));
                break;
            }
        }
    }
    Ok(())
}
