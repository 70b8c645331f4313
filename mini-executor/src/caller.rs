//! A thread from outside that drives a future: `block_on`.
//!
//! # Protocol
//! Poll; when the future waits for the first time, and no worker is on the look-out, run one job of
//! this thread's lane of the injector here, as a guest among the workers: what was spawned just
//! before is likely what is waited for, and running it here costs no wake of another thread.
//! Otherwise look out for the wake for a short while (see `poll.rs`), then park.
//!
//! # Why nothing is lost
//! The waker sets a flag, then the thread's token. The thread clears the flag before it polls,
//! and parks only when the flag is clear; a wake between that look and the park leaves the token.

use alloc::{sync::Arc, task::Wake};
use core::{
    future::Future,
    pin::Pin,
    task::{Context as TaskContext, Poll, Waker},
};

use exec_core::{
    Nanos, Threads,
    sync::atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
        fence,
    },
    unwind,
};

use crate::{
    context::{self, Context, Role},
    coop::BUDGET,
    driver::Bell,
    phase::{CLOSED, OPEN},
    poll::look_out,
    seat::Seat,
    shared::Shared,
    worker::Worker,
};

struct Woken {
    woken: AtomicBool,
    unparker: Waker,
    /// That of the seat, where this thread may sit in one.
    bell: Option<Arc<Bell>>,
}

impl Woken {
    fn new<T: Threads>(shared: &Shared<T>) -> Arc<Self> {
        Arc::new(Self {
            woken: AtomicBool::new(false),
            unparker: shared.ground.unparker(),
            bell: shared.seat.as_ref().map(|seat| seat.bell.clone()),
        })
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release publishes what came before the wake to the next poll.
        if !self.woken.swap(true, AcqRel) {
            if let Some(bell) = &self.bell {
                // It may sleep in the reactor.
                bell.wake_by_ref();
            }
            self.unparker.wake_by_ref();
        }
    }
}

/// A caller that needs a CPU, for as long as it lives.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn new(callers: &'a AtomicUsize) -> Self {
        // ORDERING: here and below, a count that is a guess for its readers.
        callers.fetch_add(1, Relaxed);
        Self(callers)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A busy caller that waits, for as long as it lives.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(callers: &'a AtomicUsize) -> Self {
        callers.fetch_sub(1, Relaxed);
        Self(callers)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl<T: Threads> Shared<T> {
    /// Drives `future` on this thread until it is ready.
    ///
    /// # Panics
    /// On a worker, inside another `block_on`, and in a child of fork.
    pub(crate) fn drive(self: &Arc<Self>, future: Pin<&mut dyn Future<Output = ()>>) {
        assert!(
            !self.is_forked(),
            "block_on of runtime `{}` was called in a child of fork, where its workers are not; \
             make a new runtime there",
            self.name
        );
        self.refuse_to_nest();
        let context = Context::new::<T>(
            Role::Caller,
            Arc::as_ptr(self).cast(),
            self.name.clone(),
            None,
        );
        context::enter(self.ground, &context, || match &self.seat {
            Some(seat) => self.drive_seated(seat, future),
            None => self.drive_here(&context, future),
        });
    }

    /// Drives `future` and, when the seat is free, the whole runtime.
    fn drive_seated(self: &Arc<Self>, seat: &Seat, mut future: Pin<&mut dyn Future<Output = ()>>) {
        let state = Woken::new(self);
        let waker = Waker::from(state.clone());
        let mut cx = TaskContext::from_waker(&waker);
        state.woken.store(true, Release);
        let mut done = None;
        // `true` when there is nothing left to drive.
        let mut turn = || {
            // ORDERING: Acquire pairs with the waker's swap.
            if done.is_none() && state.woken.swap(false, AcqRel) {
                // A panic must not take the worker's parts with it.
                let polled = unwind::catch(|| {
                    context::with(self.ground, |context| {
                        context.inspect(|context| context.budget.set(BUDGET));
                    });
                    future.as_mut().poll(&mut cx)
                });
                match polled {
                    Ok(Poll::Pending) => {}
                    Ok(Poll::Ready(())) => done = Some(Ok(())),
                    Err(payload) => done = Some(Err(payload)),
                }
            }
            done.is_some()
        };
        let ready = || state.woken.load(Acquire);
        loop {
            let parts = match self.phase.get() {
                CLOSED => None,
                _ => seat.place.take_or_wait(&self.ground),
            };
            match parts {
                Some(parts) => {
                    self.sit(seat, parts, None, &mut turn, &ready);
                    if let Some(sim) = &self.sim {
                        sim.check(&self.name);
                    }
                }
                None if !ready() => self.ground.park(None),
                None => {}
            }
            if turn() {
                break;
            }
        }
        // As below.
        state.woken.store(true, Release);
        if let Some(Err(payload)) = done {
            #[cfg(feature = "std")]
            if let Some(sim) = &self.sim {
                std::eprintln!(
                    "mini-executor: a future that block_on drives panicked with seed {}",
                    sim.seed
                );
            }
            unwind::resume(payload);
        }
    }

    fn refuse_to_nest(&self) {
        context::with(self.ground, |context| {
            let Some(context) = context else { return };
            let (own, other) = (&self.name, &context.name);
            match context.role {
                Role::Worker => panic!(
                    "block_on of runtime `{own}` was called on a worker of runtime `{other}`, which \
                     must not block; `.await` the future, or spawn it"
                ),
                Role::Blocking => {}
                Role::Caller | Role::Driver => panic!(
                    "block_on of runtime `{own}` was called inside block_on of runtime `{other}`; \
                     `.await` the future there"
                ),
            }
        });
    }

    fn drive_here(
        self: &Arc<Self>,
        context: &Context,
        mut future: Pin<&mut dyn Future<Output = ()>>,
    ) {
        let state = Woken::new(self);
        let waker = Waker::from(state.clone());
        let mut cx = TaskContext::from_waker(&waker);
        let mut may_help = true;
        let _busy = Busy::new(&self.callers);
        let mut poll = || {
            context.budget.set(BUDGET);
            future.as_mut().poll(&mut cx)
        };
        while poll().is_pending() {
            // ORDERING: Acquire pairs with the waker's swap, here and below.
            while !state.woken.swap(false, AcqRel) {
                // A worker on the look-out takes the job sooner than this thread could.
                if may_help && !self.lookout.is_taken() {
                    may_help = false;
                    if self.help_once() {
                        continue;
                    }
                }
                let _waits = Waits::new(&self.callers);
                if self.lookout.is_useful() {
                    let seen = || state.woken.load(Acquire);
                    let paid_off = look_out(&self.ground, self.patience.now(), Nanos::MAX, seen);
                    self.patience.learn(paid_off);
                    if paid_off {
                        continue;
                    }
                }
                if !state.woken.load(Acquire) {
                    self.ground.park(None);
                }
            }
        }
        // A late wake of this future finds the flag set, and leaves the thread's token alone.
        state.woken.store(true, Release);
    }

    /// Runs one job that was put into this thread's lane, if there is one and no other thread is
    /// the guest.
    fn help_once(self: &Arc<Self>) -> bool {
        let Some(parts) = self.guest.try_with(Option::take).flatten() else {
            return false;
        };
        // A drain does not take this thread for idle while it may have a job in hand.
        self.waiting.add(1);
        let job = self.injector.pop_from(crate::shared::thread_hint());
        let helped = job.is_some();
        let mut parts = Some(match job {
            Some(job) => Worker::run_as_guest(self, parts, job),
            None => parts,
        });
        // Another thread that just looks holds the place for a few instructions.
        while parts.is_some() && self.guest.try_with(|place| *place = parts.take()).is_none() {
            self.ground.yield_now();
        }
        self.waiting.take(1);
        // ORDERING: the parts are back; pairs with the fence of `TasksShare::give_back`.
        fence(SeqCst);
        if self.phase.get() != OPEN {
            self.idle.post();
            self.settle_share();
        }
        helped
    }
}
