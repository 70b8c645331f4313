//! `join`: two closures, perhaps at the same time.
//!
//! # Protocol
//! While the worker's deque is sated (see [`split`](crate::queue::split)) both halves are plain
//! calls. Otherwise one half becomes a frame on this stack, a pointer to it goes into the deque,
//! the other half runs, and the pop tells whether the first one is still here.
//!
//! `join` runs `b` here and offers `a`; `join_context` runs `a` here and offers `b`, as rayon's
//! does. A structure that was built depth first lies in memory so that what was built last is
//! next to its parent: a walk that begins with `b` goes through memory in one direction, and on
//! trees that do not fit into the cache it takes less than half of the time.
//!
//! # Why nothing is lost
//! The frame is left only when its job was taken back or has ended. When the first half panics,
//! the guard takes the job back and drops it unrun, or waits for the thief; then the panic goes
//! on.

use exec_core::unwind::{self, AbortOnDrop};

use crate::{ending::Outcome, fork::Frame, global, worker::Worker};

/// What a closure of [`join_context`] is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FnContext {
    migrated: bool,
}

impl FnContext {
    /// Whether the closure runs on another thread than the one that called `join_context`.
    pub fn migrated(&self) -> bool {
        self.migrated
    }
}

/// Runs `a` and `b`, perhaps at the same time, and returns both results.
///
/// On a worker of a pool the other workers may take one of them; elsewhere both run in the global
/// pool. A single worker begins with `b`; where the order matters use [`join_context`], which
/// begins with `a`.
///
/// # Panics
/// With the panic of the half that this worker runs, or else of the other; that one has ended by
/// then, or was never begun.
///
/// # Blocking
/// Until both are done. What the worker runs meanwhile is the pool's
/// [`WaitPolicy`](crate::WaitPolicy) to say.
///
/// # Examples
/// ```
/// fn sum(numbers: &[u64]) -> u64 {
///     if numbers.len() <= 1_000 {
///         return numbers.iter().sum();
///     }
///     let (left, right) = numbers.split_at(numbers.len() / 2);
///     let (left, right) = pool_workstealing::join(|| sum(left), || sum(right));
///     left + right
/// }
/// assert_eq!(sum(&(0..10_000).collect::<Vec<_>>()), 49_995_000);
/// ```
#[inline]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    match Worker::current() {
        Some(worker) => worker.join(|_| a(), |_| b()),
        None => global::get().install(move || join(a, b)),
    }
}

/// As [`join`], beginning with `a`, and each closure is told whether it migrated to another thread.
///
/// # Panics
/// With the panic of `a`, or else of `b`; the other one has ended by then, or was never begun.
///
/// # Blocking
/// As [`join`].
#[inline]
pub fn join_context<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    match Worker::current() {
        Some(worker) => worker.join_context(|_, told| a(told), |_, told| b(told)),
        None => global::get().install(move || join_context(a, b)),
    }
}

/// Jobs that a `join_context` leaves exposed: as many as rayon's iterators split before they begin,
/// since what a long leaf has not exposed stays here until it ends.
const fn eager_for(workers: usize) -> usize {
    match workers.checked_ilog2() {
        Some(halvings) => halvings as usize + 2,
        None => 1,
    }
}

impl Worker {
    /// Runs `a` and `b`, perhaps at the same time, and returns both results. Each gets the worker
    /// it runs on, to be used for the next `join`: that is the fastest way to fork.
    ///
    /// # Panics
    /// As [`join`].
    ///
    /// # Blocking
    /// As [`join`].
    ///
    /// # Examples
    /// ```
    /// use pool_workstealing::{ThreadPool, Worker};
    ///
    /// fn fib(worker: &Worker, n: u64) -> u64 {
    ///     if n < 2 {
    ///         return n;
    ///     }
    ///     let (a, b) = worker.join(|w| fib(w, n - 1), |w| fib(w, n - 2));
    ///     a + b
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = ThreadPool::new(2)?;
    /// assert_eq!(pool.install_worker(|worker| fib(worker, 20)), 6765);
    /// # Ok(()) }
    /// ```
    #[inline(never)]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&Worker) -> RA + Send,
        B: FnOnce(&Worker) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        if self.seat().split.is_sated() {
            let rb = b(self);
            return (a(self), rb);
        }
        let (rb, ra) = self.fork(b, |worker, _| a(worker), 1);
        (ra, rb)
    }

    /// As [`join`](Self::join), beginning with `a`, and each closure is told whether it migrated.
    ///
    /// # Panics
    /// As [`join_context`].
    ///
    /// # Blocking
    /// As [`join`].
    #[inline]
    pub fn join_context<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&Worker, FnContext) -> RA + Send,
        B: FnOnce(&Worker, FnContext) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        const HERE: FnContext = FnContext { migrated: false };
        if self.seat().split.is_sated() {
            return (a(self, HERE), b(self, HERE));
        }
        self.fork(
            |worker| a(worker, HERE),
            |worker, migrated| b(worker, FnContext { migrated }),
            eager_for(self.num_threads()),
        )
    }

    /// Runs `a` with `b` in the deque; `least` jobs are to lie exposed meanwhile.
    #[inline(never)]
    fn fork<A, B, RA, RB>(&self, a: A, b: B, least: usize) -> (RA, RB)
    where
        A: FnOnce(&Worker) -> RA + Send,
        B: FnOnce(&Worker, bool) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let split = &self.seat().split;
        let frame = Frame::new(b, self.index());
        if !split.push(frame.as_job()) {
            // Exposing makes room in the private part.
            self.expose(split.exposed() + 1);
            if !split.push(frame.as_job()) {
                // SAFETY: the job was never in the deque.
                let b = unsafe { frame.take_body() };
                return (a(self), b(self, false));
            }
        }
        self.expose(self.sleep().idle().hungry().max(least));
        split.settle(least);
        let guard = Forked {
            worker: self,
            frame: &frame,
        };
        let ra = a(self);
        std::mem::forget(guard);
        if split.pop() {
            // SAFETY: the pop brought the job back.
            let b = unsafe { frame.take_body() };
            return (ra, b(self, false));
        }
        (ra, self.stolen(&frame))
    }

    /// Exposes jobs until `wanted` are, and tells those who wait for them.
    #[inline]
    fn expose(&self, wanted: usize) {
        let added = self.seat().split.expose(wanted);
        if added != 0 {
            self.exposed(added);
        }
    }

    #[inline(never)]
    fn exposed(&self, added: usize) {
        self.seat().counters.exposed.add_many(added as u64);
        self.sleep().forked_by_rmw();
        if self.sleep().idle().blocked() != 0 {
            self.sleep().help_wanted(self.index());
        }
    }

    /// The result of a half that was stolen.
    #[cold]
    fn stolen<B, RB>(&self, frame: &Frame<B, RB>) -> RB
    where
        B: FnOnce(&Worker, bool) -> RB + Send,
        RB: Send,
    {
        let abort = AbortOnDrop("waiting for the stolen half of a join failed");
        let outcome = self.wait_fork(frame.head());
        std::mem::forget(abort);
        match outcome {
            Outcome::Done => {
                // SAFETY: done, and taken once.
                match unsafe { frame.take_result() } {
                    Ok(result) => result,
                    Err(payload) => unwind::resume(payload),
                }
            }
            Outcome::Returned => {
                // SAFETY: returned, and taken once.
                let b = unsafe { frame.take_body() };
                b(self, false)
            }
        }
    }
}

/// Holds the frame while the first half unwinds.
struct Forked<'a, B, RB>
where
    B: FnOnce(&Worker, bool) -> RB + Send,
    RB: Send,
{
    worker: &'a Worker,
    frame: &'a Frame<B, RB>,
}

impl<B, RB> Drop for Forked<'_, B, RB>
where
    B: FnOnce(&Worker, bool) -> RB + Send,
    RB: Send,
{
    #[cold]
    fn drop(&mut self) {
        let abort = AbortOnDrop("waiting for the stolen half of a join failed");
        let here = self.worker.seat().split.pop()
            || self.worker.wait_fork(self.frame.head()) == Outcome::Returned;
        // The panic of the first half goes on; what the second did is not told twice.
        let ended = if here {
            // SAFETY: the job is this thread's again.
            unwind::drop_caught(unsafe { self.frame.take_body() })
        } else {
            // SAFETY: done, and taken once.
            unsafe { self.frame.take_result() }.and_then(|result| unwind::drop_caught(result))
        };
        if let Err(payload) = ended {
            unwind::discard(payload);
        }
        std::mem::forget(abort);
    }
}
