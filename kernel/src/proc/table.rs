//! All threads: the pool of structures, the tids, and the join cells.
//!
//! # Who owns what
//! The pool and the tids have a lock each; a join cell has its own. A tid is in use from
//! [`Reservation::take`] until its thread has ended *and* been joined; the structure and its kernel
//! stack go back to the pool as soon as the thread has been left, joined or not.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicPtr, Ordering};

use kcore::{JoinCell, SpinLock, Tid, TidAllocator};

use crate::{
    mm::frames::OutOfFrames,
    proc::{
        process::Process,
        thread::{Thread, ThreadRef},
    },
    syscall::errno::Errno,
    trap::frame::TrapFrame,
};

struct Table {
    pool: SpinLock<Pool>,
    tids: SpinLock<TidAllocator>,
    cells: Box<[JoinCell<ThreadRef>]>,
    /// The thread of each slot while it lives.
    living: Box<[AtomicPtr<Thread>]>,
}

struct Pool {
    /// Structures without a thread.
    free: Vec<&'static Thread>,
    all: Vec<&'static Thread>,
    /// Numbers of stacks that could not be made, below `next_stack`.
    spare_stacks: Vec<usize>,
    next_stack: usize,
}

static TABLE: spin::Once<Table> = spin::Once::new();

pub(super) fn init() {
    TABLE.call_once(|| Table {
        pool: SpinLock::new(Pool {
            free: Vec::with_capacity(Tid::MAX_SLOTS),
            all: Vec::with_capacity(Tid::MAX_SLOTS),
            spare_stacks: Vec::new(),
            next_stack: 0,
        }),
        tids: SpinLock::new(TidAllocator::new(Tid::MAX_SLOTS)),
        cells: (0..Tid::MAX_SLOTS).map(|_| JoinCell::new()).collect(),
        living: (0..Tid::MAX_SLOTS).map(|_| AtomicPtr::default()).collect(),
    });
}

#[inline]
fn table() -> &'static Table {
    TABLE
        .get()
        .expect("invariant: the table is made before any thread")
}

/// A thread structure and a tid that wait for their thread. Given back if dropped.
struct Reservation {
    thread: Option<&'static Thread>,
    tid: Option<Tid>,
}

impl Reservation {
    fn take() -> Result<Self, Errno> {
        let mut new = Self {
            thread: None,
            tid: table().tids.lock().allocate(),
        };
        if new.tid.is_none() {
            return Err(Errno::EAGAIN);
        }
        new.thread = Some(take_structure()?);
        Ok(new)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(thread) = self.thread {
            table().pool.lock().free.push(thread);
        }
        if let Some(tid) = self.tid {
            table().tids.lock().free(tid);
        }
    }
}

/// A structure from the pool, or a new one.
#[inline]
fn take_structure() -> Result<&'static Thread, Errno> {
    let mut pool = table().pool.lock();
    match pool.free.pop() {
        Some(thread) => Ok(thread),
        None => {
            let number = pool.spare_stacks.pop().unwrap_or_else(|| {
                pool.next_stack += 1;
                pool.next_stack - 1
            });
            // Made without the lock: it takes a while.
            drop(pool);
            make_structure(number)
        }
    }
}

#[cold]
fn make_structure(stack_number: usize) -> Result<&'static Thread, Errno> {
    let made = Thread::new(stack_number);
    let mut pool = table().pool.lock();
    match made {
        Ok(thread) => {
            pool.all.push(thread);
            Ok(thread)
        }
        Err(OutOfFrames) => {
            pool.spare_stacks.push(stack_number);
            Err(Errno::EAGAIN)
        }
    }
}

/// Makes a thread of `process` that starts with `frame`; the caller makes it ready.
///
/// # Errors
/// `EAGAIN` if there are too many threads or there is no memory for another.
pub(crate) fn create(
    process: &Arc<Process>,
    name: &[u8],
    frame: &TrapFrame,
) -> Result<(&'static Thread, Tid), Errno> {
    let mut reserved = Reservation::take()?;
    let (Some(thread), Some(tid)) = (reserved.thread.take(), reserved.tid.take()) else {
        unreachable!("a reservation has both")
    };
    cell(tid).open(tid, process.pid());
    process.thread_begins(tid.raw());
    thread.prepare(tid, Arc::clone(process), name, frame);
    // ORDERING: Release pairs with `find`.
    table().living[tid.slot()].store(core::ptr::from_ref(thread).cast_mut(), Ordering::Release);
    Ok((thread, tid))
}

/// Where the thread of this tid meets its joiner.
#[inline]
pub(crate) fn cell(tid: Tid) -> &'static JoinCell<ThreadRef> {
    &table().cells[tid.slot()]
}

/// Gives a tid back whose thread has ended and been joined, or was detached.
#[inline]
pub(crate) fn free_tid(tid: Tid) {
    table().tids.lock().free(tid);
}

/// The thread has said its code; it is not found any more.
#[inline]
pub(super) fn forget(tid: Tid) {
    // ORDERING: Release: as in `create`.
    table().living[tid.slot()].store(core::ptr::null_mut(), Ordering::Release);
}

/// Takes back the structure of a thread that has been left for the last time.
#[inline]
pub(crate) fn recycle(thread: &'static Thread) {
    let process = thread.clear();
    table().pool.lock().free.push(thread);
    // May be the last share: outside of the lock.
    drop(process);
}

/// The living thread with this tid in the process `pid`.
pub(crate) fn find(tid: Tid, pid: u32) -> Option<&'static Thread> {
    // ORDERING: Acquire pairs with `create`.
    let thread = table().living[tid.slot()].load(Ordering::Acquire);
    // SAFETY: null, or a structure that lives for ever.
    let thread = unsafe { thread.as_ref() }?;
    (thread.tid() == tid.raw() && thread.pid() == pid).then_some(thread)
}

/// Calls `each` for every living thread of the process `pid`.
pub(super) fn for_each(pid: u32, mut each: impl FnMut(&'static Thread)) {
    for index in 0.. {
        let Some(thread) = table().pool.lock().all.get(index).copied() else {
            return;
        };
        if thread.pid() == pid {
            each(thread);
        }
    }
}
