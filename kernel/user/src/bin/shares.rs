//! How threads that only compute share the processors: `shares POLICY THREADS [NICE]`.
//!
//! Without NICE the threads run everywhere and must get within 2 % of each other. With
//! it, the second half of them runs at that nice value and all run on the first processor; the share
//! of the first half is printed, in parts of a thousand, for whoever knows what the policy promises.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;

use exec_core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use user::kernel::schedule::{self, Policy, Whose};
use user::syscall::{self, Tid};
use user::{Args, println, thread};

user::program!(main);

const MS: u64 = 1_000_000;
const WINDOW_NS: u64 = 1000 * MS;
/// Until the threads are spread over the processors.
const SETTLE_NS: u64 = 50 * MS;
/// Windows that begin one after the other, so that it does not matter whose turn it is at their ends.
const WINDOWS: u64 = 8;
/// From one beginning to the next.
const STEP_NS: u64 = 7 * MS;

fn main(args: Args) -> i32 {
    let policy = args.get(1).and_then(Policy::from_name);
    let policy = policy.expect("usage: shares POLICY THREADS [NICE]");
    let count = args.number(2, 8) as usize;
    let nice = args.get(3).map(|_| args.number(3, 0) as i32);
    schedule::set_policy(Whose::Own, policy).expect("it is our own process");

    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..count)
        .map(|index| {
            let stop = Arc::clone(&stop);
            let thread = thread::spawn(move || compute(&stop));
            if let Some(nice) = nice {
                schedule::set_affinity(Some(thread.tid()), 1).expect("there is a processor");
                let nice = if index < count / 2 { 0 } else { nice };
                schedule::set_thread_nice(thread.tid(), nice).expect("the thread lives");
            }
            thread
        })
        .collect();
    let tids: Vec<_> = threads.iter().map(thread::Thread::tid).collect();
    let used = windows(&tids);
    stop.store(true, SeqCst);
    for thread in threads {
        thread.join();
    }
    judge(policy, &used, nice)
}

fn judge(policy: Policy, used: &[u64], nice: Option<i32>) -> i32 {
    let policy = policy.name();
    let sum: u64 = used.iter().sum();
    if nice.is_some() {
        let first: u64 = used[..used.len() / 2].iter().sum();
        println!("shares {policy}: {} of 1000", first * 1000 / sum);
        return 0;
    }
    let least = used.iter().min().expect("there are threads");
    let most = used.iter().max().expect("there are threads");
    let mean = sum / used.len() as u64;
    let within = (most - least) * 100 <= 2 * mean;
    let verdict = if within { "ok" } else { "unequal" };
    println!("shares {policy}: {verdict}, {least} to {most} ns");
    i32::from(!within)
}

/// What each thread has used in a window, on average.
fn windows(tids: &[Tid]) -> Vec<u64> {
    let start = syscall::clock() + SETTLE_NS;
    let sums = |start: u64| {
        let mut sums = alloc::vec![0; tids.len()];
        for window in 0..WINDOWS {
            sleep_until(start + window * STEP_NS);
            for (sum, tid) in sums.iter_mut().zip(tids) {
                *sum += used(*tid);
            }
        }
        sums
    };
    let before = sums(start);
    let after = sums(start + WINDOW_NS);
    let difference = |(after, before): (&u64, &u64)| (after - before) / WINDOWS;
    after.iter().zip(&before).map(difference).collect()
}

/// What a thread has used, in ring 3 and in the kernel.
fn used(tid: Tid) -> u64 {
    let stats = syscall::thread_stats(Some(tid)).expect("the thread lives");
    stats.user_ns + stats.system_ns
}

fn sleep_until(until: u64) {
    let word = AtomicU32::new(0);
    while syscall::clock() < until {
        let _ = syscall::futex_wait(&word, 0, until.saturating_sub(syscall::clock()));
    }
}

/// Computes without a system call until told to stop.
fn compute(stop: &AtomicBool) -> i32 {
    let mut number = 1_u32;
    while !stop.load(SeqCst) {
        for _ in 0..1000 {
            number = core::hint::black_box(number.wrapping_mul(1_664_525) ^ 7);
        }
    }
    number as i32 & 1
}
