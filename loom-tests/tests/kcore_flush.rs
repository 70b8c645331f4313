//! CPUs that make each other forget what they have cached of a page table.
#![cfg(loom)]

use kcore::{FlushRequests, with_seed};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};
use loom_tests::{breaks, holds};

/// A CPU, and what it has cached of its one page-table entry: its own to write.
struct Cpu {
    requests: FlushRequests,
    cached: AtomicU64,
}

impl Cpu {
    fn new() -> Self {
        Self {
            requests: FlushRequests::new(),
            cached: AtomicU64::new(1),
        }
    }

    /// Reads the entry again, if somebody asks for that.
    fn answer(&self, entry: &AtomicU64) {
        self.requests
            .answer(|| self.cached.store(entry.load(Relaxed), Relaxed));
    }

    /// Asks `other`, answers itself meanwhile, and looks what the other has cached then.
    fn make_forget(&self, other: &Self, entry: &AtomicU64) {
        let request = other.requests.ask();
        while !other.requests.has_answered(request) {
            self.answer(entry);
            thread::yield_now();
        }
        assert_eq!(other.cached.load(Relaxed), 0, "a page that was given away");
    }
}

/// One takes a page away while the other answers.
fn one_asks() {
    let cpus = Arc::new([Cpu::new(), Cpu::new()]);
    let entry = Arc::new(AtomicU64::new(1));
    let other = {
        let (cpus, entry) = (cpus.clone(), entry.clone());
        thread::spawn(move || {
            while cpus[1].cached.load(Relaxed) != 0 {
                cpus[1].answer(&entry);
                thread::yield_now();
            }
        })
    };
    entry.store(0, Relaxed);
    cpus[0].make_forget(&cpus[1], &entry);
    other.join().unwrap();
}

/// Both take the page away at once: each waits for the other and answers it.
fn both_ask() {
    let cpus = Arc::new([Cpu::new(), Cpu::new()]);
    let entry = Arc::new(AtomicU64::new(1));
    let other = {
        let (cpus, entry) = (cpus.clone(), entry.clone());
        thread::spawn(move || {
            entry.store(0, Relaxed);
            cpus[1].make_forget(&cpus[0], &entry);
            // The first one may still wait.
            while cpus[1].cached.load(Relaxed) != 0 {
                cpus[1].answer(&entry);
                thread::yield_now();
            }
        })
    };
    entry.store(0, Relaxed);
    cpus[0].make_forget(&cpus[1], &entry);
    while cpus[0].cached.load(Relaxed) != 0 {
        cpus[0].answer(&entry);
        thread::yield_now();
    }
    other.join().unwrap();
}

#[test]
fn an_answer_comes_after_the_cpu_has_forgotten() {
    holds(2, one_asks);
}

#[test]
fn an_answer_comes_after_the_cpu_has_forgotten_breaks_when_it_comes_first() {
    with_seed("the answer comes before the CPU has forgotten", || {
        breaks(one_asks)
    });
}

#[test]
fn two_cpus_can_ask_each_other() {
    holds(2, both_ask);
}
