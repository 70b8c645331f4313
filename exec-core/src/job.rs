//! A job: two words that are run once or dropped once.
//!
//! A job is the only currency between the generic layers and a model. A model stores it in a
//! queue of its own, and either runs it on one of its threads ([`Job::run`]) or drops it. Behind
//! the two words may be a boxed closure, the cell of a [`JoinHandle`](crate::JoinHandle), a
//! frame on a waiting stack, or one poll of a future: the model cannot tell.
//!
//! # Why nothing is lost
//! `run` takes the job by value and `Drop` does the rest, so each job is consumed exactly once.
//! A job that is dropped tells its owner: a joiner sees `Cancelled`, a scope counts it.

use alloc::boxed::Box;
use core::{fmt, marker::PhantomData, mem::ManuallyDrop};

use crate::unwind::{self, Payload};

/// What identifies a job while it exists; a running job and its joiner compare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobId(usize);

impl JobId {
    /// No job at all.
    pub const NONE: Self = Self(0);

    pub(crate) fn of<T>(cell: *const T) -> Self {
        Self(cell.addr())
    }

    /// The bare number, for a model that stores the id in an atomic.
    pub const fn to_bits(self) -> usize {
        self.0
    }

    /// The id of a number that came from [`to_bits`](Self::to_bits).
    pub const fn from_bits(bits: usize) -> Self {
        Self(bits)
    }
}

/// The two things that can be done with the data of a [`Job`].
#[derive(Debug)]
pub struct JobVTable {
    /// Consumes the data by running it; a panic that no joiner will ever see comes back.
    pub run: unsafe fn(*mut ()) -> Result<(), Payload>,
    /// Consumes the data without running it; must not unwind.
    pub drop: unsafe fn(*mut ()),
}

/// Work that is run once, or dropped and reported as cancelled.
#[must_use = "a job that is dropped is cancelled"]
pub struct Job {
    data: *mut (),
    vtable: &'static JobVTable,
}

// SAFETY: every constructor takes data that is `Send` (`new` by its bound, `from_raw` by its
// contract), and a job never shares its data, only moves it.
unsafe impl Send for Job {}

impl Job {
    /// Makes a job of a closure; a closure that captures nothing is not allocated.
    #[inline]
    pub fn new<F: FnOnce() + Send + 'static>(f: F) -> Self {
        Self {
            data: Box::into_raw(Box::new(f)).cast(),
            vtable: &Boxed::<F>::VTABLE,
        }
    }

    /// Makes a job of a closure that borrows.
    ///
    /// # Safety
    /// What `f` borrows stays valid until the job has been run or dropped.
    #[inline]
    pub unsafe fn new_borrowed<F: FnOnce() + Send>(f: F) -> Self {
        Self {
            data: Box::into_raw(Box::new(f)).cast(),
            vtable: &Boxed::<F>::VTABLE,
        }
    }

    /// Makes a job of raw parts.
    ///
    /// # Safety
    /// Exactly one of the functions of `vtable` may be called with `data`, once, from any
    /// thread, at any later time (`'static`), and neither may unwind.
    #[inline]
    pub unsafe fn from_raw(data: *mut (), vtable: &'static JobVTable) -> Self {
        Self { data, vtable }
    }

    /// The raw parts; the caller takes over the duty to run or drop them.
    #[inline]
    pub fn into_raw(self) -> (*mut (), &'static JobVTable) {
        let this = ManuallyDrop::new(self);
        (this.data, this.vtable)
    }

    /// What identifies the job among those that exist now.
    ///
    /// Jobs that a joiner can wait for have an id of their own; others may share one.
    #[inline]
    pub fn id(&self) -> JobId {
        JobId(self.data.addr())
    }

    pub(crate) fn data_ptr(&self) -> *mut () {
        self.data
    }

    /// Runs the job.
    ///
    /// # Errors
    /// The payload of a panic that nobody else will see: the job was spawned without a handle,
    /// or its handle is gone. A panic that a joiner will get is not an error here.
    ///
    /// # Panics
    /// Never; a panic of the job is caught (with the `std` feature).
    #[inline]
    pub fn run(self) -> Result<(), Payload> {
        let (data, vtable) = self.into_raw();
        // SAFETY: `into_raw` gave up the right to drop, so this is the one call for `data`.
        unsafe { (vtable.run)(data) }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // SAFETY: `run` and `into_raw` forget the job, so this is the one call for `data`.
        unsafe { (self.vtable.drop)(self.data) }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// A closure in a box.
struct Boxed<F>(PhantomData<F>);

impl<F: FnOnce()> Boxed<F> {
    const VTABLE: JobVTable = JobVTable {
        run: Self::run,
        drop: Self::drop,
    };

    unsafe fn run(data: *mut ()) -> Result<(), Payload> {
        // SAFETY: `data` came from `Box::<F>::into_raw` in `Job::new`, and this is its one use.
        let f = unsafe { Box::from_raw(data.cast::<F>()) };
        unwind::catch(move || (*f)())
    }

    unsafe fn drop(data: *mut ()) {
        // SAFETY: as in `run`.
        let f = unsafe { Box::from_raw(data.cast::<F>()) };
        let _ = unwind::drop_caught(f).map_err(unwind::discard);
    }
}

impl From<Box<dyn FnOnce() + Send + 'static>> for Job {
    /// Boxes the box: a job is two thin words. Prefer [`Job::new`] with the closure itself.
    fn from(f: Box<dyn FnOnce() + Send + 'static>) -> Self {
        Self::new(f)
    }
}

const _: () = assert!(size_of::<Job>() == 2 * size_of::<usize>());

#[cfg(test)]
mod tests;
