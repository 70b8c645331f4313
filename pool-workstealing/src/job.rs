//! Jobs: a closure by value in a queue, or a frame on a stack that waits for it.
//!
//! [`QueuedJob`] is what the deques and the injector hold: a closure of up to [`INLINE_WORDS`]
//! words lies in it, a larger one in a box that it points to. So a spawn of a small closure
//! allocates nothing.
//!
//! # Why nothing is lost
//! `run` takes the job by value and `Drop` does the rest: each closure is called once or dropped
//! once, wherever the job is.

use std::{
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit, align_of, size_of},
};

use exec_core::{
    Job, JobId,
    unwind::{self, Payload},
};

/// Words of captures that fit into a queue slot.
pub(crate) const INLINE_WORDS: usize = 6;

type Data = MaybeUninit<[usize; INLINE_WORDS]>;

/// What can be done with the closure in a job's data.
struct VTable {
    /// Consumes the data by running it; a panic that no joiner will ever see comes back.
    run: unsafe fn(*mut Data) -> Result<(), Payload>,
    /// Consumes the data without running it; a panic of that comes back.
    drop: unsafe fn(*mut Data) -> Result<(), Payload>,
    /// Whether the data is a [`Job`].
    is_job: bool,
}

/// A closure that is run once or dropped once.
pub(crate) struct QueuedJob {
    vtable: &'static VTable,
    data: Data,
}

// SAFETY: every constructor takes a `Send` closure, and a job only ever moves it.
unsafe impl Send for QueuedJob {}

impl QueuedJob {
    /// A job of a closure.
    #[inline]
    pub(crate) fn new<F: FnOnce() + Send + 'static>(f: F) -> Self {
        // SAFETY: `F` is `'static`.
        unsafe { Self::new_borrowed(f) }
    }

    /// A job of a closure that borrows.
    ///
    /// # Safety
    /// What `f` borrows stays valid until the job was run or dropped.
    #[inline]
    pub(crate) unsafe fn new_borrowed<F: FnOnce() + Send>(f: F) -> Self {
        if fits::<F>() {
            Self::place(f, &Inline::<F>::VTABLE)
        } else {
            Self::place(Box::into_raw(Box::new(f)), &Boxed::<F>::VTABLE)
        }
    }

    #[inline]
    fn place<V>(value: V, vtable: &'static VTable) -> Self {
        let mut data = Data::uninit();
        // SAFETY: the callers checked that `V` fits (a thin pointer does).
        unsafe { data.as_mut_ptr().cast::<V>().write(value) };
        Self { vtable, data }
    }

    /// Runs the closure.
    ///
    /// # Errors
    /// The payload of a panic that nobody else will see.
    #[inline]
    pub(crate) fn run(self) -> Result<(), Payload> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the job is forgotten, so this is the one call with its data.
        unsafe { (this.vtable.run)(&raw mut this.data) }
    }

    /// The id of the job that a joiner knows it by, where there is one.
    #[inline]
    pub(crate) fn id(&self) -> JobId {
        if self.vtable.is_job {
            // SAFETY: `is_job` says that a `Job` lies in the data.
            unsafe { &*self.data.as_ptr().cast::<Job>() }.id()
        } else {
            JobId::NONE
        }
    }

    /// The job that this was made of, or a job that runs it.
    pub(crate) fn into_job(self) -> Job {
        if !self.vtable.is_job {
            return Job::new(move || {
                if let Err(payload) = self.run() {
                    unwind::resume(payload);
                }
            });
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: `is_job` says that a `Job` lies in the data, and `this` is forgotten.
        unsafe { this.data.as_ptr().cast::<Job>().read() }
    }
}

impl From<Job> for QueuedJob {
    #[inline]
    fn from(job: Job) -> Self {
        Self::place(job, &JOB)
    }
}

impl Drop for QueuedJob {
    fn drop(&mut self) {
        // SAFETY: `run` and `into_job` forget the job, so this is the one call with its data.
        let dropped = unsafe { (self.vtable.drop)(&raw mut self.data) };
        if let Err(payload) = dropped {
            unwind::discard(payload);
        }
    }
}

const fn fits<F>() -> bool {
    size_of::<F>() <= size_of::<Data>() && align_of::<F>() <= align_of::<Data>()
}

/// A closure that lies in the data.
struct Inline<F>(PhantomData<F>);

impl<F: FnOnce()> Inline<F> {
    const VTABLE: VTable = VTable {
        run: Self::run,
        drop: Self::drop,
        is_job: false,
    };

    unsafe fn run(data: *mut Data) -> Result<(), Payload> {
        // SAFETY: `new_borrowed` put an `F` here, and this is its one use.
        unwind::catch(unsafe { data.cast::<F>().read() })
    }

    unsafe fn drop(data: *mut Data) -> Result<(), Payload> {
        // SAFETY: as in `run`.
        unwind::drop_caught(unsafe { data.cast::<F>().read() })
    }
}

/// A closure in a box.
struct Boxed<F>(PhantomData<F>);

impl<F: FnOnce()> Boxed<F> {
    const VTABLE: VTable = VTable {
        run: Self::run,
        drop: Self::drop,
        is_job: false,
    };

    /// # Safety
    /// The data holds the pointer that `new_borrowed` put there, and is not used again.
    unsafe fn unbox(data: *mut Data) -> Box<F> {
        // SAFETY: by the caller.
        let f = unsafe { data.cast::<*mut F>().read() };
        // SAFETY: it came from `Box::into_raw`.
        unsafe { Box::from_raw(f) }
    }

    unsafe fn run(data: *mut Data) -> Result<(), Payload> {
        // SAFETY: this is the one use of the data.
        let f = unsafe { Self::unbox(data) };
        unwind::catch(move || (*f)())
    }

    unsafe fn drop(data: *mut Data) -> Result<(), Payload> {
        // SAFETY: this is the one use of the data.
        unwind::drop_caught(unsafe { Self::unbox(data) })
    }
}

static JOB: VTable = VTable {
    run: run_job,
    drop: drop_job,
    is_job: true,
};

unsafe fn run_job(data: *mut Data) -> Result<(), Payload> {
    // SAFETY: `from` put a `Job` here, and this is its one use.
    unsafe { data.cast::<Job>().read() }.run()
}

unsafe fn drop_job(data: *mut Data) -> Result<(), Payload> {
    // SAFETY: as in `run_job`.
    drop(unsafe { data.cast::<Job>().read() });
    Ok(())
}

const _: () = assert!(size_of::<QueuedJob>() == 56 || size_of::<usize>() != 8);
const _: () = assert!(fits::<Job>());
