//! How a thread waits for a job of a pool, and when it is told that it would wait for ever.
//!
//! # Protocol
//! A thread that is no worker of the job's pool parks. A worker of it counts itself as blocked
//! first, by an exchange that fails for the last one that is not. The last one is refused, or,
//! where the wait must come to an end (scopes, fork-join), *helps*: it runs queued jobs until it
//! is done. A blocked worker is taken off the count by whoever wakes it, before it runs again:
//! the count never holds a worker that is about to go on.
//! Waits with a deadline end by themselves and are not counted.
//!
//! # Why nothing is lost
//! When a wait is refused, all other workers of the pool are blocked, each by a job that is
//! queued, or lies under another blocked wait: none of them can go on before this one does.
//! Conversely, as long as nobody is refused, one worker takes jobs.
//!
//! # Who a pool is
//! A join handle keeps a `&'static` waiter, from which it must be seen whose job it is: waiting
//! for another pool's job holds nobody up here. So each pool has a waiter of its own, an empty
//! room with an address. Rooms are leaked, and given to the next pool when theirs has gone; a
//! handle that outlives its pool asks no more, since all jobs of a pool that has gone are done.

use core::task::Waker;
use std::task::Wake;

use exec_core::{
    Ground, StdGround, forks,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    wait::{Completion, WaitMode, Waited, Waiter, park_until},
};

use crate::{
    shared::Shared,
    worker::{self, Worker},
};

/// The identity of one living pool.
#[derive(Debug)]
pub(crate) struct PoolWaiter {
    /// The forks before the pool was built.
    forks: AtomicUsize,
}

/// The rooms whose pools have gone.
#[cfg(not(loom))]
mod rooms {
    use std::sync::LazyLock;

    use exec_core::sync::Mutex;

    use super::PoolWaiter;

    static FREE: LazyLock<Mutex<Vec<&'static PoolWaiter>>> = LazyLock::new(Mutex::default);

    pub(super) fn take() -> Option<&'static PoolWaiter> {
        // In a forked child the lock may be held for ever by a thread that is not there.
        FREE.try_lock()?.pop()
    }

    pub(super) fn give_back(room: &'static PoolWaiter) {
        FREE.lock().push(room);
    }
}

/// Loom's locks do not outlive a model, so each pool leaks its room.
#[cfg(loom)]
mod rooms {
    use super::PoolWaiter;

    pub(super) fn take() -> Option<&'static PoolWaiter> {
        None
    }

    pub(super) fn give_back(_: &'static PoolWaiter) {}
}

impl PoolWaiter {
    /// A room for a new pool.
    pub(crate) fn claim() -> &'static Self {
        let room = rooms::take().unwrap_or_else(|| {
            Box::leak(Box::new(Self {
                forks: AtomicUsize::new(0),
            }))
        });
        // ORDERING: handles get the room after their pool was built.
        room.forks.store(forks::watch(), Relaxed);
        room
    }

    /// Gives the room back.
    pub(crate) fn release(&'static self, forked: bool) {
        if !forked {
            rooms::give_back(self);
        }
    }

    fn is_forked(&self) -> bool {
        self.forks.load(Relaxed) != forks::count()
    }
}

impl Waiter for PoolWaiter {
    fn wait(&self, done: &dyn Completion, mode: WaitMode) -> Waited {
        if done.is_done() {
            return Waited::Done;
        }
        match worker::current() {
            Some(worker) if core::ptr::eq(worker.shared.waiter, self) => worker.wait(done, mode),
            // The workers are in another process: nobody will finish it here.
            _ if mode.may_refuse && self.is_forked() => Waited::WouldDeadlock,
            _ => park_until(&StdGround, done, mode.until),
        }
    }
}

impl Worker {
    /// Waits for something that this worker's own pool will finish.
    pub(crate) fn wait(&self, done: &dyn Completion, mode: WaitMode) -> Waited {
        if mode.may_refuse && (self.is_running(done.job()) || self.shared.is_forked()) {
            return Waited::WouldDeadlock;
        }
        if mode.until.is_some() {
            return park_until(&StdGround, done, mode.until);
        }
        if let Some(blocked) = Blocked::begin(&self.shared) {
            blocked.wait(done);
            return Waited::Done;
        }
        if mode.may_refuse {
            // A completion that came while the others were counted is not one to refuse.
            return if done.is_done() {
                Waited::Done
            } else {
                Waited::WouldDeadlock
            };
        }
        self.help(done);
        Waited::Done
    }

    /// Runs queued jobs until `done`.
    pub(crate) fn help(&self, done: &dyn Completion) {
        let waker = Waker::from(Arc::new(Nudge {
            shared: self.shared.clone(),
            worker: self.index,
        }));
        let mut slot = None;
        while !done.is_done() {
            if self.try_next(&mut slot) {
                self.run(&mut slot);
                continue;
            }
            if done.subscribe(&waker) {
                break;
            }
            let _ = self.sleep(true, &mut slot, || done.is_done());
            if slot.is_some() {
                self.run(&mut slot);
            }
        }
        // Perhaps woken for a job that somebody else has to run now.
        self.stop_searching();
    }
}

/// A worker that waits and is counted so.
struct Blocked {
    shared: Arc<Shared>,
    /// Still counted; whoever clears it takes it off the count.
    counted: AtomicBool,
    thread: Waker,
}

impl Blocked {
    /// Counts the calling worker as blocked, unless it is the last one that is not.
    fn begin(shared: &Arc<Shared>) -> Option<Arc<Self>> {
        let last = shared.workers - 1;
        // ORDERING: Acquire pairs with the Release of `unblock`: a worker that was taken off the
        // count has its completion in place.
        shared
            .blocked
            .fetch_update(AcqRel, Acquire, |blocked| {
                (blocked < last).then_some(blocked + 1)
            })
            .ok()?;
        Some(Arc::new(Self {
            shared: shared.clone(),
            counted: AtomicBool::new(true),
            thread: StdGround.unparker(),
        }))
    }

    fn wait(self: Arc<Self>, done: &dyn Completion) {
        let waker = Waker::from(self.clone());
        while !done.subscribe(&waker) {
            StdGround.park(None);
            if done.is_done() {
                break;
            }
        }
        self.unblock();
    }

    fn unblock(&self) {
        // ORDERING: AcqRel makes one of the two sides the one that counts down.
        if self.counted.swap(false, AcqRel) {
            self.shared.blocked.fetch_sub(1, AcqRel);
        }
    }
}

impl Wake for Blocked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.unblock();
        self.thread.wake_by_ref();
    }
}

/// Makes a worker that sleeps while it helps look again.
struct Nudge {
    shared: Arc<Shared>,
    worker: usize,
}

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.shared.sleep.wake(self.worker);
    }
}
