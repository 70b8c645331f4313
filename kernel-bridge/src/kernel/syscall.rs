//! The kernel's system calls, one safe or honestly unsafe function each.
//!
//! Numbers 0–13 and the error numbers are those of a published teaching kernel, so that programs
//! written for it run here; numbers from 0x100 are our own.
//!
//! # Protocol
//! The number goes in `rax`, arguments in `rdi rsi rdx r10 r8 r9`; `rax` holds the result, or the
//! negated [`Errno`]. The kernel keeps every general register but `rax`, `rcx` and `r11`; the vector
//! registers are treated as lost, which is what `clobber_abi` says to the compiler.

use core::ffi::CStr;
use core::fmt;

use exec_core::sync::atomic::AtomicU32;

pub use super::file::{close, open, read, seek, tell, write};

/// The numbers of the system calls.
pub mod number {
    /// Ends the calling thread.
    pub const EXIT: usize = 0;
    /// Opens a file.
    pub const OPEN: usize = 1;
    /// Reads from a descriptor.
    pub const READ: usize = 2;
    /// Writes to a descriptor.
    pub const WRITE: usize = 3;
    /// Moves a descriptor's position.
    pub const SEEK: usize = 4;
    /// Asks for a descriptor's position.
    pub const TELL: usize = 5;
    /// Closes a descriptor.
    pub const CLOSE: usize = 6;
    /// Makes a pipe.
    pub const PIPE: usize = 7;
    /// Maps memory.
    pub const MMAP: usize = 8;
    /// Unmaps memory.
    pub const MUNMAP: usize = 9;
    /// Starts a thread.
    pub const THREAD_CREATE: usize = 11;
    /// Waits for a thread to end.
    pub const THREAD_JOIN: usize = 12;
    /// Ends the whole process.
    pub const EXIT_GROUP: usize = 13;
    /// Makes an empty file.
    pub const CREATE: usize = 14;
    /// Makes a directory.
    pub const MKDIR: usize = 15;
    /// Removes a name.
    pub const UNLINK: usize = 16;
    /// Changes the directory that paths start from.
    pub const CHDIR: usize = 17;
    /// Lists a directory.
    pub const READDIR: usize = 18;
    /// Asks about a file.
    pub const STAT: usize = 19;
    /// Makes sure that what was written is safe.
    pub const FSYNC: usize = 20;
    /// Asks for the calling thread's number.
    pub const GETTID: usize = 0x100;
    /// Lets another thread run.
    pub const YIELD: usize = 0x101;
    /// Waits while a word of memory keeps its value.
    pub const FUTEX_WAIT: usize = 0x102;
    /// Wakes threads that wait on a word of memory.
    pub const FUTEX_WAKE: usize = 0x103;
    /// Asks for the time.
    pub const CLOCK: usize = 0x104;
    /// Asks how many processors there are.
    pub const CPU_COUNT: usize = 0x105;
    /// Asks what a thread has used.
    pub const THREAD_STATS: usize = 0x106;
    /// Ends the machine.
    pub const SHUTDOWN: usize = 0x107;
    /// Gives up the right to join a thread.
    pub const THREAD_DETACH: usize = 0x108;
    /// Asks how much memory is free.
    pub const FREE_MEMORY: usize = 0x109;
    /// Makes a second number for an open file.
    pub const DUP: usize = 0x140;
    /// Makes a given number stand for an open file.
    pub const DUP2: usize = 0x141;
    /// Makes a named pipe.
    pub const MKFIFO: usize = 0x142;
    /// Takes a name for connections.
    pub const SOCKET_LISTEN: usize = 0x143;
    /// Connects to a name.
    pub const SOCKET_CONNECT: usize = 0x144;
    /// Accepts a connection.
    pub const SOCKET_ACCEPT: usize = 0x145;
    /// Makes a region of memory that can be shared.
    pub const REGION_CREATE: usize = 0x148;
    /// Maps a region.
    pub const REGION_MAP: usize = 0x149;
    /// Destroys a region.
    pub const REGION_DESTROY: usize = 0x14a;
    /// Makes a semaphore.
    pub const SEMAPHORE_CREATE: usize = 0x150;
    /// Takes one of a semaphore.
    pub const SEMAPHORE_WAIT: usize = 0x151;
    /// Adds to a semaphore.
    pub const SEMAPHORE_POST: usize = 0x152;
    /// Destroys a semaphore.
    pub const SEMAPHORE_DESTROY: usize = 0x153;
    /// Makes a mailbox.
    pub const MAILBOX_CREATE: usize = 0x158;
    /// Sends a message to a mailbox.
    pub const MAILBOX_SEND: usize = 0x159;
    /// Takes a message out of a mailbox.
    pub const MAILBOX_RECEIVE: usize = 0x15a;
    /// Destroys a mailbox.
    pub const MAILBOX_DESTROY: usize = 0x15b;
    /// Sends a message to a process.
    pub const MESSAGE_SEND: usize = 0x160;
    /// Takes a message that was sent to the caller's process.
    pub const MESSAGE_RECEIVE: usize = 0x161;
}

/// Why the kernel refused a call: a positive error number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self($value);)*

            /// The number's name, as C spells it; `"E?"` for a number that has none here.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($value => stringify!($name),)*
                    _ => "E?",
                }
            }

            /// The error of this number, if there is one.
            #[must_use]
            pub const fn from_number(number: i32) -> Option<Self> {
                match number {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM = 1, "Not permitted.";
    ENOENT = 2, "No such file.";
    ESRCH = 3, "No such thread.";
    EINTR = 4, "A signal came first.";
    EIO = 5, "A device failed.";
    E2BIG = 7, "The arguments are too long.";
    ENOEXEC = 8, "Not a program.";
    EBADF = 9, "Not an open descriptor.";
    ECHILD = 10, "No such child.";
    EAGAIN = 11, "Not now: try again.";
    ENOMEM = 12, "Out of memory or of address space.";
    EACCES = 13, "The file or mapping does not allow it.";
    EFAULT = 14, "A pointer leads to memory that the caller may not use so.";
    EBUSY = 16, "In use.";
    EEXIST = 17, "Already there.";
    ENOTDIR = 20, "Not a directory.";
    EISDIR = 21, "A directory.";
    EINVAL = 22, "An argument has no meaning here.";
    EMFILE = 24, "Too many open descriptors.";
    ENOSPC = 28, "No room left.";
    ESPIPE = 29, "Not a file with positions.";
    EPIPE = 32, "Nobody reads the other end.";
    EDEADLK = 35, "The caller would wait for itself.";
    ENAMETOOLONG = 36, "A name is too long.";
    ENOSYS = 38, "No such system call.";
    ENOTEMPTY = 39, "The directory is not empty.";
    EIDRM = 43, "It was destroyed while the caller waited for it.";
    EMSGSIZE = 90, "A message, or the room for one, has the wrong size.";
    EADDRINUSE = 98, "The name is taken.";
    ETIMEDOUT = 110, "The time ran out.";
    ECONNREFUSED = 111, "Nobody listens there.";
}

impl Errno {
    /// The number itself.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for Errno {}

/// Number of a thread, unique among the threads that live or wait to be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tid(pub u64);

/// What a mapping allows. Writable and executable at once is refused by the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection(pub usize);

impl Protection {
    /// Reading only.
    pub const READ: Self = Self(1);
    /// Reading and writing.
    pub const READ_WRITE: Self = Self(3);
    /// Reading and executing.
    pub const READ_EXECUTE: Self = Self(5);
}

/// What a thread has used since it started; what the kernel writes for `thread_stats`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadStats {
    /// Switches away because the thread waited or yielded.
    pub voluntary: u64,
    /// Switches away because its time was up.
    pub involuntary: u64,
    /// Nanoseconds in the program.
    pub user_ns: u64,
    /// Nanoseconds in the kernel.
    pub system_ns: u64,
    /// System calls made.
    pub syscalls: u64,
    /// Page faults that the kernel served: the page was made or copied.
    pub faults: u64,
}

/// A thread's first function; it must end in [`exit`], because nothing is there to return to.
pub type ThreadFn = unsafe extern "C" fn(*mut ()) -> !;

/// One system call with as many arguments as it has, so that no register is set for nothing. The
/// value is `rax`.
///
/// To be used in an `unsafe` block, by code that vouches for what the call does.
macro_rules! syscall {
    ($number:expr $(, $register:tt = $value:expr)*) => {{
        let result: isize;
        core::arch::asm!(
            "syscall",
            inlateout("rax") $number => result,
            $(in($register) $value,)*
            clobber_abi("sysv64"),
            options(nostack),
        );
        result
    }};
}
pub(super) use syscall;

/// Makes any system call with any arguments.
///
/// # Safety
/// Whatever the call does with these arguments must be sound: memory that the kernel is told to
/// write must be the caller's to write, a mapping must not replace memory in use.
#[inline]
pub unsafe fn raw(number: usize, args: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = args;
    // SAFETY: the instruction enters the kernel, which keeps every register but those of the ABI;
    // what the call itself does is the caller's promise.
    unsafe {
        syscall!(
            number,
            "rdi" = a,
            "rsi" = b,
            "rdx" = c,
            "r10" = d,
            "r8" = e,
            "r9" = f
        )
    }
}

/// Splits what `rax` holds into the result and the error.
#[inline]
pub(super) fn check(result: isize) -> Result<usize, Errno> {
    match usize::try_from(result) {
        Ok(value) => Ok(value),
        // Error numbers are small, so the truncation keeps them whole.
        Err(_) => Err(Errno(result.unsigned_abs() as i32)),
    }
}

/// Ends the calling thread with `status`, which its joiner gets. The process lives on while another
/// of its threads does.
#[inline]
pub fn exit(status: i32) -> ! {
    // SAFETY: the call touches no memory of ours.
    let _ = unsafe { check(syscall!(number::EXIT, "rdi" = status as usize)) };
    unreachable!("invariant: the kernel never returns from exit")
}

/// Ends every thread of the process, wherever each is; `status` becomes the process's.
#[inline]
pub fn exit_group(status: i32) -> ! {
    // SAFETY: the call touches no memory of ours.
    let _ = unsafe { check(syscall!(number::EXIT_GROUP, "rdi" = status as usize)) };
    unreachable!("invariant: the kernel never returns from exit_group")
}

/// Maps `len` zeroed bytes at exactly `at`.
///
/// # Errors
/// `EINVAL` for an address that is not page-aligned, zero, in use or not the program's to use;
/// `ENOMEM` where there is no memory left.
///
/// # Safety
/// No reference may lead into `at..at + len`: the range may be in use only by agreement.
pub unsafe fn mmap(at: usize, len: usize, protection: Protection) -> Result<*mut u8, Errno> {
    // SAFETY: the caller keeps the range free of references; descriptor -1 means zeroed memory.
    let result = unsafe {
        raw(
            number::MMAP,
            [at, len, protection.0, -1_isize as usize, 0, 0],
        )
    };
    check(result).map(core::ptr::with_exposed_provenance_mut)
}

/// Takes away the whole mapping that starts at `at`.
///
/// # Errors
/// `EINVAL` where no mapping starts there.
///
/// # Safety
/// No reference may lead into the mapping.
pub unsafe fn munmap(at: *mut u8) -> Result<(), Errno> {
    // SAFETY: the caller gave up every reference into the mapping.
    unsafe { check(syscall!(number::MUNMAP, "rdi" = at as usize)) }.map(drop)
}

/// Starts a thread that runs `entry(arg)` on the stack that ends at `stack_top`.
///
/// # Errors
/// `EAGAIN` where there is no room for another thread, `EFAULT` for a stack that is not mapped
/// writable or an entry that is not executable.
///
/// # Safety
/// The stack must be the new thread's alone until it has been joined, and `entry(arg)` sound to call
/// on another thread.
#[inline]
pub unsafe fn thread_create(
    name: &CStr,
    stack_top: *mut u8,
    entry: ThreadFn,
    arg: *mut (),
) -> Result<Tid, Errno> {
    // SAFETY: the caller vouches for stack and entry; the kernel copies the name.
    let result = unsafe {
        syscall!(
            number::THREAD_CREATE,
            "rdi" = name.as_ptr(),
            "rsi" = stack_top,
            "rdx" = entry,
            "r10" = arg
        )
    };
    check(result).map(|tid| Tid(tid as u64))
}

/// Waits for a thread to end and takes its status.
///
/// # Errors
/// `ESRCH` for a thread that does not exist, `EINVAL` where another joiner is or was first,
/// `EDEADLK` for the caller itself.
///
/// # Blocking
/// Until the thread has ended.
///
/// # Memory ordering
/// Everything the thread wrote is seen after this returns `Ok`.
#[inline]
pub fn thread_join(tid: Tid) -> Result<i32, Errno> {
    let mut status = 0_i32;
    // SAFETY: the kernel writes one i32 to `status`, which is ours.
    unsafe {
        check(syscall!(
            number::THREAD_JOIN,
            "rdi" = tid.0 as usize,
            "rsi" = &raw mut status as usize
        ))
    }?;
    Ok(status)
}

/// The calling thread's number.
#[inline]
#[must_use]
pub fn gettid() -> Tid {
    // SAFETY: the call touches no memory of ours.
    let tid = unsafe { check(syscall!(number::GETTID)) };
    Tid(tid.expect("invariant: gettid never fails") as u64)
}

/// Lets another runnable thread of this processor run first.
#[inline]
pub fn yield_now() {
    // SAFETY: the call touches no memory of ours.
    let _ = unsafe { check(syscall!(number::YIELD)) };
}

/// Sleeps while `word` holds `expected`, until woken or for `timeout_ns` at most; `u64::MAX` is no
/// limit.
///
/// # Errors
/// `EAGAIN` where the word held something else, `ETIMEDOUT` when the time ran out.
///
/// # Blocking
/// As said; may also return `Ok` for no reason.
///
/// # Memory ordering
/// The comparison and the going to sleep are one step as seen by [`futex_wake`]: a waker that changes
/// the word first and wakes after is never missed. Nothing else is ordered: load the word again.
#[inline]
pub fn futex_wait(word: &AtomicU32, expected: u32, timeout_ns: u64) -> Result<(), Errno> {
    let at = word.as_ptr();
    // SAFETY: the kernel only reads the word, which lives across the call.
    unsafe {
        check(syscall!(
            number::FUTEX_WAIT,
            "rdi" = at,
            "rsi" = expected as usize,
            "rdx" = timeout_ns
        ))
    }
    .map(drop)
}

/// Wakes at most `count` threads that sleep on the word at `address` and says how many it woke. The
/// address is a key: nothing is read or written there, so the word may be gone already.
///
/// # Errors
/// `EFAULT` for an address that is not the program's.
#[inline]
pub fn futex_wake(address: *const u32, count: u32) -> Result<usize, Errno> {
    // SAFETY: the kernel uses the address as a key only.
    unsafe {
        check(syscall!(
            number::FUTEX_WAKE,
            "rdi" = address as usize,
            "rsi" = count as usize
        ))
    }
}

/// Nanoseconds since the machine started; never runs backwards.
#[inline]
#[must_use]
pub fn clock() -> u64 {
    // SAFETY: the call touches no memory of ours.
    let now = unsafe { check(syscall!(number::CLOCK)) };
    now.expect("invariant: clock never fails") as u64
}

/// How many processors run threads; at least 1.
#[inline]
#[must_use]
pub fn cpu_count() -> usize {
    // SAFETY: the call touches no memory of ours.
    unsafe { check(syscall!(number::CPU_COUNT)) }.unwrap_or(1)
}

/// What thread `tid` has used, or the caller where `tid` is `None`.
///
/// # Errors
/// `ESRCH` for a thread that does not exist.
pub fn thread_stats(tid: Option<Tid>) -> Result<ThreadStats, Errno> {
    let mut stats = ThreadStats::default();
    let tid = tid.map_or(0, |tid| tid.0 as usize);
    // SAFETY: the kernel writes one `ThreadStats`, laid out as in C, which is ours.
    unsafe {
        check(syscall!(
            number::THREAD_STATS,
            "rdi" = tid,
            "rsi" = &raw mut stats as usize
        ))
    }?;
    Ok(stats)
}

/// What all threads of the process have used, ended ones included. A thread that ends at this moment
/// may be missing until the next call.
#[must_use]
pub fn process_stats() -> ThreadStats {
    thread_stats(Some(Tid(u64::MAX))).expect("invariant: a process may ask about itself")
}

/// Gives up the right to join `tid`: its number is free again once it has ended.
///
/// # Errors
/// `ESRCH` for a thread that does not exist, `EINVAL` where a joiner waits.
pub fn thread_detach(tid: Tid) -> Result<(), Errno> {
    // SAFETY: the call touches no memory of ours.
    unsafe { check(syscall!(number::THREAD_DETACH, "rdi" = tid.0 as usize)) }.map(drop)
}

/// Pages of memory that nobody uses.
#[must_use]
pub fn free_memory() -> usize {
    // SAFETY: the call touches no memory of ours.
    let pages = unsafe { check(syscall!(number::FREE_MEMORY)) };
    pages.expect("invariant: free_memory never fails")
}

/// Ends the machine with a value for the one who started it. Only the first process may.
///
/// # Errors
/// `EPERM` for every other process; on success it never returns.
pub fn shutdown(code: u8) -> Errno {
    // SAFETY: the call touches no memory of ours.
    match unsafe { check(syscall!(number::SHUTDOWN, "rdi" = usize::from(code))) } {
        Ok(_) => unreachable!("invariant: the kernel never returns from a granted shutdown"),
        Err(why) => why,
    }
}
