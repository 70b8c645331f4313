//! `switch`: what a change from one unit to another costs.
//!
//! Two units pass a token to and fro, or give way to each other, on one processor (`same-cpu`) and
//! each on its own (`across-cpus`). The time is that of one pass: half a round trip, or one of two
//! yields. Whether the kernel counts the switches as voluntary stands beside it.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::kernel::{file, schedule};
use user::process::{self, News};
use user::{syscall, thread};

use super::case::{Case, Model, Reading, Setting, failed, pin, timed};

/// Passes before the clock starts.
const WARM_UP: u64 = 20;

pub(crate) fn cases(setting: &Setting) -> Vec<Case> {
    let rounds = setting.pick(500, 5_000);
    let mut cases = Vec::new();
    for (bench, second) in [("switch/same-cpu", 1), ("switch/across-cpus", 2)] {
        if second == 2 && setting.cpus < 2 {
            continue;
        }
        cases.push(Case::new(bench, "process-pipe", move || {
            processes(rounds, second)
        }));
        cases.push(Case::new(bench, "thread-futex", move || {
            futex(rounds, second)
        }));
        if second == 1 {
            cases.push(Case::new(bench, "thread-yield", move || yields(rounds)));
            cases.push(Case::new(bench, "task-yield", move || tasks(rounds)));
        }
    }
    cases
}

/// Two processes and two pipes: a byte there, a byte back. The second process runs on the
/// processors of the mask `second`, the first one on the first.
fn processes(rounds: u64, second: u64) -> Result<Reading, String> {
    pin(1)?;
    let there = file::pipe().map_err(failed("no pipe"))?;
    let back = file::pipe().map_err(failed("no pipe"))?;
    let child = process::spawn(|| {
        if pin(second).is_err() {
            return 1;
        }
        for round in 0..WARM_UP + rounds {
            let mut byte = [0];
            let answered = file::read(there.0, &mut byte) == Ok(1)
                && byte[0] == round as u8
                && file::write(back.1, &byte) == Ok(1);
            if !answered {
                return 1;
            }
        }
        // It lives until its accounts have been read.
        i32::from(file::read(there.0, &mut [0]) != Ok(1))
    });
    let child = child.map_err(failed("no process"))?;
    let pass = |round: u64| -> Result<(), String> {
        let mut byte = [round as u8];
        file::write(there.1, &byte).map_err(failed("a byte there"))?;
        file::read(back.0, &mut byte).map_err(failed("a byte back"))?;
        match byte[0] == round as u8 {
            true => Ok(()),
            false => Err("another byte came back".into()),
        }
    };
    (0..WARM_UP).try_for_each(pass)?;
    let before = switches(child.0);
    let (passed, region) = timed(|| (WARM_UP..WARM_UP + rounds).try_for_each(pass));
    let after = switches(child.0);
    passed?;
    file::write(there.1, &[0]).map_err(failed("the last byte"))?;
    match process::wait(Some(child)) {
        Ok((_, News::Exited(0))) => {}
        other => return Err(alloc::format!("the other process ended: {other:?}")),
    }
    let of = |amount: u64| amount as f64 / (2 * rounds) as f64;
    Ok(region
        .time(2 * rounds)
        .with("voluntary_switches", of(after.0 - before.0))
        .with("involuntary_switches", of(after.1 - before.1)))
}

/// Voluntary and involuntary switches of this process and that one, as the kernel counts them.
fn switches(other: u32) -> (u64, u64) {
    let pids = [process::id().0, other];
    let both = schedule::threads();
    let both = both.iter().filter(|info| pids.contains(&info.pid));
    both.fold((0, 0), |(voluntary, involuntary), info| {
        (voluntary + info.voluntary, involuntary + info.involuntary)
    })
}

/// Two threads and a word: who finds it even makes it odd and wakes the other.
fn futex(rounds: u64, second: u64) -> Result<Reading, String> {
    let ball = Arc::new(AtomicU32::new(0));
    let last = 2 * (WARM_UP + rounds) as u32;
    let inner = Arc::clone(&ball);
    let peer = thread::try_spawn(c"peer", move || {
        let pinned = i32::from(pin(second).is_err());
        for number in (1..last).step_by(2) {
            take(&inner, number);
        }
        pinned
    });
    let peer = peer.map_err(failed("no thread"))?;
    pin(1)?;
    let mut number = 0;
    let mut pass = |_| {
        take(&ball, number);
        number += 2;
    };
    (0..WARM_UP).for_each(&mut pass);
    let ((), region) = timed(|| (0..rounds).for_each(&mut pass));
    match peer.join() {
        0 => Ok(region.a_unit(2 * rounds)),
        _ => Err("the other thread could not choose its processor".into()),
    }
}

/// Waits until the word is `number`, makes it one more, and wakes the other.
fn take(ball: &AtomicU32, number: u32) {
    loop {
        match ball.load(SeqCst) {
            held if held == number => break,
            other => {
                // Woken or refused: the word tells.
                let _ = syscall::futex_wait(ball, other, u64::MAX);
            }
        }
    }
    ball.store(number + 1, SeqCst);
    syscall::futex_wake(ball.as_ptr(), 1).expect("a good address");
}

/// Two threads on one processor that do nothing but yield.
fn yields(rounds: u64) -> Result<Reading, String> {
    pin(1)?;
    let stop = Arc::new(AtomicU32::new(0));
    let inner = Arc::clone(&stop);
    let peer = thread::try_spawn(c"peer", move || {
        while inner.load(SeqCst) == 0 {
            syscall::yield_now();
        }
        0
    });
    let peer = peer.map_err(failed("no thread"))?;
    (0..WARM_UP).for_each(|_| syscall::yield_now());
    let ((), region) = timed(|| (0..rounds).for_each(|_| syscall::yield_now()));
    stop.store(1, SeqCst);
    peer.join();
    // There and back again.
    Ok(region.a_unit(2 * rounds))
}

/// Two tasks on one worker that do nothing but yield.
fn tasks(rounds: u64) -> Result<Reading, String> {
    pin(1)?;
    let handle = Model::MiniExecutor.build(1)?;
    let (first, second) = (handle.clone(), handle.clone());
    let give_way = |times| async move {
        for _ in 0..times {
            mini_executor::yield_now().await;
        }
    };
    let both = move |times| {
        let tasks = [
            first.spawn_async(give_way(times)),
            second.spawn_async(give_way(times)),
        ];
        let mut joined = tasks.into_iter().map(exec_core::JoinHandle::join);
        joined.try_for_each(|end| end.map_err(failed("a task")))
    };
    both(WARM_UP)?;
    let (done, region) = timed(|| both(rounds));
    done?;
    Ok(region.a_unit(2 * rounds))
}
