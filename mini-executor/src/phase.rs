//! How a runtime ends.
//!
//! # States
//! | phase | new tasks | wakes | workers |
//! |---|---|---|---|
//! | `OPEN` | taken | taken | run |
//! | `DRAIN` | refused | taken | run until no task lives |
//! | `QUIESCE` | refused | taken | run until no task can go on by itself, then cancel the rest |
//! | `CLOSED` | refused | refused | leave |
//!
//! A phase only ever grows, by read-modify-write.
//!
//! # Protocol
//! * `Drain` and the drop of a [`Runtime`](crate::Runtime) set `DRAIN` or `QUIESCE` and wake every
//!   worker. A worker that goes to sleep in these phases asks whether all is quiet: every worker
//!   sleeps outside of any task, and every queue is empty ([`Idle::is_quiet`](crate::idle::Idle)). The
//!   last one to fall asleep finds that it is. It closes the runtime if no task lives; in `QUIESCE` it cancels those that do, which
//!   makes work, and asks again when that is done.
//! * `Now`, and a `Deadline` that passed, set `CLOSED`, take every queued job out of every queue
//!   and drop it, and cancel every task that waits. Workers leave after the poll they are in.
//!
//! # Why nothing is lost
//! A job that is put into a queue while that queue is being emptied comes back to the one who
//! put it there: the injector's lanes close ([`Lane`](crate::queue::lane::Lane)); a worker looks at the
//! phase again after each job that it puts into its own ring, and empties the ring when it
//! leaves. A dropped job ends its task as cancelled, so no joiner waits for ever.
//!
//! # Where futures are dropped
//! Not in the frame of a waker, as far as that can be: whoever wakes may hold a lock that the drop of
//! the woken future takes (channels do both). The drop of one future may wake another one, so while
//! somebody closes the runtime, a job that is refused is put aside, and the one who closes drops it
//! from a frame of its own. After that every task that waited is gone; only a wake that was on its
//! way meanwhile still drops what it wakes where it is.

use alloc::{sync::Arc, vec::Vec};

use exec_core::{
    Job, Nanos, Shutdown, ShutdownReport, Threads,
    sync::{
        TryLock,
        atomic::{
            AtomicU8,
            Ordering::{AcqRel, Acquire, SeqCst},
            fence,
        },
    },
    unwind,
};

use crate::{
    context::{self, Role},
    queue::local::Steal,
    shared::Shared,
    waiting::with,
};

/// Takes everything.
pub(crate) const OPEN: u8 = 0;
/// Takes no new tasks.
pub(crate) const DRAIN: u8 = 1;
/// Takes no new tasks, and cancels those that wait when nothing else is left.
pub(crate) const QUIESCE: u8 = 2;
/// Takes nothing; the workers leave.
pub(crate) const CLOSED: u8 = 3;

/// The phase that a runtime is in.
pub(crate) struct Phase {
    now: AtomicU8,
    aside: TryLock<Aside>,
}

/// Jobs that were refused while the runtime was being closed.
#[derive(Default)]
struct Aside {
    /// How many threads close it right now, and drop the jobs.
    closing: usize,
    jobs: Vec<Job>,
}

impl Phase {
    pub(crate) fn new() -> Self {
        Self {
            now: AtomicU8::new(OPEN),
            aside: TryLock::new(Aside::default()),
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> u8 {
        // ORDERING: Acquire pairs with `advance`.
        self.now.load(Acquire)
    }

    /// Moves on to `phase`, never back.
    fn advance(&self, phase: u8) {
        let _ = self
            .now
            .fetch_update(AcqRel, Acquire, |now| (now < phase).then_some(phase));
    }
}

impl<T: Threads> Shared<T> {
    /// Ends the runtime as `how` says.
    pub(crate) fn shutdown(self: &Arc<Self>, how: Shutdown) -> ShutdownReport {
        if self.is_forked() {
            // There is nobody to wait for.
            return ShutdownReport::default();
        }
        let inside = self.is_inside();
        match how {
            Shutdown::Drain => {
                self.begin(DRAIN);
                if !inside {
                    self.wait_until_ended(None);
                }
            }
            Shutdown::Deadline(limit) => {
                let until = self.now().saturating_add(limit);
                self.begin(DRAIN);
                if inside || !self.wait_until_ended(Some(until)) {
                    self.close_now();
                }
            }
            Shutdown::Now => self.close_now(),
        }
        if !inside {
            self.settle_seat();
            self.join_threads();
        }
        self.report()
    }

    /// Waits until every worker has left and no closure blocks, `until` at the latest. Workers wait
    /// for closures before they leave, unless a `Now` has sent them away.
    fn wait_until_ended(self: &Arc<Self>, until: Option<Nanos>) -> bool {
        self.wait_until_left(until) && self.blocking.wait_until_left(&self.ground, until)
    }

    /// What the drop of a runtime does: everything that can go on by itself ends, what waits is
    /// cancelled.
    pub(crate) fn quiesce(self: &Arc<Self>) {
        if self.is_forked() {
            return;
        }
        self.begin(QUIESCE);
        if !self.is_inside() {
            self.wait_until_left(None);
            self.join_threads();
        }
    }

    /// Whether this thread runs a job of this runtime, and so cannot wait for its end.
    fn is_inside(&self) -> bool {
        let this = core::ptr::from_ref(self).cast();
        context::with(self.ground, |context| {
            context.is_some_and(|c| c.role != Role::Caller && core::ptr::eq(c.runtime, this))
        })
    }

    fn begin(&self, phase: u8) {
        self.phase.advance(phase);
        self.idle.wake_all();
    }

    /// Closes, drops what is queued, cancels what waits.
    pub(crate) fn close_now(&self) {
        with(&self.phase.aside, &self.ground, |aside| aside.closing += 1);
        self.phase.advance(CLOSED);
        // ORDERING: phase before queues; see the look at the phase in `Worker::keep`.
        fence(SeqCst);
        self.cancel_jobs(self.injector.close());
        self.cancel_jobs(self.blocking.close());
        for remote in &self.remotes {
            let mut jobs = Vec::from_iter(remote.queue.take_next());
            loop {
                match remote.queue.steal_one() {
                    Steal::Success(job, _) => jobs.push(job),
                    Steal::Empty => break,
                    // A thief is between claiming and copying: a few instructions.
                    Steal::Retry => self.ground.yield_now(),
                }
            }
            self.cancel_jobs(jobs);
            remote.timers.close();
        }
        // A task that waits gets a job from its cancelling, which is refused and thus dropped.
        for shard in self.shards() {
            shard.sweep();
        }
        self.drop_aside();
        self.idle.wake_all();
        self.spares.wake_all(&self.ground);
        if let Some(watchdog) = &self.watchdog {
            watchdog.rouse(&self.ground);
        }
    }

    /// Ends what was put aside, and this thread's share in the closing.
    fn drop_aside(&self) {
        loop {
            let jobs = with(&self.phase.aside, &self.ground, |aside| {
                if aside.jobs.is_empty() {
                    aside.closing -= 1;
                    return None;
                }
                Some(core::mem::take(&mut aside.jobs))
            });
            let Some(jobs) = jobs else { return };
            // What these wake is put aside in turn.
            for job in jobs {
                let _ = unwind::drop_caught(job).map_err(unwind::discard);
            }
        }
    }

    /// Drops jobs unrun, from any thread, and counts them. In a waker's frame, see the module head.
    pub(crate) fn cancel_jobs(&self, jobs: Vec<Job>) {
        self.outside.cancelled.add(jobs.len() as u64);
        for job in jobs {
            self.end_unrun(job);
        }
    }

    /// A wake was refused: drops its job, or has it dropped.
    #[cold]
    pub(crate) fn refused(&self, job: Job) {
        self.outside.refused.add(1);
        self.end_unrun(job);
    }

    fn end_unrun(&self, job: Job) {
        let mut job = Some(job);
        with(&self.phase.aside, &self.ground, |aside| {
            if aside.closing > 0 {
                aside.jobs.extend(job.take());
            }
        });
        if let Some(job) = job {
            let _ = unwind::drop_caught(job).map_err(unwind::discard);
        }
    }

    /// Worker, about to sleep in a phase after `OPEN`: ends what can be ended. `true` when the
    /// worker should look for work again.
    pub(crate) fn end_if_quiet(&self) -> bool {
        let phase = self.phase.get();
        if phase == OPEN || phase == CLOSED {
            return phase == CLOSED;
        }
        let is_empty = || self.waiting.get() == 0 && !self.has_any_work();
        self.idle.is_quiet(self.active(), is_empty) && self.end_quiet()
    }

    /// In a phase after `OPEN`, when no worker has anything to do: ends what can be ended. `true`
    /// when that changed anything.
    pub(crate) fn end_quiet(&self) -> bool {
        let phase = self.phase.get();
        if self.blocking.pending() > 0 {
            return false;
        }
        if self.shards().all(|shard| shard.live() == 0) {
            self.close_now();
            return true;
        }
        if phase == QUIESCE {
            let cancelled: u64 = self.shards().map(|shard| shard.sweep()).sum();
            return cancelled > 0;
        }
        false
    }

    /// Joins the workers that have left, and lets go of those that have not.
    fn join_threads(&self) {
        let threads = self.threads.try_with(core::mem::take).unwrap_or_default();
        for thread in threads {
            if self.all_left.is_set() && !self.ground.is_current(&thread) {
                // Its last act was to say that it leaves.
                let _ = self.ground.join(thread);
            }
        }
        self.blocking.join_threads(&self.ground);
    }

    /// What has become of the jobs so far. Those that still run or wait when a shutdown has only
    /// begun are told as leaked: nobody waits for them here.
    fn report(&self) -> ShutdownReport {
        let mut accepted = self.outside.scheduled.get() - self.outside.wakes_of_tasks.get();
        let mut cancelled = self.outside.cancelled.get() + self.outside.refused.get();
        let mut running = 0;
        for remote in &self.remotes {
            accepted += remote.counters.scheduled.get() - remote.counters.wakes_of_tasks.get();
            cancelled += remote.counters.cancelled.get() + remote.counters.refused.get();
            running += remote.counters.running.get();
        }
        let live = match self.phase.get() {
            // What is left of a task then is being dropped.
            CLOSED => 0,
            _ => self.shards().map(|shard| shard.live() as u64).sum(),
        };
        // A task that runs lives, a closure that runs does not.
        let leaked = self.blocking.pending() as u64 + live.max(running);
        ShutdownReport::new(
            accepted.saturating_sub(cancelled + leaked),
            cancelled,
            leaked,
        )
    }

    /// When the earliest timer of any worker is due.
    pub(crate) fn next_timer(&self) -> Nanos {
        self.remotes
            .iter()
            .map(|remote| remote.timers.next())
            .min()
            .unwrap_or(Nanos::MAX)
    }
}
