//! What a worker does while it waits inside a job.
//!
//! # Protocol
//! It asks whether what it waits for has ended, then runs something that it may run, then spins
//! for a bounded time, then parks as blocked, and starts again when it is unparked.
//!
//! # What it may run
//! That is the [`WaitPolicy`]'s to say. Under `OwnSubtree`:
//! * For the stolen half of a join it steals back from the thief, and from nobody else. A worker
//!   whose half was stolen has an empty split deque (thieves take the oldest first), so whatever
//!   the thief exposes belongs to the stolen half, as long as that half has not ended. When it
//!   ended between the steal and the look, the job is given back unrun.
//! * For a scope it runs what it has pushed to its own deque since the scope began, newest first,
//!   and jobs from the scope's own queue.
//! * For another pool it runs anything: see [`elsewhere`](crate::elsewhere).
//! * For a handle of the generic layer it runs jobs of its own deque that were pushed since the
//!   current job began. When every worker of the pool is blocked it takes any queued job, since
//!   otherwise nobody ever could.
//!
//! Whatever the policy, a waiting worker takes its part in broadcasts, since nobody else can;
//! what that part forks may be stolen back like the rest.
//!
//! # Why nothing is lost
//! Whoever ends what it waits for finds it parked and unparks it ([`fork`](crate::fork),
//! [`latch`](crate::latch), [`scope`](mod@crate::scope)), and the thread's token remembers an unpark
//! that comes before the park. A job that waits to be started can always be started by the one
//! that waits for it.

use std::time::{Duration, Instant};

use exec_core::sync::{spin_loop, thread};

use crate::{
    ending::Outcome, fork::Fork, job::QueuedJob, policy::WaitPolicy, queue::split::Offer,
    threads::cpus, worker::Worker,
};

/// Rounds of spinning between two looks at what the thief has exposed: about a microsecond.
const LOOK_EVERY: u32 = 8;
/// How long a worker spins before it parks.
const SPIN: Duration = Duration::from_micros(50);

impl Worker {
    /// Waits for a forked half that was stolen.
    #[cold]
    pub(crate) fn wait_fork(&self, fork: &Fork) -> Outcome {
        let mut spin = Spin::default();
        let mut eyed = None;
        loop {
            if let Some(outcome) = fork.ending.outcome() {
                return outcome;
            }
            let helped = self.run_next(self.seat().take_mail())
                || match self.policy() {
                    WaitPolicy::OwnSubtree => {
                        spin.rounds.is_multiple_of(LOOK_EVERY) && self.steal_back(fork, &mut eyed)
                    }
                    WaitPolicy::Any => self.run_any(),
                    WaitPolicy::Park => false,
                };
            if helped {
                spin = Spin::default();
            } else if spin.is_over() {
                self.park_on(fork);
                spin = Spin::default();
            }
        }
    }

    /// Runs one job that the thief of `fork` has had exposed since the last look; `false` when
    /// there was none.
    fn steal_back(&self, fork: &Fork, eyed: &mut Option<Offer>) -> bool {
        let Some(thief) = fork.thief() else {
            return false;
        };
        let split = &self.registry().seats()[thief].split;
        let Some(stolen) = eyed.take().and_then(|offer| split.steal_if(offer)) else {
            *eyed = split.peek();
            return false;
        };
        if fork.ending.outcome().is_some() {
            // The half ended meanwhile, so this job may be of something else that the thief
            // has begun.
            // SAFETY: it came out of a deque, once.
            unsafe { Fork::give_back(stolen, self.sleep()) };
            return false;
        }
        self.seat().counters.steals.add();
        self.run_stolen(stolen);
        true
    }

    pub(crate) fn run_any(&self) -> bool {
        match self.find_work() {
            Some(work) => {
                self.run_work(work);
                true
            }
            None => false,
        }
    }

    fn park_on(&self, fork: &Fork) {
        if !fork.ending.begin_park() {
            return;
        }
        self.seat().counters.parks.add();
        let thief = fork.thief();
        if let Some(thief) = thief {
            self.registry().seats()[thief].split.ask();
        }
        let look = || {
            self.seat().has_mail()
                || match self.policy() {
                    WaitPolicy::OwnSubtree => {
                        thief.is_some_and(|i| self.registry().seats()[i].split.exposed() != 0)
                    }
                    WaitPolicy::Any => self.registry().has_shared_work(),
                    WaitPolicy::Park => false,
                }
        };
        self.sleep().block(
            self.index(),
            thief,
            || !fork.ending.is_running() || look(),
            thread::park,
        );
        fork.ending.end_park();
    }

    /// Waits until `done`, running what the policy allows and what `next` finds. `park` parks
    /// until something may have changed, and returns at once when `done`.
    pub(crate) fn wait_until(
        &self,
        done: impl Fn() -> bool,
        next: impl Fn() -> Option<QueuedJob>,
        park: impl Fn(),
    ) {
        let mut spin = Spin::default();
        while !done() {
            if self.help(&next) {
                spin = Spin::default();
            } else if spin.is_over() {
                self.seat().counters.parks.add();
                let any = self.policy() == WaitPolicy::Any;
                let look = || {
                    done() || self.seat().has_mail() || (any && self.registry().has_shared_work())
                };
                self.sleep().block(self.index(), None, look, &park);
                spin = Spin::default();
            }
        }
    }

    fn help(&self, next: impl Fn() -> Option<QueuedJob>) -> bool {
        self.run_next(self.seat().take_mail())
            || (self.policy() == WaitPolicy::Any && self.run_any())
            || self.run_next(next())
    }

    /// Waits until `done` for something that may be anybody's, running jobs that the current job
    /// pushed, and any job when otherwise nobody could. `false`: `over` came first.
    pub(crate) fn wait_for_own(
        &self,
        done: impl Fn() -> bool,
        over: impl Fn() -> bool,
        park: impl Fn(),
    ) -> bool {
        let mut spin = Spin::default();
        loop {
            if done() {
                return true;
            }
            if over() {
                return false;
            }
            if self.help(|| self.pop_own()) {
                spin = Spin::default();
            } else if spin.is_over() {
                self.seat().counters.parks.add();
                let look = || {
                    let last = self.sleep().all_blocked() && self.registry().has_shared_work();
                    last || done() || over() || self.seat().has_mail()
                };
                self.sleep().block(self.index(), None, look, &park);
                if self.sleep().all_blocked_but_one() {
                    self.run_any();
                }
                spin = Spin::default();
            }
        }
    }

    fn run_next(&self, job: Option<QueuedJob>) -> bool {
        match job {
            Some(job) => {
                self.run_queued(job);
                true
            }
            None => false,
        }
    }
}

/// A bounded spin: it looks at the clock only now and then.
#[derive(Default)]
pub(crate) struct Spin {
    rounds: u32,
    since: Option<Instant>,
}

impl Spin {
    /// Spins a little; `true` when it has done so for long enough.
    pub(crate) fn is_over(&mut self) -> bool {
        self.rounds += 1;
        for _ in 0..4 {
            spin_loop();
        }
        if self.rounds.is_multiple_of(64) {
            // The one that it waits for may be waiting for this CPU.
            thread::yield_now();
        }
        self.rounds.is_multiple_of(16)
            && self.since.get_or_insert_with(Instant::now).elapsed() > limit()
    }
}

/// How long to spin: not at all where there is nobody to spin beside.
fn limit() -> Duration {
    if cpus() > 1 { SPIN } else { Duration::ZERO }
}
