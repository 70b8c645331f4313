//! Threads of our kernel: created on a recycled stack, joined once, or detached and reaped later.
//!
//! Each thread has a [`Block`], at the top of its stack, and its FS base leads there. A thread that
//! this module did not create (the first one of the process) gets a block on the heap the first time
//! it asks for one.
//!
//! # States of a thread's life
//! `RUNNING` → `ENDED` by the thread itself, when it will not touch its block again; `RUNNING` →
//! `DETACHED` by the drop of its handle. Who comes second cleans up: a handle dropped after `ENDED`
//! joins the thread at once, which takes no longer than its last system call; a thread that ends
//! after `DETACHED` buries itself: it pushes its block onto a list, and the next
//! [`create`](create) joins and recycles what is on that list.
//!
//! # Why nothing is lost
//! The kernel has no call to detach, so every thread is joined by someone, exactly once: by
//! [`join`], by the drop of its handle, or by whoever took it from the list of the buried. Life is
//! one word, changed by a swap, so exactly one side sees that it is the second.
//! A stack is given back only after the kernel has said that its thread is gone.
//!
//! # Shutdown
//! What is still running or buried when the process ends is the kernel's to clean up.

use alloc::boxed::Box;
use alloc::task::Wake;
use core::ffi::CStr;
use core::ptr::{self, NonNull};
use core::task::Waker;

use exec_core::Job;
use exec_core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use exec_core::sync::atomic::{AtomicPtr, AtomicU32};
use exec_core::sync::{Arc, UnsafeCell};

use super::futex::Token;
use super::stack::{self, Stack, StackError};
use super::syscall::{self, Errno, Tid};

/// The thread may still touch its block, and its handle exists.
const RUNNING: u32 = 0;
/// The handle is gone: the thread buries itself when it ends.
const DETACHED: u32 = 1;
/// The thread makes one more system call, to exit, and touches nothing else.
const ENDED: u32 = 2;

/// Bytes of stack for a thread that doesn't say.
pub(super) const DEFAULT_STACK: usize = 64 << 10;

/// The longest name that is kept, without its NUL.
const NAME: usize = 63;

/// What a thread keeps about itself.
struct Block {
    /// What the thread runs. Written by the creator before the thread exists; taken by the thread.
    job: UnsafeCell<Option<Job>>,
    /// The scheduler's pointer. The thread's own.
    local: UnsafeCell<*mut ()>,
    /// The token that the thread parks on, made when it is first needed. The thread's own.
    unpark: UnsafeCell<Option<Arc<Unpark>>>,
    /// `RUNNING`, `DETACHED` or `ENDED`.
    life: AtomicU32,
    /// The next one on the list of the buried. Written by the thread before it pushes itself.
    buried: UnsafeCell<*mut Self>,
    /// The thread's number. Written by the thread before it pushes itself.
    tid: UnsafeCell<Tid>,
    /// The stack that this block lies on; none for a thread that was not created here. Taken by the
    /// one who recycles it.
    stack: UnsafeCell<Option<Stack>>,
}

impl Block {
    fn new(job: Option<Job>, stack: Option<Stack>) -> Self {
        Self {
            job: UnsafeCell::new(job),
            local: UnsafeCell::new(ptr::null_mut()),
            unpark: UnsafeCell::new(None),
            life: AtomicU32::new(RUNNING),
            buried: UnsafeCell::new(ptr::null_mut()),
            tid: UnsafeCell::new(Tid(0)),
            stack: UnsafeCell::new(stack),
        }
    }
}

/// The token of one thread, kept alive by its wakers beyond the thread's end.
#[derive(Default)]
struct Unpark(Token);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify();
    }
}

/// Threads that ended after their handles were dropped: a stack of blocks, pushed one by one, taken
/// all at once.
static BURIED: AtomicPtr<Block> = AtomicPtr::new(ptr::null_mut());

/// A thread that was created here, joined at most once; dropping it detaches the thread.
#[derive(Debug)]
pub struct Thread {
    /// Lives until this handle, or whoever comes second, has recycled the stack.
    block: NonNull<Block>,
    tid: Tid,
}

// SAFETY: of the block a handle uses the life word, which is atomic, and, once the thread has been
// joined, the stack, which is then nobody else's.
unsafe impl Send for Thread {}
// SAFETY: as above; a shared handle compares addresses only.
unsafe impl Sync for Thread {}

/// Why a thread was not created, with the job that it would have run.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) job: Job,
    pub(super) why: Why,
}

/// The reason of a [`Refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Stacks of that size are not made.
    StackSize,
    /// A name may not hold a zero byte.
    Name,
    /// The kernel refused.
    Kernel(Errno),
}

/// Starts a thread that runs `job` and exits with status 0.
///
/// # Errors
/// The job comes back, not run.
///
/// # Blocking
/// For as long as threads that were detached and have just ended need to leave the processor.
pub(super) fn create(name: &str, stack_bytes: usize, job: Job) -> Result<Thread, Refused> {
    reap();
    let mut buffer = [0; NAME + 1];
    let Some(name) = c_name(name, &mut buffer) else {
        return Err(Refused {
            job,
            why: Why::Name,
        });
    };
    let stack = match stack::take(stack_bytes) {
        Ok(stack) => stack,
        Err(StackError::Size) => {
            return Err(Refused {
                job,
                why: Why::StackSize,
            });
        }
        Err(StackError::Memory(why)) => {
            return Err(Refused {
                job,
                why: Why::Kernel(why),
            });
        }
    };
    // The block goes to the top of the stack, and the thread's frames below it. A block's size is a
    // multiple of its alignment; the ABI wants 16 for the frames.
    let below = stack.top().wrapping_sub(size_of::<Block>());
    let block: *mut Block = below.map_addr(|address| address & !15).cast();
    // SAFETY: the memory is the top of a stack that nobody uses, large enough and aligned.
    unsafe { block.write(Block::new(Some(job), Some(stack))) };
    // SAFETY: the stack is the new thread's alone; `enter` is given a block as it wants.
    let created = unsafe { syscall::thread_create(name, block.cast(), enter, block.cast()) };
    match created {
        Ok(tid) => {
            let block = NonNull::new(block).expect("invariant: a mapped stack is not at zero");
            Ok(Thread { block, tid })
        }
        Err(why) => {
            // SAFETY: no thread was started, so the block is still ours and whole.
            let block = unsafe { block.read() };
            let job = block
                .job
                .into_inner()
                .expect("invariant: the job was just put there");
            let stack = block
                .stack
                .into_inner()
                .expect("invariant: the stack was just put there");
            // SAFETY: no thread was started on it.
            unsafe { stack::give_back(stack) };
            Err(Refused {
                job,
                why: Why::Kernel(why),
            })
        }
    }
}

/// `name`, cut to what is kept, with a NUL behind it; `None` where it holds one itself.
fn c_name<'a>(name: &str, buffer: &'a mut [u8; NAME + 1]) -> Option<&'a CStr> {
    let kept = &name.as_bytes()[..name.floor_char_boundary(NAME)];
    buffer[..kept.len()].copy_from_slice(kept);
    buffer[kept.len()] = 0;
    CStr::from_bytes_with_nul(&buffer[..=kept.len()]).ok()
}

/// Waits for a thread to end and returns its status.
///
/// # Errors
/// `EDEADLK` for the caller itself, which is detached then.
///
/// # Blocking
/// Until the thread has ended.
pub(super) fn join(thread: Thread) -> Result<i32, Errno> {
    if is_current(&thread) {
        return Err(Errno::EDEADLK);
    }
    let Thread { block, tid } = *core::mem::ManuallyDrop::new(thread);
    let status = syscall::thread_join(tid)?;
    // SAFETY: the kernel says that the thread is gone, and the handle was the only other user.
    unsafe { recycle(block) };
    Ok(status)
}

/// Whether `thread` is the caller.
pub(super) fn is_current(thread: &Thread) -> bool {
    ptr::eq(fs_base(), thread.block.as_ptr())
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: the block lives while the handle does.
        let life = unsafe { &self.block.as_ref().life };
        // ORDERING: Acquire pairs with the Release of `enter`: what the thread did is over before its
        // stack is recycled here. Release is for the thread, which may be the one to clean up.
        if life.swap(DETACHED, AcqRel) == ENDED {
            reap_one(self.block, self.tid);
        }
    }
}

/// Where a thread starts: its block is `arg`.
///
/// # Safety
/// `arg` must be the block that [`create`] has written on this thread's stack.
unsafe extern "C" fn enter(arg: *mut ()) -> ! {
    let block: *mut Block = arg.cast();
    set_fs_base(block);
    {
        // SAFETY: the block lives as long as this thread, and is shared by its life word only.
        let block = unsafe { &*block };
        // SAFETY: the creator wrote the job before this thread existed, and never looks again.
        let job = block.job.with_mut(|job| unsafe { (*job).take() });
        // A panic has ended the process before it could come back as an error.
        let _ = job
            .expect("invariant: a thread is created with a job")
            .run();
        // SAFETY: the thread's own field.
        drop(block.unpark.with_mut(|unpark| unsafe { (*unpark).take() }));
        // ORDERING: Release pairs with the Acquire in the drop of the handle; Acquire with its
        // Release, since this side may have to bury.
        if block.life.swap(ENDED, AcqRel) == DETACHED {
            bury(block);
        }
    }
    syscall::exit(0)
}

/// Puts the calling thread on the list of the buried: its last act but one.
fn bury(block: &Block) {
    let own = syscall::gettid();
    // SAFETY: the thread's own field until it is on the list.
    block.tid.with_mut(|tid| unsafe { tid.write(own) });
    let this = ptr::from_ref(block).cast_mut();
    // ORDERING: Relaxed: the exchange below decides.
    let mut head = BURIED.load(Relaxed);
    loop {
        // SAFETY: the thread's own field until it is on the list.
        block.buried.with_mut(|next| unsafe { next.write(head) });
        // ORDERING: Release pairs with the Acquire of `reap`.
        match BURIED.compare_exchange_weak(head, this, Release, Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}

/// Joins and recycles every thread on the list of the buried.
fn reap() {
    // ORDERING: Relaxed: a thread missed now is found the next time.
    if BURIED.load(Relaxed).is_null() {
        return;
    }
    // ORDERING: Acquire pairs with the Release of `bury`. All are taken at once, so nobody can be
    // confused by a block that leaves the list and comes back.
    let mut head = BURIED.swap(ptr::null_mut(), Acquire);
    while let Some(block) = NonNull::new(head) {
        // SAFETY: a block on the list lives until the one who took it recycles it.
        let this = unsafe { block.as_ref() };
        // SAFETY: written before the block was pushed, and not since.
        head = this.buried.with(|next| unsafe { next.read() });
        // SAFETY: as above.
        let tid = this.tid.with(|tid| unsafe { tid.read() });
        reap_one(block, tid);
    }
}

/// Waits out the last call of a thread that nobody else will join, and recycles its stack.
fn reap_one(block: NonNull<Block>, tid: Tid) {
    syscall::thread_join(tid).expect("invariant: a thread without a handle has this one joiner");
    // SAFETY: the kernel says that the thread is gone; the caller is the only one to know the block.
    unsafe { recycle(block) };
}

/// Gives the stack back that `block` lies on.
///
/// # Safety
/// The thread must have been joined, and nobody else may know the block.
unsafe fn recycle(block: NonNull<Block>) {
    // SAFETY: the thread is gone and the caller alone knows the block, so it may be taken apart;
    // `enter` has left nothing in it that needs dropping but the stack.
    let block = unsafe { block.read() };
    let stack = block
        .stack
        .into_inner()
        .expect("invariant: a joined thread was created here");
    // SAFETY: the block has been moved out, and the thread is gone.
    unsafe { stack::give_back(stack) };
}

/// Runs `f` on the caller's block. The reference must not leave the thread.
fn with_current<R>(f: impl FnOnce(&Block) -> R) -> R {
    let block = match NonNull::new(fs_base()) {
        Some(block) => block,
        None => adopt(),
    };
    // SAFETY: the FS base leads to the thread's block, which lives as long as the thread.
    f(unsafe { block.as_ref() })
}

/// Gives a thread that was not created here a block. It is never freed: there is no telling when
/// such a thread ends, and as a rule there is one in a process.
#[cold]
fn adopt() -> NonNull<Block> {
    let block = Box::leak(Box::new(Block::new(None, None)));
    set_fs_base(block);
    NonNull::from(block)
}

/// Runs `f` on the caller's token.
fn with_unpark<R>(f: impl FnOnce(&Arc<Unpark>) -> R) -> R {
    with_current(|block| {
        let unpark = block.unpark.with_mut(|unpark| {
            // SAFETY: the thread's own field, and `get_or_insert_with` calls nothing that could come
            // back here.
            let unpark = unsafe { &mut *unpark };
            ptr::from_ref(unpark.get_or_insert_with(Arc::default))
        });
        // SAFETY: nothing takes the token away before the thread ends.
        f(unsafe { &*unpark })
    })
}

/// Waits for the caller's token, until the clock reaches `until_ns`.
pub(super) fn park(until_ns: Option<u64>) {
    with_unpark(|unpark| unpark.0.park(until_ns));
}

/// A waker that sets the caller's token.
pub(super) fn unparker() -> Waker {
    with_unpark(|unpark| Waker::from(Arc::clone(unpark)))
}

/// The caller's pointer of local state.
pub(super) fn local() -> *mut () {
    match NonNull::new(fs_base()) {
        // SAFETY: the FS base leads to the thread's block; the field is the thread's own.
        Some(block) => unsafe { block.as_ref() }
            .local
            .with(|local| unsafe { local.read() }),
        None => ptr::null_mut(),
    }
}

/// Sets the caller's pointer of local state.
pub(super) fn set_local(pointer: *mut ()) {
    with_current(|block| {
        // SAFETY: the thread's own field.
        block
            .local
            .with_mut(|local| unsafe { local.write(pointer) });
    });
}

/// The caller's FS base: its block, or null.
fn fs_base() -> *mut Block {
    let base;
    // SAFETY: reads a register; the kernel lets programs use the instruction.
    unsafe {
        core::arch::asm!("rdfsbase {}", out(reg) base, options(nomem, nostack, preserves_flags))
    };
    base
}

/// Sets the caller's FS base, which the kernel keeps for each thread.
fn set_fs_base(block: *mut Block) {
    // SAFETY: this module alone uses FS in these programs; without libc nothing else is there.
    unsafe { core::arch::asm!("wrfsbase {}", in(reg) block, options(nostack, preserves_flags)) };
}
