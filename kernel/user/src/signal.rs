//! Signals: sending them, handling them, blocking them.
//!
//! # Protocol
//! A handler runs on the stack of the thread that takes the signal, between two instructions of what
//! that thread does, or after a system call; a call that was waiting ends with `EINTR`. It gets the
//! signal and what the kernel has saved, and may change that: the thread goes on with it. While it
//! runs, its signal is blocked, and what its mask says.
//!
//! A handler may interrupt code that holds a lock, the heap's included: it should touch atomics only.

use core::sync::atomic::Ordering;

use kernel_bridge::kernel::syscall::{Errno, Tid};

use crate::process::{Pid, call};

mod number {
    pub(super) const KILL: usize = 0x119;
    pub(super) const SIGACTION: usize = 0x11a;
    pub(super) const SIGMASK: usize = 0x11b;
    pub(super) const SIGRETURN: usize = 0x11c;
    pub(super) const SIGPENDING: usize = 0x11d;
    pub(super) const SIGSUSPEND: usize = 0x11e;
    pub(super) const TKILL: usize = 0x11f;
}

/// A signal's number, 1 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(pub i32);

impl Signal {
    /// An illegal instruction.
    pub const ILL: Self = Self(4);
    /// An arithmetic error.
    pub const FPE: Self = Self(8);
    /// Ends the process, whatever it does.
    pub const KILL: Self = Self(9);
    /// For the program's own use.
    pub const USR1: Self = Self(10);
    /// A bad address.
    pub const SEGV: Self = Self(11);
    /// For the program's own use.
    pub const USR2: Self = Self(12);
    /// A polite request to end.
    pub const TERM: Self = Self(15);
    /// A child has ended or stopped.
    pub const CHLD: Self = Self(17);
    /// Lets a stopped process go on.
    pub const CONT: Self = Self(18);
    /// Stops the process, whatever it does.
    pub const STOP: Self = Self(19);

    const fn bit(self) -> usize {
        1 << self.0
    }
}

/// The general registers that a handler has interrupted.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the processor's names")]
pub struct Registers {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rax: u64,
    pub r11: u64,
    pub rcx: u64,
    reserved: [u64; 2],
    pub rip: u64,
    cs: u64,
    pub flags: u64,
    pub rsp: u64,
    ss: u64,
}

/// What the kernel has saved for a handler.
#[repr(C)]
#[derive(Debug)]
pub struct Saved {
    signal: u64,
    /// The address of a fault.
    pub address: u64,
    /// What is blocked afterwards: bit n for signal n.
    pub mask: u64,
    reserved: u64,
    /// What the thread goes on with.
    pub registers: Registers,
}

/// A function that handles a signal.
pub type Handler = extern "C" fn(signal: i32, saved: &mut Saved);

/// What becomes of a signal.
#[derive(Clone, Copy, Debug)]
pub enum Disposition {
    /// What it does by itself.
    Default,
    /// Nothing.
    Ignore,
    /// It calls a function.
    Handle(Handler),
}

/// Where a handler returns to.
#[unsafe(naked)]
unsafe extern "C" fn restorer() -> ! {
    core::arch::naked_asm!("mov eax, {}", "syscall", "ud2", const number::SIGRETURN)
}

/// Says what becomes of a signal from now on.
///
/// # Errors
/// `EINVAL` for [`Signal::KILL`], [`Signal::STOP`] and what is no signal.
pub fn set(signal: Signal, disposition: Disposition) -> Result<(), Errno> {
    set_blocking(signal, disposition, &[])
}

/// As [`set`]; while a handler runs, these signals are blocked beside its own.
///
/// # Errors
/// As for [`set`].
pub fn set_blocking(
    signal: Signal,
    disposition: Disposition,
    meanwhile: &[Signal],
) -> Result<(), Errno> {
    let mask = meanwhile.iter().fold(0, |mask, signal| mask | signal.bit());
    let entry = match disposition {
        Disposition::Default => 0,
        Disposition::Ignore => 1,
        Disposition::Handle(handler) => handler as usize,
    };
    let restorer = restorer as unsafe extern "C" fn() -> ! as usize;
    let args = [signal.0 as usize, entry, mask, restorer, 0, 0];
    call(number::SIGACTION, args).map(drop)
}

/// Sends a signal to a process.
///
/// # Errors
/// `ESRCH` where there is no such process, `EPERM` where it is another user's, `EINVAL` for what is no
/// signal.
pub fn kill(process: Pid, signal: Signal) -> Result<(), Errno> {
    let args = [process.0 as usize, signal.0 as usize, 0, 0, 0, 0];
    call(number::KILL, args).map(drop)
}

/// Asks whether a signal could be sent to a process.
///
/// # Errors
/// As for [`kill`].
pub fn probe(process: Pid) -> Result<(), Errno> {
    kill(process, Signal(0))
}

/// Sends a signal to a thread of this process.
///
/// # Errors
/// `ESRCH` where there is no such thread.
pub fn kill_thread(thread: Tid, signal: Signal) -> Result<(), Errno> {
    let args = [thread.0 as usize, signal.0 as usize, 0, 0, 0, 0];
    call(number::TKILL, args).map(drop)
}

/// Blocks a signal for the calling thread: it stays pending.
pub fn block(signal: Signal) {
    mask(0, signal);
}

/// Lets a blocked signal through; if it is pending, it is taken before this returns.
pub fn unblock(signal: Signal) {
    mask(1, signal);
}

fn mask(how: usize, signal: Signal) {
    let done = call(number::SIGMASK, [how, signal.bit(), 0, 0, 0, 0]);
    done.expect("invariant: the two ways are known");
    // What a handler has written is to be seen.
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// Whether a signal has come that is blocked.
#[must_use]
pub fn is_pending(signal: Signal) -> bool {
    let pending = call(number::SIGPENDING, [0; 6]);
    pending.expect("invariant: sigpending never fails") & signal.bit() != 0
}

/// Waits for a signal with nothing blocked.
///
/// # Blocking
/// Until a handler has run.
pub fn suspend() {
    let interrupted = call(number::SIGSUSPEND, [0; 6]);
    assert_eq!(interrupted, Err(Errno::EINTR));
}
