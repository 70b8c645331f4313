//! What a thread knows about itself: whose worker it is, or that it is inside `block_on`.
//!
//! The ground keeps one pointer for each thread. A worker, and a thread inside `block_on`, lets
//! it lead to a block on its own stack that begins with a [`Context`], and puts the former
//! pointer back when it is done. Everybody else finds null, or a block with another first word.

use alloc::sync::Arc;
use core::{any::TypeId, cell::Cell, ptr};

use exec_core::{
    Threads,
    wait::{Completion, WaitMode, Waited},
};

use crate::coop::BUDGET;

/// The address that marks our blocks.
static OURS: u8 = 0;

/// What the thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is a worker.
    Worker,
    /// It sits in the one seat of a runtime without threads, which makes it the worker.
    Driver,
    /// It runs closures that block.
    Blocking,
    /// It drives a future in `block_on`.
    Caller,
}

/// How a worker waits, whatever its ground; the pointer is that of the context.
pub(crate) type WaitFn = unsafe fn(*const Context, &dyn Completion, WaitMode) -> Waited;

/// The beginning of a block.
#[repr(C)]
pub(crate) struct Context {
    /// `OURS`, by which the block is known.
    mark: *const u8,
    pub(crate) role: Role,
    /// The address of the runtime's shared part: it tells its workers from those of others, and
    /// with them the ground.
    pub(crate) runtime: *const (),
    /// The type of the runtime's ground.
    pub(crate) ground: TypeId,
    /// The runtime's name.
    pub(crate) name: Arc<str>,
    /// `None` for a caller, which parks.
    pub(crate) wait: Option<WaitFn>,
    /// What is left of the budget of the poll that this thread is in (`coop.rs`).
    pub(crate) budget: Cell<u32>,
    /// The set of local tasks that this thread polls, or null (`local_set.rs`).
    pub(crate) local_set: Cell<*const ()>,
}

impl Context {
    pub(crate) fn new<T: Threads>(
        role: Role,
        runtime: *const (),
        name: Arc<str>,
        wait: Option<WaitFn>,
    ) -> Self {
        Self {
            mark: &raw const OURS,
            role,
            runtime,
            ground: TypeId::of::<T>(),
            name,
            wait,
            budget: Cell::new(BUDGET),
            local_set: Cell::new(ptr::null()),
        }
    }
}

/// A block that a thread's pointer may lead to.
///
/// # Safety
/// The type is `repr(C)` and its first field is a [`Context`].
pub(crate) unsafe trait Block {}

// SAFETY: it is one.
unsafe impl Block for Context {}

/// Lets this thread's pointer lead to `block` while `f` runs.
pub(crate) fn enter<T: Threads, B: Block, R>(ground: T, block: &B, f: impl FnOnce() -> R) -> R {
    struct Leave<T: Threads> {
        ground: T,
        former: *mut (),
    }
    impl<T: Threads> Drop for Leave<T> {
        fn drop(&mut self) {
            // SAFETY: the pointer was this thread's when `enter` began, and its block outlives
            // the call of `enter`.
            unsafe { self.ground.set_local(self.former) };
        }
    }
    let _leave = Leave {
        ground,
        former: ground.local(),
    };
    // SAFETY: the block outlives `f`, after which the former pointer is put back, and begins with
    // a mark that only this crate knows.
    unsafe { ground.set_local(core::ptr::from_ref(block).cast_mut().cast()) };
    f()
}

/// Calls `f` with this thread's context, where it has one of ours.
#[inline]
pub(crate) fn with<T: Threads, R>(ground: T, f: impl FnOnce(Option<&Context>) -> R) -> R {
    let local = ground.local();
    if local.is_null() {
        return f(None);
    }
    // SAFETY: by the ground's convention the block is live and its first word says whose it is.
    let mark = unsafe { local.cast::<*const u8>().read() };
    if !core::ptr::eq(mark, &raw const OURS) {
        return f(None);
    }
    // SAFETY: the mark says that the block begins with a `Context`; it lives until its thread,
    // this one, has returned from `f` and further.
    f(Some(unsafe { &*local.cast::<Context>() }))
}

/// Calls `f` with this thread's block, when it is that of a worker of `runtime`.
///
/// # Safety
/// Every worker of the runtime at this address has a block of type `B`.
#[inline]
pub(crate) unsafe fn with_worker<T: Threads, B: Block, R>(
    ground: T,
    runtime: *const (),
    f: impl FnOnce(Option<&B>) -> R,
) -> R {
    let is_worker = with(ground, |context| {
        context.is_some_and(|c| {
            matches!(c.role, Role::Worker | Role::Driver) && core::ptr::eq(c.runtime, runtime)
        })
    });
    if !is_worker {
        return f(None);
    }
    // SAFETY: a worker's block, of type `B` by the caller; it lives as above.
    f(Some(unsafe { &*ground.local().cast_const().cast::<B>() }))
}
