//! Threads for the test programs: a closure on a fresh stack, straight over the system calls.
//!
//! The stack is mapped for the thread and unmapped after the join, with unmapped pages around it, so
//! that a test of threads is also one of mappings. Programs that want threads that are cheap to make
//! use the ground of `kernel-bridge`, which recycles its stacks.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::CStr;

use exec_core::sync::UnsafeCell;
use kernel_bridge::kernel::futex::RawLock;
use kernel_bridge::kernel::syscall::{self, Errno, Protection, Tid};

/// Where these stacks lie: above those of the ground.
const STACKS: usize = 0x40_0000_0000;

/// Bytes of a stack.
const STACK: usize = 32 << 10;

/// Addresses from one stack to the next: what is not stack catches overflows.
const STRIDE: usize = STACK + (32 << 10);

/// Which places for stacks are in use.
static PLACES: Places = Places {
    lock: RawLock::new(),
    inner: UnsafeCell::new(Inner {
        unused: Vec::new(),
        next: STACKS,
    }),
};

/// Addresses for stacks, used again so that a test can count pages.
struct Places {
    lock: RawLock,
    /// Reached under `lock` only.
    inner: UnsafeCell<Inner>,
}

struct Inner {
    unused: Vec<usize>,
    next: usize,
}

// SAFETY: `inner` is reached under the lock only.
unsafe impl Sync for Places {}

impl Places {
    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        self.lock.lock();
        let result = self.inner.with_mut(|inner| {
            // SAFETY: the lock is held, so no other reference exists.
            let inner = unsafe { &mut *inner };
            f(inner)
        });
        // SAFETY: taken above.
        unsafe { self.lock.unlock() };
        result
    }

    fn take(&self) -> usize {
        self.with(|inner| {
            inner.unused.pop().unwrap_or_else(|| {
                inner.next += STRIDE;
                inner.next - STRIDE
            })
        })
    }

    fn give_back(&self, at: usize) {
        self.with(|inner| inner.unused.push(at));
    }
}

/// A mapping made for one thread's stack.
#[derive(Debug)]
pub struct Stack {
    base: *mut u8,
}

// SAFETY: the mapping belongs to the value, wherever the value is.
unsafe impl Send for Stack {}

impl Stack {
    /// Maps a stack at an address of its own.
    ///
    /// # Errors
    /// The kernel's, `ENOMEM` as a rule.
    pub fn map() -> Result<Self, Errno> {
        let at = PLACES.take();
        // SAFETY: the place is nobody else's.
        let base = match unsafe { syscall::mmap(at, STACK, Protection::READ_WRITE) } {
            Ok(base) => base,
            Err(why) => {
                PLACES.give_back(at);
                return Err(why);
            }
        };
        Ok(Self { base })
    }

    /// The address above its last byte.
    #[must_use]
    pub fn top(&self) -> *mut u8 {
        self.base.wrapping_add(STACK)
    }

    /// Its first byte.
    #[must_use]
    pub fn base(&self) -> *mut u8 {
        self.base
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: whoever drops a stack has joined the thread that ran on it.
        let unmapped = unsafe { syscall::munmap(self.base) };
        unmapped.expect("invariant: a stack is one mapping, unmapped once");
        PLACES.give_back(self.base as usize);
    }
}

/// A thread that runs, or has ended and waits for its join.
#[derive(Debug)]
pub struct Thread {
    tid: Tid,
    stack: Stack,
}

impl Thread {
    /// The kernel's number for it.
    #[must_use]
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// Waits for its end and returns its status.
    ///
    /// # Panics
    /// When the kernel refuses the join.
    ///
    /// # Blocking
    /// Until the thread has ended.
    pub fn join(self) -> i32 {
        syscall::thread_join(self.tid).expect("the thread can be joined")
    }

    /// Gives the number and the stack to a caller that joins in its own way.
    #[must_use]
    pub fn into_parts(self) -> (Tid, Stack) {
        (self.tid, self.stack)
    }
}

/// Starts a thread that runs `body`, whose result is the thread's status.
///
/// # Errors
/// The kernel's: `EAGAIN` where the thread table is full, `ENOMEM` where no stack can be mapped.
pub fn try_spawn(
    name: &CStr,
    body: impl FnOnce() -> i32 + Send + 'static,
) -> Result<Thread, Errno> {
    let stack = Stack::map()?;
    let top = stack.top();
    // The closure's address must fit the one pointer that a thread is given.
    let body: Box<Box<dyn FnOnce() -> i32 + Send>> = Box::new(Box::new(body));
    let arg = Box::into_raw(body);
    // SAFETY: the stack is fresh and stays until the join; `enter` takes the box that `arg` is.
    match unsafe { syscall::thread_create(name, top, enter, arg.cast()) } {
        Ok(tid) => Ok(Thread { tid, stack }),
        Err(why) => {
            // SAFETY: no thread was started, so the box is still ours.
            drop(unsafe { Box::from_raw(arg) });
            Err(why)
        }
    }
}

/// As [`try_spawn`], for a test that needs the thread.
///
/// # Panics
/// When the kernel refuses.
pub fn spawn(body: impl FnOnce() -> i32 + Send + 'static) -> Thread {
    try_spawn(c"test", body).expect("a thread can be created")
}

/// # Safety
/// `arg` must be the box that [`try_spawn`] made, given away to this call.
unsafe extern "C" fn enter(arg: *mut ()) -> ! {
    let body: *mut Box<dyn FnOnce() -> i32 + Send> = arg.cast();
    // SAFETY: the caller gives the box away.
    let body = unsafe { Box::from_raw(body) };
    let status = body();
    syscall::exit(status)
}
