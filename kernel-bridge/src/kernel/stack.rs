//! Stacks for threads: mapped once, used again and again.
//!
//! A stack is a mapping of its own, with an unmapped page below: a thread that overflows its stack
//! faults instead of writing into a neighbour. Sizes are powers of two, one list of unused stacks a
//! size, the last one used given out first, since it is the one still in the caches. A stack is never
//! unmapped: the process keeps as many as were ever in use at the same moment, and no more.

use exec_core::sync::UnsafeCell;

use super::futex::RawLock;
use super::syscall::{self, Errno, Protection};

/// The smallest stack.
const LEAST: usize = 16 << 10;

/// The largest stack.
const MOST: usize = 64 << 20;

/// How many sizes there are.
const SIZES: usize = (MOST / LEAST).ilog2() as usize + 1;

/// The unmapped page below each stack.
const GUARD: usize = 4096;

/// Where stacks are mapped: a range that belongs to this module alone.
const FIRST: usize = 0x10_0000_0000;
const END: usize = 0x20_0000_0000;

/// A mapped stack, in use by one owner.
#[derive(Debug)]
pub(super) struct Stack {
    /// The address above the last byte.
    top: *mut u8,
    /// Which list it belongs to.
    size: usize,
}

// SAFETY: the mapping belongs to the value, wherever the value is.
unsafe impl Send for Stack {}
// SAFETY: a shared stack gives its address only.
unsafe impl Sync for Stack {}

impl Stack {
    /// The address above the last byte, a multiple of the page size.
    pub(super) fn top(&self) -> *mut u8 {
        self.top
    }
}

/// The list that holds stacks of at least `bytes`, or `None` for no bytes and for too many.
fn list_of(bytes: usize) -> Option<usize> {
    if bytes == 0 || bytes > MOST {
        return None;
    }
    Some((bytes.max(LEAST).next_power_of_two() / LEAST).ilog2() as usize)
}

/// Why there is no stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StackError {
    /// Stacks of that size are not made.
    Size,
    /// The kernel has no memory.
    Memory(Errno),
}

/// All unused stacks.
struct Pool {
    lock: RawLock,
    /// Reached under `lock` only.
    unused: UnsafeCell<Unused>,
}

struct Unused {
    /// Of each size the last one given back; each holds the next in its topmost word.
    last: [*mut u8; SIZES],
    /// Where the next new stack's guard page goes.
    next: usize,
}

// SAFETY: `unused` is reached under the lock only, and what it leads to belongs to the pool.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool {
    lock: RawLock::new(),
    unused: UnsafeCell::new(Unused {
        last: [core::ptr::null_mut(); SIZES],
        next: FIRST,
    }),
};

impl Pool {
    /// Runs `f` on the lists under the lock. `f` must not panic.
    fn with<R>(&self, f: impl FnOnce(&mut Unused) -> R) -> R {
        self.lock.lock();
        let result = self.unused.with_mut(|unused| {
            // SAFETY: the lock is held, so no other reference exists.
            let unused = unsafe { &mut *unused };
            f(unused)
        });
        // SAFETY: taken above.
        unsafe { self.lock.unlock() };
        result
    }
}

/// The topmost word of a stack that nobody uses: the link to the next one.
fn link(top: *mut u8) -> *mut *mut u8 {
    top.wrapping_sub(size_of::<*mut u8>()).cast()
}

/// A stack of at least `bytes`: a used one where there is one.
///
/// # Errors
/// [`StackError::Size`] for 0 and for more than 64 MiB, else the kernel's.
pub(super) fn take(bytes: usize) -> Result<Stack, StackError> {
    let size = list_of(bytes).ok_or(StackError::Size)?;
    POOL.with(|unused| {
        let top = unused.last[size];
        if !top.is_null() {
            // SAFETY: the stack is mapped and unused, so its topmost word is the link that
            // `give_back` wrote.
            unused.last[size] = unsafe { link(top).read() };
            return Ok(Stack { top, size });
        }
        let (base, len) = (unused.next + GUARD, LEAST << size);
        if len > END - base {
            return Err(StackError::Memory(Errno::ENOMEM));
        }
        // SAFETY: the range from `next` on has never been mapped; nothing leads there.
        let base = unsafe { syscall::mmap(base, len, Protection::READ_WRITE) };
        let base = base.map_err(StackError::Memory)?;
        unused.next += GUARD + len;
        Ok(Stack {
            top: base.wrapping_add(len),
            size,
        })
    })
}

/// Gives a stack back for the next thread.
///
/// # Safety
/// Nothing may use the stack's memory any more: the thread that ran on it has been joined.
pub(super) unsafe fn give_back(stack: Stack) {
    POOL.with(|unused| {
        // SAFETY: the stack is mapped, and by this function's contract unused.
        unsafe { link(stack.top).write(unused.last[stack.size]) };
        unused.last[stack.size] = stack.top;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up_to_their_list() {
        assert_eq!(list_of(0), None);
        assert_eq!(list_of(1), Some(0));
        assert_eq!(list_of(LEAST), Some(0));
        assert_eq!(list_of(LEAST + 1), Some(1));
        assert_eq!(list_of(MOST), Some(SIZES - 1));
        assert_eq!(list_of(MOST + 1), None);
        assert_eq!(list_of(usize::MAX), None);
    }
}
