//! A job with room in itself: a small closure is queued without an allocation.
//!
//! [`Job`](crate::Job) is two words, so its closure lies in a box, which is allocated by one
//! thread and freed by another: most of what queueing a small job costs. A [`SmallJob`] is five
//! words and keeps a closure of up to four in itself. A queue of them is larger, and a model's
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

/// Words of room.
const WORDS: usize = 4;

type Room = MaybeUninit<[usize; WORDS]>;

/// What can be done with what is in the room; each but `id` consumes it.
struct SmallVTable {
    run: unsafe fn(*mut Room) -> Result<(), Payload>,
    drop: unsafe fn(*mut Room),
    into_job: unsafe fn(*mut Room) -> Job,
    id: unsafe fn(*const Room) -> JobId,
}

/// Work that is run once or dropped once, kept in place when it is small.
#[must_use = "a job that is dropped is cancelled"]
pub struct SmallJob {
    room: Room,
    vtable: &'static SmallVTable,
}

// SAFETY: `new` and `from` take values that are `Send`, and the job only moves them.
unsafe impl Send for SmallJob {}

impl SmallJob {
    /// Makes a job of a closure, which is boxed only when it does not fit.
    #[inline]
    pub fn new<F: FnOnce() + Send + 'static>(f: F) -> Self {
        if fits::<F>() {
            Self::keep(f, &Closure::<F>::VTABLE)
        } else {
            Self::from(Job::new(f))
        }
    }

    #[inline]
    fn keep<V>(value: V, vtable: &'static SmallVTable) -> Self {
        const { assert!(fits::<Job>(), "the room is made for a job at least") };
        debug_assert!(fits::<V>(), "invariant: the callers look first");
        let mut room = Room::uninit();
        // SAFETY: the room is as large and as aligned as `V` needs.
        unsafe { room.as_mut_ptr().cast::<V>().write(value) };
        Self { room, vtable }
    }

    /// Gives the room up, to be consumed by the caller.
    #[inline]
    fn into_room(self) -> (Room, &'static SmallVTable) {
        let this = ManuallyDrop::new(self);
        (this.room, this.vtable)
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
        let (mut room, vtable) = self.into_room();
        // SAFETY: `into_room` gave up the right to drop, so this is the one use of the room.
        unsafe { (vtable.run)(&raw mut room) }
    }

    /// The job in two words; a closure that was kept in place is boxed now.
    pub fn into_job(self) -> Job {
        let (mut room, vtable) = self.into_room();
        // SAFETY: as in `run`.
        unsafe { (vtable.into_job)(&raw mut room) }
    }

    /// What identifies the job, if somebody can wait for it; else [`JobId::NONE`].
    #[inline]
    pub fn id(&self) -> JobId {
        // SAFETY: the room is still in use, and only looked at.
        unsafe { (self.vtable.id)(&raw const self.room) }
    }
}

const fn fits<V>() -> bool {
    size_of::<V>() <= size_of::<Room>() && align_of::<V>() <= align_of::<Room>()
}

impl From<Job> for SmallJob {
    #[inline]
    fn from(job: Job) -> Self {
        Self::keep(job, &Inner::VTABLE)
    }
}

impl Drop for SmallJob {
    fn drop(&mut self) {
        // SAFETY: `into_room` forgets the job, so this is the one use of the room.
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
        id: Self::id,
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

    unsafe fn id(_: *const Room) -> JobId {
        JobId::NONE
    }
}

/// A room with a job in it.
struct Inner;

impl Inner {
    const VTABLE: SmallVTable = SmallVTable {
        run: Self::run,
        drop: Self::drop,
        into_job: Self::take,
        id: Self::id,
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

    unsafe fn id(room: *const Room) -> JobId {
        // SAFETY: the vtable says what is in the room, which is only looked at.
        unsafe { &*room.cast::<Job>() }.id()
    }
}

const _: () = assert!(size_of::<SmallJob>() == 5 * size_of::<usize>());

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
        let moved = std::vec![make(), make()];
        for job in moved {
            job.run().expect("does not panic");
        }
        assert_eq!((ran.load(SeqCst), drops.load(SeqCst)), (4, 5));
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
    }
}
