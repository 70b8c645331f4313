//! The jobs of `mixed` that keep the workers busy: always as many, since for each that ends another one
//! starts.
//!
//! # States
//! `stop` is set once, by [`Background::end`]. A chain is a job and those that follow it, one at a time; it
//! ends with the first job that sees `stop`, or can't start the next one.
//!
//! # Protocol
//! A job that ends either starts the next one itself, or tells the feeder, a thread that is none of the
//! model's, by adding to its [`Count`]. Whoever ends a chain adds to the count of ended chains.
//!
//! # Why nothing is lost
//! A count is looked at before each wait, and the wait is for the number that was seen.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use exec_core::Handle;
use exec_core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use user::syscall;
use user::thread::{self, Thread};
use workloads::mix::churn;

use super::case::{failed, sleep_until};

/// How long a job computes or blocks.
const JOB_NS: u64 = 5_000_000;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// It computes.
    Compute,
    /// It holds its thread in a system call.
    Block,
}

/// Who starts the next job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fed {
    /// A thread that is none of the model's.
    Outside,
    /// The job that ends.
    Inside,
}

/// A number that only grows, and can be waited for.
#[derive(Default)]
struct Count(AtomicU32);

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, SeqCst);
        syscall::futex_wake(self.0.as_ptr(), u32::MAX).expect("a good address");
    }

    fn get(&self) -> u32 {
        self.0.load(SeqCst)
    }

    /// Waits until it is more than that, and says how much it is.
    fn beyond(&self, seen: u32) -> u32 {
        loop {
            let now = self.get();
            if now > seen {
                return now;
            }
            // Woken or refused: the count tells.
            let _ = syscall::futex_wait(&self.0, now, u64::MAX);
        }
    }
}

struct Shared {
    handle: Handle,
    work: Work,
    fed: Fed,
    rounds: u64,
    stop: AtomicBool,
    failed: AtomicBool,
    /// Jobs that have ended.
    ended: Count,
    /// Jobs that the feeder has been asked for.
    asked: Count,
    /// Chains that have ended.
    over: Count,
}

/// Jobs that go on.
pub(crate) struct Background {
    shared: Arc<Shared>,
    chains: u32,
    feeder: Option<Thread>,
}

impl Background {
    /// Starts so many, and waits until as many have ended.
    pub(crate) fn start(
        handle: &Handle,
        work: Work,
        fed: Fed,
        chains: u32,
    ) -> Result<Self, String> {
        let shared = Arc::new(Shared {
            handle: handle.clone(),
            work,
            fed,
            rounds: rounds(),
            stop: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            ended: Count::default(),
            asked: Count::default(),
            over: Count::default(),
        });
        let feeder = match fed {
            Fed::Inside => None,
            Fed::Outside => {
                let own = Arc::clone(&shared);
                let feeder = thread::try_spawn(c"feeder", move || feed(&own, chains));
                Some(feeder.map_err(failed("no feeder"))?)
            }
        };
        for _ in 0..chains {
            next(&shared);
        }
        while shared.ended.get() < chains {
            if shared.failed.load(SeqCst) {
                return Err("a job was refused".into());
            }
            shared.ended.beyond(shared.ended.get());
        }
        Ok(Self {
            shared,
            chains,
            feeder,
        })
    }

    /// Jobs that have ended so far.
    pub(crate) fn ended(&self) -> u32 {
        self.shared.ended.get()
    }

    /// Lets the jobs end, and waits for them.
    pub(crate) fn end(self) -> Result<(), String> {
        self.shared.stop.store(true, SeqCst);
        let mut over = 0;
        while over < self.chains {
            over = self.shared.over.beyond(over);
        }
        let fed = self.feeder.map_or(0, Thread::join);
        match (fed, self.shared.failed.load(SeqCst)) {
            (0, false) => Ok(()),
            (status, _) => Err(format!("a job was refused ({status})")),
        }
    }
}

/// What the feeder does, until all chains have ended.
fn feed(shared: &Arc<Shared>, chains: u32) -> i32 {
    let mut started = 0;
    while shared.over.get() < chains {
        let asked = shared.asked.beyond(started);
        while started < asked {
            started += 1;
            match shared.stop.load(SeqCst) {
                true => shared.over.add(),
                false => next(shared),
            }
        }
    }
    0
}

/// Starts a job; where that is refused its chain has ended.
fn next(shared: &Arc<Shared>) {
    let own = Arc::clone(shared);
    let started = shared.handle.execute(move || {
        match own.work {
            Work::Compute => drop(core::hint::black_box(churn(7, own.rounds))),
            Work::Block => sleep_until(syscall::clock() + JOB_NS),
        }
        own.ended.add();
        match own.fed {
            // It looks at `stop` itself: so it is the one who ends all chains, and then itself.
            Fed::Outside => own.asked.add(),
            Fed::Inside if own.stop.load(SeqCst) => own.over.add(),
            Fed::Inside => next(&own),
        }
    });
    if started.is_err() {
        shared.failed.store(true, SeqCst);
        shared.over.add();
        // Whoever waits for more jobs looks again.
        shared.ended.add();
    }
}

/// How many rounds take as long as a job: of a few tries the fastest, since whoever interrupts only makes
/// it slower.
fn rounds() -> u64 {
    const TRY: u64 = 50_000;
    let once = |seed| {
        let start = syscall::clock();
        core::hint::black_box(churn(core::hint::black_box(seed), TRY));
        syscall::clock() - start
    };
    let fastest = (0..5).map(once).min().unwrap_or(1).max(1);
    (JOB_NS * TRY / fastest).max(1)
}
