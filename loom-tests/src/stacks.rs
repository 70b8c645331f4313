//! Keeps the stacks of loom's threads for the next execution.
//!
//! loom starts its threads anew in each of the hundreds of thousands of executions of a model, and
//! the crate below it maps a stack for each, protects the page at its end, and unmaps it: more than
//! half of a model's time went there. The three functions here stand in front of the C library's,
//! and give a thread of loom the stack that an earlier one has left.
//!
//! # Protocol
//! A stack is known by how it is asked for ([`STACK`]): the standard library and the allocator ask
//! otherwise, and the C library's own threads don't pass here. Everything else goes to the system
//! as it comes. A system thread keeps the stacks that it has asked for, and loom runs all threads of
//! a model on one system thread: so nothing is shared. A kept stack stays mapped with its page
//! protected, up to the end of the program.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};
use std::ptr::null_mut;

use libc::{MAP_ANONYMOUS, MAP_PRIVATE, MAP_STACK, PROT_NONE, PROT_READ, PROT_WRITE};

/// How a stack is asked for: its protection and its flags.
const STACK: (c_int, c_int) = (
    PROT_READ | PROT_WRITE,
    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
);

/// The most stacks that a system thread keeps; loom has no model with so many threads.
const MOST: usize = 16;

/// A stack that this thread has asked for.
#[derive(Clone, Copy)]
struct Stack {
    start: *mut c_void,
    len: usize,
    /// Whether somebody runs on it.
    is_used: bool,
    /// Whether its first page is protected.
    is_guarded: bool,
}

/// Those of one system thread.
struct Stacks {
    all: [Cell<Option<Stack>>; MOST],
    /// How often one was handed out again.
    reused: Cell<usize>,
}

thread_local! {
    static STACKS: Stacks = const {
        Stacks { all: [const { Cell::new(None) }; MOST], reused: Cell::new(0) }
    };
}

impl Stacks {
    fn find(&self, is_it: impl Fn(&Stack) -> bool) -> Option<(&Cell<Option<Stack>>, Stack)> {
        self.all.iter().find_map(|cell| {
            let stack = cell.get().filter(&is_it)?;
            Some((cell, stack))
        })
    }

    /// A kept stack of this length.
    fn take(&self, len: usize) -> Option<*mut c_void> {
        let (cell, stack) = self.find(|stack| !stack.is_used && stack.len == len)?;
        cell.set(Some(Stack {
            is_used: true,
            ..stack
        }));
        self.reused.set(self.reused.get() + 1);
        Some(stack.start)
    }

    /// Learns of a stack that is new, where there is room.
    fn learn(&self, start: *mut c_void, len: usize) {
        if let Some(cell) = self.all.iter().find(|cell| cell.get().is_none()) {
            cell.set(Some(Stack {
                start,
                len,
                is_used: true,
                is_guarded: false,
            }));
        }
    }
}

/// How often a stack was handed out again on this system thread.
pub(crate) fn reused() -> usize {
    STACKS.with(|stacks| stacks.reused.get())
}

/// Maps memory: a kept stack, or what the system gives.
///
/// # Safety
/// As the C library's `mmap`.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    addr: *mut c_void,
    len: usize,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: libc::off_t,
) -> *mut c_void {
    let is_stack = addr.is_null() && (prot, flags) == STACK;
    if is_stack && let Some(kept) = STACKS.with(|stacks| stacks.take(len)) {
        return kept;
    }
    // SAFETY: the caller keeps to the rules of `mmap`, and the system sees what it has asked for.
    let start = unsafe { libc::syscall(libc::SYS_mmap, addr, len, prot, flags, fd, offset) };
    let start = pointer(start);
    if is_stack && start != libc::MAP_FAILED {
        STACKS.with(|stacks| stacks.learn(start, len));
    }
    start
}

/// Protects memory, unless it is the page of a kept stack that is protected already.
///
/// # Safety
/// As the C library's `mprotect`.
#[unsafe(no_mangle)]
unsafe extern "C" fn mprotect(addr: *mut c_void, len: usize, prot: c_int) -> c_int {
    let is_done = STACKS.with(|stacks| {
        let (cell, stack) = stacks.find(|stack| stack.start == addr && prot == PROT_NONE)?;
        cell.set(Some(Stack {
            is_guarded: true,
            ..stack
        }));
        Some(stack.is_guarded)
    });
    if is_done == Some(true) {
        return 0;
    }
    // SAFETY: the caller keeps to the rules of `mprotect`, and the system sees what it has asked for.
    let result = unsafe { libc::syscall(libc::SYS_mprotect, addr, len, prot) };
    status(result)
}

/// Unmaps memory, unless it is a stack to be kept.
///
/// # Safety
/// As the C library's `munmap`.
#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(addr: *mut c_void, len: usize) -> c_int {
    let is_kept = STACKS.with(|stacks| {
        let found = stacks.find(|stack| stack.start == addr && stack.len == len);
        found.is_some_and(|(cell, stack)| {
            // One whose page could not be protected is no good to the next.
            let kept = stack.is_guarded.then_some(Stack {
                is_used: false,
                ..stack
            });
            cell.set(kept);
            kept.is_some()
        })
    });
    if is_kept {
        return 0;
    }
    // SAFETY: the caller keeps to the rules of `munmap`, and the system sees what it has asked for.
    let result = unsafe { libc::syscall(libc::SYS_munmap, addr, len) };
    status(result)
}

fn pointer(result: c_long) -> *mut c_void {
    null_mut::<c_void>().with_addr(result as usize)
}

/// Zero or -1.
fn status(result: c_long) -> c_int {
    if result == 0 { 0 } else { -1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executions_of_two_threads() {
        crate::holds(6, || {
            let flag = loom::sync::Arc::new(loom::sync::atomic::AtomicUsize::new(0));
            let other = flag.clone();
            let thread = loom::thread::spawn(move || {
                other.fetch_add(1, loom::sync::atomic::Ordering::SeqCst);
                other.fetch_add(1, loom::sync::atomic::Ordering::SeqCst)
            });
            flag.fetch_add(1, loom::sync::atomic::Ordering::SeqCst);
            flag.fetch_add(1, loom::sync::atomic::Ordering::SeqCst);
            thread.join().expect("it returns");
        });
    }

    #[test]
    fn threads_of_an_execution_get_the_stacks_of_the_one_before() {
        let before = reused();
        executions_of_two_threads();
        // Each execution but the first finds both; fewer would mean that a call is not seen here.
        assert!(reused() - before >= 10, "{} stacks", reused() - before);
    }

    #[test]
    fn a_kept_stack_keeps_its_protected_page() {
        let (prot, flags) = STACK;
        let len = 3 << 12;
        // SAFETY: a new mapping at no given address.
        let first = unsafe { libc::mmap(null_mut(), len, prot, flags, -1, 0) };
        // SAFETY: the first page of the mapping, which nobody uses.
        let guarded = unsafe { libc::mprotect(first, 1 << 12, PROT_NONE) };
        // SAFETY: the whole mapping, which nobody uses.
        let unmapped = unsafe { libc::munmap(first, len) };
        assert_eq!((guarded, unmapped), (0, 0));
        // SAFETY: a mapping at no given address.
        let second = unsafe { libc::mmap(null_mut(), len, prot, flags, -1, 0) };
        assert_eq!(first, second);
        // The system refuses to read from the page, and reads from the next one.
        let page = |number: usize| first.wrapping_byte_add(number << 12);
        assert_eq!(written(page(0)), Some(libc::EFAULT));
        assert_eq!(written(page(1)), None);
        // Another length is another stack.
        // SAFETY: a mapping at no given address.
        let longer = unsafe { libc::mmap(null_mut(), len << 1, prot, flags, -1, 0) };
        assert_ne!(longer, first);
        // SAFETY: the whole mapping, which nobody uses; unguarded, it is not kept.
        assert_eq!(unsafe { libc::munmap(longer, len << 1) }, 0);
    }

    /// The error of writing a byte at an address into a pipe.
    fn written(from: *const c_void) -> Option<c_int> {
        use std::os::fd::AsRawFd as _;
        let (_reader, writer) = std::io::pipe().expect("a pipe");
        // SAFETY: the system checks the address by itself.
        let sent = unsafe { libc::write(writer.as_raw_fd(), from, 1) };
        (sent < 0).then(|| std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}
