//! Preemption, yielding, and threads that share what processors there are.

use alloc::sync::Arc;
use alloc::vec::Vec;

use exec_core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use user::syscall;
use user::thread;

pub(crate) const CASES: &[super::Case] = &[
    ("a spinning thread is preempted", spinner),
    ("spinning threads share the processors", sharing),
    ("a yield lets others run", yielding),
    ("the clock never runs backwards", clock),
    ("there is a processor", processors),
];

const MS: u64 = 1_000_000;

/// Starts a thread that counts and never gives up its processor, until told.
fn spin(stop: &Arc<AtomicBool>, count: &Arc<AtomicU64>) -> thread::Thread {
    let (stop, count) = (Arc::clone(stop), Arc::clone(count));
    thread::spawn(move || {
        while !stop.load(SeqCst) {
            count.fetch_add(1, SeqCst);
        }
        7
    })
}

fn spinner() {
    let (stop, count) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    // More spinners than processors: this thread only runs again if one of them is preempted.
    let spinners: Vec<_> = (0..syscall::cpu_count() + 1)
        .map(|_| spin(&stop, &count))
        .collect();
    while count.load(SeqCst) == 0 {
        syscall::yield_now();
    }
    stop.store(true, SeqCst);
    for spinner in spinners {
        assert_eq!(spinner.join(), 7);
    }
}

fn sharing() {
    let stop = Arc::new(AtomicBool::new(false));
    let counts: Vec<_> = (0..2 * syscall::cpu_count())
        .map(|_| Arc::new(AtomicU64::new(0)))
        .collect();
    let spinners: Vec<_> = counts.iter().map(|count| spin(&stop, count)).collect();
    // Each of them must get its turn while all the others keep spinning.
    for count in &counts {
        while count.load(SeqCst) < 1000 {
            syscall::yield_now();
        }
    }
    stop.store(true, SeqCst);
    for spinner in spinners {
        spinner.join();
    }
}

fn yielding() {
    let turns = Arc::new(AtomicU64::new(0));
    let other = Arc::clone(&turns);
    let peer = thread::spawn(move || {
        for _ in 0..100 {
            other.fetch_add(1, SeqCst);
            syscall::yield_now();
        }
        0
    });
    while turns.load(SeqCst) < 100 {
        syscall::yield_now();
    }
    assert_eq!(peer.join(), 0);
}

fn clock() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                let mut last = syscall::clock();
                for _ in 0..5000 {
                    let now = syscall::clock();
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
                0
            })
        })
        .collect();
    for thread in threads {
        thread.join();
    }
    let start = syscall::clock();
    while syscall::clock() - start < MS {}
}

fn processors() {
    let count = syscall::cpu_count();
    assert!((1..=64).contains(&count), "{count} processors");
}
