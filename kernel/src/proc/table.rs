//! All threads: the pool of structures, the tids, and the join cells.
//!
//! # Who owns what
//! The pool and the tids have one lock; a join cell has its own. A tid is in use from
//! [`create`] until its thread has ended *and* been joined; the structure and its kernel
//! stack go back to the pool as soon as the thread has been left, joined or not. The pool keeps some
//! structures with their stacks, to be quick; the stacks of all others go back to the free frames.
//!
//! # Why nobody meets another thread
//! A structure leaves the pool under the pool's lock only. Who does something to a thread of another's,
//! through [`with`], [`for_each`] or [`for_all`], holds that lock from the look at whose structure it is
//! to the end: a thread that ends meanwhile is told something for nothing, and the next one that gets
//! its structure begins without it.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicPtr, Ordering};

use kcore::{Errno, JoinCell, OutOfFrames, Resource, SpinLock, Tid, TidAllocator};

use crate::{
    mm::{address_space::AddressSpace, stacks},
    proc::{
        process::Process,
        thread::{Start, Thread, ThreadRef},
    },
};

/// How many structures without a thread keep their stacks.
const KEPT: usize = 64;

struct Pool {
    tids: TidAllocator<{ Tid::MAX_SLOTS }>,
    /// Structures without a thread, with their stacks.
    free: heapless::Vec<&'static Thread, KEPT>,
    /// Structures without a thread whose stacks have been given back.
    bare: Vec<&'static Thread>,
    all: Vec<&'static Thread>,
    /// Numbers of stacks that could not be made, below `next_stack`.
    spare_stacks: Vec<usize>,
    next_stack: usize,
}

impl Pool {
    /// The number of a stack that was never made; each list has room for all of them from then on, so
    /// that nothing has to be made when a thread ends.
    fn next_number(&mut self) -> Result<usize, Errno> {
        let count = self.next_stack + 1;
        for list in [&mut self.all, &mut self.bare] {
            let more = count - list.len();
            list.try_reserve(more).map_err(|_| Errno::EAGAIN)?;
        }
        let more = count - self.spare_stacks.len();
        let reserved = self.spare_stacks.try_reserve(more);
        reserved.map_err(|_| Errno::EAGAIN)?;
        self.next_stack = count;
        Ok(count - 1)
    }
}

static POOL: SpinLock<Pool> = SpinLock::new(Pool {
    tids: TidAllocator::new(),
    free: heapless::Vec::new(),
    bare: Vec::new(),
    all: Vec::new(),
    spare_stacks: Vec::new(),
    next_stack: 0,
});
static CELLS: [JoinCell<ThreadRef>; Tid::MAX_SLOTS] = [const { JoinCell::new() }; Tid::MAX_SLOTS];
/// The thread of each slot while it lives.
static LIVING: [AtomicPtr<Thread>; Tid::MAX_SLOTS] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; Tid::MAX_SLOTS];

/// A structure and a tid for a new thread.
#[inline]
fn reserve() -> Result<(&'static Thread, Tid), Errno> {
    let mut pool = POOL.lock();
    let tid = pool.tids.allocate().ok_or(Errno::EAGAIN)?;
    if let Some(thread) = pool.free.pop() {
        return Ok((thread, tid));
    }
    drop(pool);
    make_structure()
        .map(|thread| (thread, tid))
        .inspect_err(|_| POOL.lock().tids.free(tid))
}

/// Puts a structure without a thread into the pool.
#[inline]
fn put_structure(thread: &'static Thread) {
    let full = POOL.lock().free.push(thread);
    if full.is_err() {
        put_bare(thread);
    }
}

#[cold]
fn put_bare(thread: &'static Thread) {
    stacks::release(thread.stack_end());
    POOL.lock().bare.push(thread);
}

/// How many pages the pool keeps in stacks that nobody uses.
pub(crate) fn kept_pages() -> usize {
    POOL.lock().free.len() * stacks::STACK_PAGES as usize
}

/// A structure with a fresh stack. Made without the lock: it takes a while.
#[cold]
fn make_structure() -> Result<&'static Thread, Errno> {
    let mut pool = POOL.lock();
    if let Some(thread) = pool.bare.pop() {
        drop(pool);
        return stacks::make_again(thread.stack_end())
            .map(|()| thread)
            .map_err(|OutOfFrames| {
                POOL.lock().bare.push(thread);
                Errno::EAGAIN
            });
    }
    let number = match pool.spare_stacks.pop() {
        Some(number) => number,
        None => pool.next_number()?,
    };
    drop(pool);
    let made = Thread::new(number);
    let mut pool = POOL.lock();
    match made {
        Ok(thread) => {
            pool.all.push(thread);
            Ok(thread)
        }
        Err(OutOfFrames) => {
            pool.spare_stacks.push(number);
            Err(Errno::EAGAIN)
        }
    }
}

/// Makes a thread of `process`, whose memory is `space`; the caller makes it ready.
///
/// # Errors
/// `EAGAIN` if there are too many threads or there is no memory for another.
pub(crate) fn create(
    process: &Arc<Process>,
    space: &Arc<AddressSpace>,
    name: &[u8],
    start: &Start<'_>,
) -> Result<(&'static Thread, Tid), Errno> {
    if u64::from(process.threads.count()) >= process.limits.soft(Resource::Threads) {
        return Err(Errno::EAGAIN);
    }
    let (thread, tid) = reserve()?;
    cell(tid).open(tid, process.pid());
    process.threads.thread_begins(tid.raw());
    thread.prepare(tid, Arc::clone(process), Arc::clone(space), name, start);
    // ORDERING: Release pairs with `with`.
    LIVING[tid.slot()].store(core::ptr::from_ref(thread).cast_mut(), Ordering::Release);
    thread.catch_up(process);
    Ok((thread, tid))
}

/// Where the thread of this tid meets its joiner.
#[inline]
pub(crate) fn cell(tid: Tid) -> &'static JoinCell<ThreadRef> {
    &CELLS[tid.slot()]
}

/// Gives a tid of `process` back whose thread has ended and been joined, or was detached.
#[inline]
pub(crate) fn free_tid(process: &Process, tid: Tid) {
    process.threads.tid_freed();
    POOL.lock().tids.free(tid);
}

/// Gives back the tid `last`, and all others of a process whose other threads have ended: nobody can
/// join them any more.
pub(super) fn free_tids(process: &Process, last: Tid, living: u32) {
    let free = |cell: &JoinCell<ThreadRef>| {
        if let Some(tid) = cell.abandon(process.pid()) {
            free_tid(process, tid);
        }
    };
    // As a rule that is all, and saves the look at each slot.
    free(cell(last));
    if process.threads.tid_count() > living {
        CELLS.iter().for_each(free);
    }
}

/// The thread has said its code; it is not found any more.
#[inline]
pub(super) fn forget(tid: Tid) {
    // ORDERING: Release: as in `create`.
    LIVING[tid.slot()].store(core::ptr::null_mut(), Ordering::Release);
}

/// Takes back the structure of a thread that has been left for the last time.
#[inline]
pub(crate) fn recycle(thread: &'static Thread) {
    let shares = thread.clear();
    put_structure(thread);
    // May be the last ones: outside of the lock.
    drop(shares);
}

/// Calls `each` for the living thread with this tid in the process `pid`; `None` if there is none.
/// `each` is short and neither makes nor ends a thread, here and below.
pub(crate) fn with<R>(tid: Tid, pid: u32, each: impl FnOnce(&'static Thread) -> R) -> Option<R> {
    let _pool = POOL.lock();
    // ORDERING: Acquire pairs with `create`.
    let thread = LIVING[tid.slot()].load(Ordering::Acquire);
    // SAFETY: null, or a structure that lives for ever.
    let thread = unsafe { thread.as_ref() }?;
    (thread.tid() == tid.raw() && thread.pid() == pid).then(|| each(thread))
}

/// Calls `each` for every living thread of the process `pid`.
pub(crate) fn for_each(pid: u32, mut each: impl FnMut(&'static Thread)) {
    for_all(|thread| {
        if thread.pid() == pid {
            each(thread);
        }
    });
}

/// Calls `each` for every living thread.
pub(crate) fn for_all(mut each: impl FnMut(&'static Thread)) {
    // The lock is given back in between: others wait no longer than for one thread.
    for index in 0.. {
        let pool = POOL.lock();
        let Some(thread) = pool.all.get(index).copied() else {
            return;
        };
        if thread.pid() != 0 {
            each(thread);
        }
    }
}
