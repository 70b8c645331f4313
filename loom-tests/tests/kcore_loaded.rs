//! Who takes a page away and a CPU that is just loading the tables: the CPU is asked, or does not see it.
#![cfg(loom)]

use kcore::{LoadedOn, with_seed};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};
use loom_tests::{breaks, holds};

const CPU: u32 = 3;

/// The table is one entry; what the CPU has read of it is what it has cached.
fn a_cpu_loads_while_a_page_is_taken_away() {
    let loaded = Arc::new(LoadedOn::new());
    let entry = Arc::new(AtomicU64::new(1));
    let cpu = {
        let (loaded, entry) = (loaded.clone(), entry.clone());
        thread::spawn(move || {
            loaded.enter(CPU);
            entry.load(Relaxed)
        })
    };
    entry.store(0, Relaxed);
    let asked = loaded.after_change() & 1 << CPU != 0;
    let cached = cpu.join().unwrap() != 0;
    assert!(asked || !cached, "the CPU sees a page that was given away");
}

#[test]
fn no_cpu_sees_a_page_that_was_given_away() {
    holds(2, a_cpu_loads_while_a_page_is_taken_away);
}

#[test]
fn no_cpu_sees_a_page_that_was_given_away_breaks_without_a_fence() {
    with_seed("entering has no fence", || {
        breaks(a_cpu_loads_while_a_page_is_taken_away)
    });
}
