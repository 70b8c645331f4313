//! The jobs that keep the workers busy: always as many, since for each that ends another one starts.
//!
//! Who starts it decides much. Jobs that are started from outside queue up where the requests do. A job
//! that is started by one that ends may go to the worker's own queue, and a worker that looks there
//! first, and for long, has no time for what comes from outside.
//!
//! # States
//! `stop` is set once, by [`Background::end`]. A chain is a job and those that follow it, one at a time.
//! It lives until one of its jobs sees `stop`, or fails, or can't be started: then the word of its end
//! is sent, once.
//!
//! # Shutdown
//! `end` sets `stop` and waits for the word of each chain, so no job is left in the model. The feeder, who
//! starts the jobs that are started from outside, is told to end after the last chain has.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use exec_core::sync::Arc;
use exec_core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use nix::time::{ClockId, clock_gettime};
use workloads::mix::churn;

use super::JOB;
use super::way::Pool;

/// Who starts the next job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// A thread that is none of the model's.
    Outside,
    /// The job that ends.
    Inside,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// It computes.
    Compute,
    /// It sleeps on its thread.
    Block,
}

/// How long a chain is waited for at the end: its jobs take some milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Jobs that go on.
pub(super) struct Background {
    shared: Arc<Shared>,
    /// How each chain has ended.
    chains: Receiver<anyhow::Result<()>>,
    feeder: Option<Sender<Order>>,
}

struct Shared {
    work: Work,
    rounds: u64,
    expected: u64,
    stop: AtomicBool,
    ended: AtomicU64,
    /// So many are enough for the one who has started them, who may wait for that.
    enough: u64,
    starter: Thread,
}

impl Background {
    /// Starts so many.
    pub(super) fn start(pool: &Pool, work: Work, fed: Fed, jobs: usize) -> anyhow::Result<Self> {
        let rounds = match work {
            Work::Compute => rounds()?,
            Work::Block => 0,
        };
        let shared = Arc::new(Shared {
            work,
            rounds,
            expected: churn(SEED, rounds),
            stop: AtomicBool::new(false),
            ended: AtomicU64::new(0),
            enough: jobs as u64,
            starter: thread::current(),
        });
        let (tell, chains) = channel();
        let feeder = match fed {
            Fed::Outside => Some(feeder(pool, &shared, &tell)?),
            Fed::Inside => None,
        };
        let chain = Chain {
            shared: Arc::clone(&shared),
            tell,
            feeder: feeder.clone(),
        };
        for _ in 0..jobs {
            chain.clone().next(pool)?;
        }
        Ok(Self {
            shared,
            chains,
            feeder,
        })
    }

    /// Jobs that have ended so far.
    pub(super) fn ended(&self) -> u64 {
        // ORDERING: Relaxed, here and where it is added to: a count, and nothing beside it.
        self.shared.ended.load(Ordering::Relaxed)
    }

    /// Waits until as many have ended as there are at once.
    pub(super) fn warm_up(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        while self.ended() < self.shared.enough {
            let left = PATIENCE.checked_sub(start.elapsed());
            // The job that makes them enough unparks this thread.
            thread::park_timeout(left.context("the jobs don't end")?);
        }
        Ok(())
    }

    /// Lets the jobs end, and waits for them.
    pub(super) fn end(self) -> anyhow::Result<()> {
        // ORDERING: Relaxed: a flag that each job looks at, and nothing beside it.
        self.shared.stop.store(true, Ordering::Relaxed);
        for _ in 0..self.shared.enough {
            let ended = self.chains.recv_timeout(PATIENCE);
            ended.context("a job was lost")??;
        }
        if let Some(feeder) = self.feeder {
            // One that has ended already needs no order.
            let _ = feeder.send(Order::End);
        }
        Ok(())
    }
}

const SEED: u64 = 7;

/// What each job of a chain hands to the next.
#[derive(Clone)]
struct Chain {
    shared: Arc<Shared>,
    tell: Sender<anyhow::Result<()>>,
    /// Where there is one, it starts the next job.
    feeder: Option<Sender<Order>>,
}

/// What the feeder is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// To start the next job of a chain.
    Next,
    /// To end: no chain is left.
    End,
}

impl Chain {
    /// Starts the next job.
    fn next(self, pool: &Pool) -> anyhow::Result<()> {
        let again = pool.clone();
        pool.keep(move || {
            let outcome = self.shared.run();
            // ORDERING: see `ended` and `end`.
            if self.shared.ended.fetch_add(1, Ordering::Relaxed) + 1 == self.shared.enough {
                self.shared.starter.unpark();
            }
            let tell = self.tell.clone();
            let outcome = match &self.feeder {
                _ if outcome.is_err() || self.shared.stop.load(Ordering::Relaxed) => outcome,
                Some(feeder) => match feeder.send(Order::Next) {
                    Ok(()) => return,
                    Err(_) => Err(anyhow!("the jobs' feeder has ended before them")),
                },
                None => match self.next(&again) {
                    Ok(()) => return,
                    Err(error) => Err(error),
                },
            };
            // Nobody listens any more where another chain has failed.
            let _ = tell.send(outcome);
        })
    }
}

/// A thread that starts the next job whenever it is told to.
fn feeder(
    pool: &Pool,
    shared: &Arc<Shared>,
    tell: &Sender<anyhow::Result<()>>,
) -> anyhow::Result<Sender<Order>> {
    let (feed, fed) = channel();
    let pool = pool.clone();
    let chain = Chain {
        shared: Arc::clone(shared),
        tell: tell.clone(),
        feeder: Some(feed.clone()),
    };
    let serve = move || {
        while let Ok(Order::Next) = fed.recv() {
            // ORDERING: see `end`.
            let outcome = match chain.shared.stop.load(Ordering::Relaxed) {
                true => Ok(()),
                false => match chain.clone().next(&pool) {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
            };
            let _ = chain.tell.send(outcome);
        }
    };
    let feeder = thread::Builder::new().name("feeder".into()).spawn(serve);
    feeder.context("no thread for the jobs' feeder")?;
    Ok(feed)
}

impl Shared {
    fn run(&self) -> anyhow::Result<()> {
        match self.work {
            Work::Compute => {
                let answer = churn(std::hint::black_box(SEED), self.rounds);
                ensure!(answer == self.expected, "a job computed {answer}");
            }
            Work::Block => thread::sleep(JOB),
        }
        Ok(())
    }
}

/// How many rounds take as long as a job, by the CPU time of this thread: of a few tries the fastest,
/// since whoever interrupts only makes it slower.
pub(super) fn rounds() -> anyhow::Result<u64> {
    const TRY: u64 = 100_000;
    let cpu = || -> anyhow::Result<Duration> {
        Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
    };
    let mut fastest = Duration::MAX;
    for seed in 0..5 {
        let start = cpu()?;
        std::hint::black_box(churn(std::hint::black_box(seed), TRY));
        fastest = fastest.min(cpu()?.saturating_sub(start));
    }
    let each = fastest.as_nanos().max(1);
    let rounds = JOB.as_nanos() * u128::from(TRY) / each;
    Ok(u64::try_from(rounds)?.max(1))
}
