//! A job with room in itself: a small closure is queued without an allocation.
//!
//! [`Job`] is two words, so its closure lies in a box, which is allocated by one
//! thread and freed by another: most of what queueing a small job costs. A [`SmallJob`] is four
//! words and keeps a closure of up to three in itself. A queue of them is larger, and a model's
//! own interface that fills it need not allocate. A plain job fits as well.
//!
//! # Why nothing is lost
//! As for a job: `run` takes it by value and `Drop` does the rest, so what is in the room is
//! consumed exactly once.

use core::{
    fmt,
    mem::{ManuallyDrop, MaybeUninit},
};

use crate::{
    job::{Job, JobId},
    unwind::{self, Payload},
};

/// Words of room: with the vtable, two jobs fill a cache line, and the lines that pass from one
/// CPU to another are what a job costs when the queue itself is cheap.
const WORDS: usize = 3;

type Room = MaybeUninit<[usize; WORDS]>;

/// What is in the room and what can be done with it; each function consumes it.
struct SmallVTable {
    run: unsafe fn(*mut Room) -> Result<(), Payload>,
    drop: unsafe fn(*mut Room),
    into_job: unsafe fn(*mut Room) -> Job,
    /// The room holds a [`Job`].
    is_job: bool,
}

/// Work that is run once or dropped once, kept in place when it is small.
///
/// Its size and alignment are those of whole vector registers, so that each move of it is made
/// in the same pieces, and a move never waits for the stores of the one before.
#[must_use = "a job that is dropped is cancelled"]
#[repr(C, align(16))]
pub struct SmallJob {
    room: Room,
    vtable: &'static SmallVTable,
}

// SAFETY: `new` and `from` take values that are `Send`, and the job only moves them.
unsafe impl Send for SmallJob {}

impl SmallJob {
    /// Whether a value of this type is kept in place.
    pub const fn fits<V>() -> bool {
        size_of::<V>() <= size_of::<Room>() && align_of::<V>() <= align_of::<Room>()
    }

    /// Makes a job of a closure, which is boxed only when it does not fit.
    #[inline]
    pub fn new<F: FnOnce() + Send + 'static>(f: F) -> Self {
        if Self::fits::<F>() {
            Self::keep(f, &Closure::<F>::VTABLE)
        } else {
            Self::from(Job::new(f))
        }
    }

    #[inline]
    fn keep<V>(value: V, vtable: &'static SmallVTable) -> Self {
        const { assert!(Self::fits::<Job>(), "the room is made for a job at least") };
        debug_assert!(Self::fits::<V>(), "invariant: the callers look first");
        let mut room = Room::uninit();
        // SAFETY: the room is as large and as aligned as `V` needs.
        unsafe { room.as_mut_ptr().cast::<V>().write(value) };
        Self { room, vtable }
    }

    /// Runs the job.
    ///
    /// # Errors
    /// The payload of a panic that nobody else will see; see [`Job::run`].
    ///
    /// # Panics
    /// Never; a panic of the job is caught (with the `std` feature).
    #[inline]
    pub fn run(self) -> Result<(), Payload> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the job is not dropped any more, so this is the one use of the room.
        unsafe { (this.vtable.run)(&raw mut this.room) }
    }

    /// Runs the job in `slot`, where there is one, and leaves none. Moves nothing.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// Never.
    #[inline]
    pub fn run_in(slot: &mut Option<Self>) -> Result<(), Payload> {
        let Some(job) = slot else { return Ok(()) };
        let abort = unwind::AbortOnDrop("a job unwound out of its own catch");
        // SAFETY: the slot is overwritten below without being dropped, and nothing unwinds past
        // here, so this is the one use of the room.
        let result = unsafe { (job.vtable.run)(&raw mut job.room) };
        core::mem::forget(abort);
        core::mem::forget(slot.take());
        result
    }

    /// The job in two words; a closure that was kept in place is boxed now.
    pub fn into_job(self) -> Job {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: as in `run`.
        unsafe { (this.vtable.into_job)(&raw mut this.room) }
    }

    /// What identifies the job, if somebody can wait for it; else [`JobId::NONE`].
    #[inline]
    pub fn id(&self) -> JobId {
        if !self.vtable.is_job {
            return JobId::NONE;
        }
        // SAFETY: the vtable says that the room holds a job, which is only looked at.
        unsafe { &*self.room.as_ptr().cast::<Job>() }.id()
    }
}

impl From<Job> for SmallJob {
    #[inline]
    fn from(job: Job) -> Self {
        Self::keep(job, &Inner::VTABLE)
    }
}

impl Drop for SmallJob {
    fn drop(&mut self) {
        // SAFETY: `run` and `into_job` keep a job from being dropped, so this is the one use.
        unsafe { (self.vtable.drop)(&raw mut self.room) }
    }
}

impl fmt::Debug for SmallJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmallJob")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// A room with a closure in it.
struct Closure<F>(core::marker::PhantomData<F>);

impl<F: FnOnce() + Send + 'static> Closure<F> {
    const VTABLE: SmallVTable = SmallVTable {
        run: Self::run,
        drop: Self::drop,
        into_job: Self::into_job,
        is_job: false,
    };

    unsafe fn take(room: *mut Room) -> F {
        // SAFETY: by the caller, the room holds an `F`, which is not used again.
        unsafe { room.cast::<F>().read() }
    }

    unsafe fn run(room: *mut Room) -> Result<(), Payload> {
        // SAFETY: the vtable says what is in the room, and this consumes it.
        let f = unsafe { Self::take(room) };
        unwind::catch(f)
    }

    unsafe fn drop(room: *mut Room) {
        // SAFETY: as in `run`.
        let f = unsafe { Self::take(room) };
        let _ = unwind::drop_caught(f).map_err(unwind::discard);
    }

    unsafe fn into_job(room: *mut Room) -> Job {
        // SAFETY: as in `run`.
        Job::new(unsafe { Self::take(room) })
    }
}

/// A room with a job in it.
struct Inner;

impl Inner {
    const VTABLE: SmallVTable = SmallVTable {
        run: Self::run,
        drop: Self::drop,
        into_job: Self::take,
        is_job: true,
    };

    unsafe fn take(room: *mut Room) -> Job {
        // SAFETY: by the caller, the room holds a job, which is not used again.
        unsafe { room.cast::<Job>().read() }
    }

    unsafe fn run(room: *mut Room) -> Result<(), Payload> {
        // SAFETY: the vtable says what is in the room, and this consumes it.
        unsafe { Self::take(room) }.run()
    }

    unsafe fn drop(room: *mut Room) {
        // SAFETY: as in `run`. Dropping a job does not unwind.
        drop(unsafe { Self::take(room) });
    }
}

const _: () = assert!(size_of::<usize>() < 8 || size_of::<SmallJob>() == 32);

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use super::*;

    /// Counts its drops; as large as asked for.
    #[derive(Clone)]
    struct Counted<const WORDS: usize>(Arc<AtomicUsize>, [usize; WORDS]);

    impl<const WORDS: usize> Drop for Counted<WORDS> {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// Small, just fitting, and too large, each in all ways of ending.
    fn consumed_once<const N: usize>() {
        let drops = Arc::new(AtomicUsize::new(0));
        let ran = Arc::new(AtomicUsize::new(0));
        let make = || {
            let (held, ran) = (Counted(drops.clone(), [7; N]), ran.clone());
            SmallJob::new(move || {
                let held = held;
                ran.fetch_add(1 + held.1.iter().filter(|n| **n != 7).count(), SeqCst);
            })
        };
        make().run().expect("does not panic");
        assert_eq!((ran.load(SeqCst), drops.load(SeqCst)), (1, 1));
        drop(make());
        assert_eq!((ran.load(SeqCst), drops.load(SeqCst)), (1, 2));
        make().into_job().run().expect("does not panic");
        assert_eq!((ran.load(SeqCst), drops.load(SeqCst)), (2, 3));
        let mut slot = Some(make());
        SmallJob::run_in(&mut slot).expect("does not panic");
        assert!(slot.is_none());
        SmallJob::run_in(&mut slot).expect("nothing to run");
        assert_eq!((ran.load(SeqCst), drops.load(SeqCst)), (3, 4));
        let moved = std::vec![make(), make()];
        for job in moved {
            job.run().expect("does not panic");
        }
        assert_eq!((ran.load(SeqCst), drops.load(SeqCst)), (5, 6));
    }

    #[test]
    fn every_size_is_consumed_once() {
        consumed_once::<0>();
        consumed_once::<1>();
        consumed_once::<2>();
        consumed_once::<3>();
        consumed_once::<100>();
    }

    #[test]
    fn over_aligned_closures_are_boxed() {
        #[repr(align(64))]
        struct Aligned(usize);
        let value = Aligned(3);
        let job = SmallJob::new(move || {
            let value = value;
            assert_eq!((&raw const value).addr() % 64, 0);
            assert_eq!(value.0, 3);
        });
        assert_ne!(job.id(), JobId::NONE);
        job.run().expect("does not panic");
    }

    #[test]
    fn a_job_keeps_its_id() {
        let job = Job::new(|| ());
        let id = job.id();
        let small = SmallJob::from(job);
        assert_eq!(small.id(), id);
        assert_eq!(small.into_job().id(), id);
        assert_eq!(SmallJob::new(|| ()).id(), JobId::NONE);
    }

    #[test]
    fn panics_come_back() {
        let payload = SmallJob::new(|| panic!("in place"))
            .run()
            .expect_err("panics");
        assert_eq!(unwind::message(&payload), Some("in place"));
        let mut slot = Some(SmallJob::new(|| panic!("in a slot")));
        let payload = SmallJob::run_in(&mut slot).expect_err("panics");
        assert_eq!(unwind::message(&payload), Some("in a slot"));
        assert!(slot.is_none());
    }
}
