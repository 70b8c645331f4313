//! `switch`: what a change from one unit to another costs.
//!
//! Two units hand a turn to and fro, on one processor (`same-cpu`) and each on its own (`two-cpus`);
//! the time is that of one hand-over, half a round trip. They are processes, threads or tasks, and they
//! differ in how one waits: in a pipe, by parking, by giving way. Beside it stand the switches as the
//! kernel counts them; here, who gives way counts as voluntary.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::futex::Token;
use user::kernel::{file, schedule};
use user::process::{self, News};
use user::{syscall, thread};
use workloads::ping_pong;

use super::case::{Case, Model, Reading, Setting, failed, pin, timed};

/// Hand-overs of each side before the clock starts.
const WARM_UP: u64 = 20;

pub(crate) fn cases(setting: &Setting) -> Vec<Case> {
    let rounds = setting.pick(500, 5_000);
    let mut cases = Vec::new();
    for (bench, second) in [("switch/same-cpu", 1), ("switch/two-cpus", 2)] {
        if second == 2 && setting.cpus < 2 {
            continue;
        }
        let mut add = |subject, run: fn(u64, u64) -> Result<Reading, String>| {
            cases.push(Case::new(bench, subject, move || run(rounds, second)));
        };
        add("process-pipe", processes);
        add("thread-pipe", pipes);
        add("thread-park", parks);
        // Who gives way needs somebody to give way to.
        if second == 1 {
            add("thread-yield", yields);
            add("mini-executor-wake", wakes);
            add("mini-executor-yield", tasks);
        }
    }
    cases
}

/// Two pipes, a byte at a time: one there, one back.
struct Pipes {
    there: (i32, i32),
    back: (i32, i32),
}

impl Pipes {
    fn new() -> Result<Self, String> {
        Ok(Self {
            there: file::pipe().map_err(failed("no pipe"))?,
            back: file::pipe().map_err(failed("no pipe"))?,
        })
    }

    /// What the other side does, on the processors of the mask; its status.
    fn answer(&self, rounds: u64, on: u64) -> i32 {
        if pin(on).is_err() {
            return 1;
        }
        for round in 0..rounds {
            let mut byte = [0];
            let answered = file::read(self.there.0, &mut byte) == Ok(1)
                && byte[0] == round as u8
                && file::write(self.back.1, &byte) == Ok(1);
            if !answered {
                return 1;
            }
        }
        // It lives until its accounts have been read.
        i32::from(file::read(self.there.0, &mut [0]) != Ok(1))
    }

    /// Hands over, and waits for the turn.
    fn pass(&self, round: u64) -> Result<(), String> {
        let mut byte = [round as u8];
        file::write(self.there.1, &byte).map_err(failed("a byte there"))?;
        file::read(self.back.0, &mut byte).map_err(failed("a byte back"))?;
        match byte[0] == round as u8 {
            true => Ok(()),
            false => Err("another byte came back".into()),
        }
    }

    /// Lets the other side end.
    fn end(&self) -> Result<(), String> {
        file::write(self.there.1, &[0]).map_err(failed("the last byte"))?;
        Ok(())
    }
}

fn processes(rounds: u64, second: u64) -> Result<Reading, String> {
    pin(1)?;
    let pipes = Pipes::new()?;
    let child = process::spawn(|| pipes.answer(WARM_UP + rounds, second));
    let child = child.map_err(failed("no process"))?;
    (0..WARM_UP).try_for_each(|round| pipes.pass(round))?;
    let before = switches(child.0);
    let mut measured = WARM_UP..WARM_UP + rounds;
    let (passed, region) = timed(|| measured.try_for_each(|round| pipes.pass(round)));
    let after = switches(child.0);
    passed?;
    pipes.end()?;
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

fn pipes(rounds: u64, second: u64) -> Result<Reading, String> {
    pin(1)?;
    let pipes = Arc::new(Pipes::new()?);
    let inner = Arc::clone(&pipes);
    let peer = thread::try_spawn(c"peer", move || inner.answer(WARM_UP + rounds, second));
    let peer = peer.map_err(failed("no thread"))?;
    (0..WARM_UP).try_for_each(|round| pipes.pass(round))?;
    let mut measured = WARM_UP..WARM_UP + rounds;
    let (passed, region) = timed(|| measured.try_for_each(|round| pipes.pass(round)));
    passed?;
    pipes.end()?;
    ended(peer)?;
    Ok(region.a_unit(2 * rounds))
}

fn ended(peer: thread::Thread) -> Result<(), String> {
    match peer.join() {
        0 => Ok(()),
        _ => Err("the other thread has failed".into()),
    }
}

/// Each parks on a token of its own and notifies the other's.
fn parks(rounds: u64, second: u64) -> Result<Reading, String> {
    pin(1)?;
    let tokens = Arc::new([Token::new(), Token::new()]);
    let inner = Arc::clone(&tokens);
    let peer = thread::try_spawn(c"peer", move || {
        let pinned = i32::from(pin(second).is_err());
        for _ in 0..WARM_UP + rounds {
            inner[1].park(None);
            inner[0].notify();
        }
        pinned
    });
    let peer = peer.map_err(failed("no thread"))?;
    let pass = |_| {
        tokens[1].notify();
        tokens[0].park(None);
    };
    (0..WARM_UP).for_each(pass);
    let ((), region) = timed(|| (0..rounds).for_each(pass));
    ended(peer)?;
    Ok(region.a_unit(2 * rounds))
}

/// Two threads on one processor that do nothing but yield.
fn yields(rounds: u64, _: u64) -> Result<Reading, String> {
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
    ended(peer)?;
    // There and back again.
    Ok(region.a_unit(2 * rounds))
}

/// Two tasks on one worker that do nothing but yield.
fn tasks(rounds: u64, _: u64) -> Result<Reading, String> {
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

/// Two tasks on one worker that wake each other.
fn wakes(rounds: u64, _: u64) -> Result<Reading, String> {
    pin(1)?;
    let handle = Model::MiniExecutor.build(1)?;
    let run = |turns| ping_pong::run(&handle, turns).map_err(failed("a task"));
    run(2 * WARM_UP)?;
    let (sum, region) = timed(|| run(2 * rounds));
    match sum? == ping_pong::serial(2 * rounds) {
        true => Ok(region.a_unit(2 * rounds)),
        false => Err("a wrong sum".into()),
    }
}
