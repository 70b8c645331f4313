//! How threads that only compute share the processors: `shares POLICY THREADS [NICE]`.
//!
//! Without NICE the threads run everywhere, for a second, and must get within 2 % of each other. With
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
/// Until the threads are spread over the processors.
const SETTLE_NS: u64 = 50 * MS;
const WINDOW_NS: u64 = 1000 * MS;

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
    sleep(SETTLE_NS);
    let before = used(&tids);
    sleep(WINDOW_NS);
    let after = used(&tids);
    stop.store(true, SeqCst);
    for thread in threads {
        thread.join();
    }
    let used: Vec<_> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
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

/// What each thread has used in ring 3.
fn used(tids: &[Tid]) -> Vec<u64> {
    let stats = |tid: &Tid| syscall::thread_stats(Some(*tid)).expect("the thread lives");
    tids.iter().map(|tid| stats(tid).user_ns).collect()
}

fn sleep(ns: u64) {
    let word = AtomicU32::new(0);
    let until = syscall::clock() + ns;
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
