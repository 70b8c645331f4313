//! Broadcasts: one closure, called once on each worker.
//!
//! Each worker has a mailbox for what only it can run; it looks there before it looks for other
//! work, and also while it waits inside a job: the one that broadcasts may be what it waits for.
//!
//! # Why nothing is lost
//! The results and the count lie on the caller's stack, which it leaves when the count is zero.
//! A part that is dropped unrun (the pool was stopped) counts too, and the caller panics rather
//! than return fewer results.

use std::{fmt, marker::PhantomData};

use exec_core::{
    sync::{
        Arc, UnsafeCell,
        atomic::{AtomicUsize, Ordering::AcqRel},
    },
    unwind::{self, AbortOnDrop, Payload},
};

use crate::{global, job::QueuedJob, latch::Latch, registry::Registry, worker::Worker};

/// What each call of a broadcast is told.
pub struct BroadcastContext<'a> {
    index: usize,
    threads: usize,
    /// It stays on its worker.
    worker: PhantomData<&'a Worker>,
}

impl BroadcastContext<'_> {
    pub(crate) fn new(index: usize, threads: usize) -> Self {
        Self {
            index,
            threads,
            worker: PhantomData,
        }
    }

    /// The index of the worker, from 0.
    #[inline]
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many workers take part.
    #[inline]
    pub fn num_threads(&self) -> usize {
        self.threads
    }
}

impl fmt::Debug for BroadcastContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastContext")
            .field("index", &self.index)
            .field("num_threads", &self.threads)
            .finish()
    }
}

/// One worker's result; its own until it is counted off.
type Place<R> = UnsafeCell<Option<Result<R, Payload>>>;

struct Call<'a, F, R> {
    f: &'a F,
    places: Vec<Place<R>>,
    pending: AtomicUsize,
    latch: Latch,
}

/// One worker's part of a call.
struct Part<'a, F, R> {
    call: *const Call<'a, F, R>,
    index: usize,
}

// SAFETY: a part calls `F` by shared reference and sends an `R` back.
unsafe impl<F: Sync, R: Send> Send for Part<'_, F, R> {}

impl<F: Fn(BroadcastContext<'_>) -> R, R> Part<'_, F, R> {
    fn run(self) {
        // SAFETY: the caller waits until this part is counted off, which its drop does.
        let call = unsafe { &*self.call };
        let context = BroadcastContext::new(self.index, call.places.len());
        let result = unwind::catch(|| (call.f)(context));
        // SAFETY: the place is this part's until it is counted off.
        call.places[self.index].with_mut(|place| unsafe { *place = Some(result) });
    }
}

impl<F, R> Drop for Part<'_, F, R> {
    fn drop(&mut self) {
        // SAFETY: the caller waits until this part is counted off.
        let call = unsafe { &*self.call };
        // ORDERING: Release publishes the result, Acquire passes on those of the others.
        if call.pending.fetch_sub(1, AcqRel) == 1 {
            // SAFETY: the caller waits for the latch.
            unsafe { Latch::set(&raw const call.latch) };
        }
    }
}

/// Calls `f` on every worker of `registry` and returns the results in the order of the workers.
pub(crate) fn broadcast_in<F, R>(registry: &Arc<Registry>, f: F) -> Vec<R>
where
    F: Fn(BroadcastContext<'_>) -> R + Sync,
    R: Send,
{
    let threads = registry.threads();
    let call = Call {
        f: &f,
        places: (0..threads).map(|_| UnsafeCell::new(None)).collect(),
        pending: AtomicUsize::new(threads),
        latch: Latch::new(),
    };
    let abort = AbortOnDrop("waiting for a broadcast that borrows from this stack failed");
    let here = Worker::current_of(registry).map(Worker::index);
    for index in (0..threads).filter(|&index| Some(index) != here) {
        let part = Part {
            call: &raw const call,
            index,
        };
        // SAFETY: the call lives until every part is counted off.
        let job = unsafe { QueuedJob::new_borrowed(move || part.run()) };
        registry.mail(index, job);
    }
    if let Some(index) = here {
        let part = Part {
            call: &raw const call,
            index,
        };
        part.run();
    }
    match Worker::current() {
        Some(worker) if here.is_none() => {
            worker.wait_elsewhere(|| call.latch.is_set(), || call.latch.park());
        }
        Some(worker) => worker.wait_until(|| call.latch.is_set(), || None, || call.latch.park()),
        None => call.latch.wait(),
    }
    std::mem::forget(abort);
    let mut results = Vec::with_capacity(threads);
    let mut panic = None;
    for place in call.places {
        match place.into_inner() {
            Some(Ok(result)) => results.push(result),
            Some(Err(payload)) => match &panic {
                None => panic = Some(payload),
                Some(_) => unwind::discard(payload),
            },
            None => {}
        }
    }
    if let Some(payload) = panic {
        unwind::resume(payload);
    }
    assert_eq!(
        results.len(),
        threads,
        "broadcast: the pool was stopped before every worker had been called"
    );
    results
}

/// Calls `f` on every worker of `registry`, without waiting.
pub(crate) fn spawn_broadcast_in<F>(registry: &Arc<Registry>, f: F)
where
    F: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
{
    if registry.is_closed() {
        return;
    }
    let threads = registry.threads();
    let f = Arc::new(f);
    for index in 0..threads {
        let f = f.clone();
        let job = QueuedJob::new(move || f(BroadcastContext::new(index, threads)));
        registry.mail(index, job);
    }
}

/// Calls `f` once on each worker of the current pool, or else of the global one, and returns the
/// results in the order of the workers.
///
/// A worker that is in a job takes its part when that job ends or waits.
///
/// # Panics
/// With the first panic of a call, after all have ended; and when the pool is stopped meanwhile.
///
/// # Blocking
/// Until every worker has been called.
///
/// # Examples
/// ```
/// let pool = pool_workstealing::ThreadPool::new(3).unwrap();
/// let indices = pool.broadcast(|context| context.index());
/// assert_eq!(indices, [0, 1, 2]);
/// ```
pub fn broadcast<F, R>(f: F) -> Vec<R>
where
    F: Fn(BroadcastContext<'_>) -> R + Sync,
    R: Send,
{
    broadcast_in(&global::registry_here(), f)
}

/// As [`broadcast`], without waiting. A panic of a call goes to the panic handler.
pub fn spawn_broadcast<F>(f: F)
where
    F: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
{
    spawn_broadcast_in(&global::registry_here(), f);
}
