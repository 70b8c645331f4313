//! Signals: sending, stopping and going on, and what a thread does with them on its way to ring 3.
//!
//! # Who owns what
//! `dispositions` of a process has a lock; `pending` sets and masks are atomics. A thread writes its
//! own mask, everybody reads it. The bits of a thread's work word say that it should look.
//!
//! # Protocol
//! Sender: put the signal into the pending set, then look for a thread that does not block it, set its
//! [`SIGNAL`] bit and wake it. Thread: set the mask, then look at the pending sets. On the way out of
//! the kernel with the bit set: clear it, then take what is pending and not blocked, one after the
//! other.
//!
//! # Why nothing is lost
//! Both sides write first and look second, so one of them sees the other (all four are `SeqCst`). A
//! thread that ends with something pending looks for another thread to take it.
//!
//! # Frames
//! A handler is called on the program's stack, below the red zone: the interrupted registers, the mask
//! and the vector registers lie there as a [`SignalFrame`], and the handler returns to the program's
//! restorer, which calls `sigreturn` to bring them back. Nothing in there is trusted then.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use kcore::{
    Disposition, Dispositions, Ending, Errno, Fate, Handler, News, Signal, SignalSet, SpinLock,
    UserRange,
};

use crate::{
    arch::{cpu, fpu},
    mm::uaccess,
    proc::{
        exit, family,
        process::Process,
        table,
        thread::{SIGNAL, STOP, Thread},
    },
    sched,
    trap::frame::{Entry, TrapFrame, USER_FLAGS},
};

/// The signals of a process.
pub(crate) struct Signals {
    pub(crate) dispositions: SpinLock<Dispositions>,
    pending: AtomicU32,
    stopped: AtomicBool,
}

impl Signals {
    /// Nothing pending; with these dispositions.
    pub(super) fn new(dispositions: Dispositions) -> Self {
        Self {
            dispositions: SpinLock::new(dispositions),
            pending: AtomicU32::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// Whether the process is stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn pending(&self) -> SignalSet {
        SignalSet::from_bits(self.pending.load(Ordering::SeqCst))
    }

    fn clear_pending(&self, which: SignalSet) {
        self.pending.fetch_and(!which.bits(), Ordering::SeqCst);
    }

    /// Whether ended children are to vanish at once.
    pub(super) fn ignores_children(&self) -> bool {
        self.dispositions.lock().get(Signal::CHLD) == Disposition::Ignore
    }
}

/// Sends a signal to a process.
pub(crate) fn send(process: &Process, signal: Signal) {
    let signals = &process.signals;
    match signal {
        Signal::KILL => return exit::end_group(process, Ending::Killed(signal.number())),
        Signal::STOP => return stop(process, signal),
        Signal::CONT => {
            signals.clear_pending(SignalSet::STOPS);
            go_on(process);
        }
        _ => {}
    }
    if signals.dispositions.lock().fate(signal) == Fate::Ignored {
        return;
    }
    let one = SignalSet::only(signal);
    signals.pending.fetch_or(one.bits(), Ordering::SeqCst);
    find_taker(process);
}

/// Sends a signal to one thread of the caller's process.
pub(crate) fn send_to_thread(thread: &'static Thread, signal: Signal) {
    if !signal.is_catchable() {
        return send(cpu::current().process(), signal);
    }
    thread.add_pending(SignalSet::only(signal));
    if !thread.mask().has(signal) {
        thread.ask(SIGNAL);
        exit::interrupt_others();
    }
}

/// Lets a thread that does not block what is pending look.
fn find_taker(process: &Process) {
    let pending = process.signals.pending();
    let mut taker = None;
    table::for_each(process.pid(), |thread| {
        if taker.is_none() && pending.without(thread.mask()) != SignalSet::EMPTY {
            taker = Some(thread);
        }
    });
    if let Some(thread) = taker {
        thread.ask(SIGNAL);
        if !core::ptr::eq(thread, cpu::current()) {
            exit::interrupt_others();
        }
    }
}

/// The calling thread ends: somebody else must take what it might have taken.
pub(super) fn leave_to_others(thread: &Thread, process: &Process) {
    if process.signals.pending() != SignalSet::EMPTY {
        thread.set_mask(SignalSet::from_bits(u32::MAX));
        find_taker(process);
    }
}

/// Sets the calling thread's mask; what it does not block any more is taken on the way out.
pub(crate) fn set_mask(thread: &'static Thread, mask: SignalSet) {
    thread.set_mask(mask);
    let pending = thread.process().signals.pending().with(thread.pending());
    if pending.without(mask) != SignalSet::EMPTY {
        thread.ask(SIGNAL);
    }
}

/// Stops a process: its threads wait on their way out of the kernel, or where they wait already.
fn stop(process: &Process, signal: Signal) {
    process.signals.clear_pending(SignalSet::only(Signal::CONT));
    if !process.signals.stopped.swap(true, Ordering::SeqCst) {
        family::tell(process, News::Stopped(signal.number()));
    }
    table::for_each(process.pid(), |thread| thread.ask(STOP));
    exit::interrupt_others();
}

/// Lets a stopped process go on.
fn go_on(process: &Process) {
    if process.signals.stopped.swap(false, Ordering::SeqCst) {
        table::for_each(process.pid(), Thread::wake);
        family::tell(process, News::Continued);
    }
}

/// The calling thread waits until its process goes on, or ends.
fn wait_for_continue(thread: &'static Thread) {
    while thread.process().signals.is_stopped() && !thread.must_leave() {
        sched::stop(thread);
    }
}

/// Whether a thread that wants to wait must return to its program instead. One whose process is stopped
/// stays here until it goes on.
#[cold]
pub(crate) fn interrupts_wait(thread: &'static Thread) -> bool {
    loop {
        if thread.must_leave() {
            return true;
        }
        if thread.take_work(STOP) {
            wait_for_continue(thread);
        } else {
            return thread.has_work();
        }
    }
}

/// Does what the calling thread was asked to do before it goes back to ring 3 with `frame`.
#[cold]
pub(crate) fn work(thread: &'static Thread, frame: &mut TrapFrame) {
    while thread.has_work() {
        thread.leave_if_asked();
        if thread.take_work(STOP) {
            wait_for_continue(thread);
        } else if thread.take_work(SIGNAL) {
            take_all(thread, frame);
        }
    }
}

fn take_all(thread: &'static Thread, frame: &mut TrapFrame) {
    let process = thread.process();
    while let Some(signal) = take(thread) {
        let fate = process.signals.dispositions.lock().fate(signal);
        match fate {
            Fate::Ignored => {}
            Fate::Ends => {
                exit::end_group(process, Ending::Killed(signal.number()));
                return;
            }
            Fate::Stops => stop(process, signal),
            Fate::Handled(handler) => {
                if call(thread, frame, signal, 0, handler).is_err() {
                    return end_at(thread, frame, "no stack for a signal");
                }
            }
        }
    }
    if let Some(mask) = thread.take_saved_mask() {
        set_mask(thread, mask);
    }
}

/// Takes a signal that is pending and not blocked.
fn take(thread: &Thread) -> Option<Signal> {
    let mask = thread.mask();
    if let Some(own) = thread.pending().without(mask).first() {
        thread.remove_pending(own);
        return Some(own);
    }
    let signals = &thread.process().signals;
    loop {
        let signal = signals.pending().without(mask).first()?;
        let bit = SignalSet::only(signal).bits();
        // Another thread may have been faster.
        if signals.pending.fetch_and(!bit, Ordering::SeqCst) & bit != 0 {
            return Some(signal);
        }
    }
}

/// Lets the program handle its own fault; false if it does not.
pub(crate) fn handle_fault(
    thread: &'static Thread,
    frame: &mut TrapFrame,
    signal: Signal,
    address: u64,
) -> bool {
    let disposition = thread.process().signals.dispositions.lock().get(signal);
    match disposition {
        Disposition::Handle(handler) if !thread.mask().has(signal) => {
            call(thread, frame, signal, address, handler).is_ok()
        }
        _ => false,
    }
}

/// What a handler's call leaves on the program's stack, above its return address.
#[repr(C)]
struct SignalFrame {
    /// The signal, and the address of a fault.
    signal: u64,
    address: u64,
    mask: u64,
    reserved: u64,
    registers: TrapFrame,
    vectors: fpu::Area,
}

/// Below the stack pointer, programs keep values without saying so.
const RED_ZONE: u64 = 128;
/// Flags that a program may set by itself: arithmetic and direction.
const OWN_FLAGS: u64 = 0xcd5;

/// Makes the thread go to a handler. Nothing has changed if there is no stack for it.
fn call(
    thread: &'static Thread,
    frame: &mut TrapFrame,
    signal: Signal,
    address: u64,
    handler: Handler,
) -> Result<(), Errno> {
    let mask = thread.mask();
    let to_restore = thread.saved_mask().unwrap_or(mask);
    let saved = SignalFrame {
        signal: u64::from(signal.number()),
        address,
        mask: u64::from(to_restore.bits()),
        reserved: 0,
        registers: TrapFrame {
            vector: 0,
            error: 0,
            ..*frame
        },
        vectors: *thread.vectors(),
    };
    let len = size_of::<SignalFrame>() as u64;
    let at = frame.rsp.wrapping_sub(RED_ZONE + len) & !15;
    let return_at = at.wrapping_sub(8);
    // SAFETY: plain words without padding: 4 and 22 of 8 bytes, 128 of 4.
    let bytes = unsafe {
        core::slice::from_raw_parts((&raw const saved).cast::<u8>(), size_of::<SignalFrame>())
    };
    uaccess::copy_out(at, bytes)?;
    uaccess::store_u64(return_at, handler.restorer)?;
    thread.take_saved_mask();
    thread.set_mask(mask.with(handler.mask).with(SignalSet::only(signal)));
    let entry = Entry {
        at: handler.entry,
        stack: return_at,
        arguments: [u64::from(signal.number()), at],
    };
    *frame = TrapFrame {
        rdx: at,
        ..entry.into()
    };
    Ok(())
}

/// Brings back what a handler's call has saved; the stack pointer in `frame` is where it returned to.
pub(crate) fn return_from_handler(thread: &'static Thread, frame: &mut TrapFrame) {
    let mut bytes = [0; size_of::<SignalFrame>()];
    let saved = uaccess::copy_in(frame.rsp, &mut bytes).map(|()| {
        // SAFETY: any bytes are a `SignalFrame`, which is full of integers.
        unsafe { bytes.as_ptr().cast::<SignalFrame>().read_unaligned() }
    });
    match saved {
        Ok(saved) if UserRange::new(saved.registers.rip, 1).is_some() => {
            *frame = TrapFrame {
                cs: frame.cs,
                ss: frame.ss,
                flags: USER_FLAGS | saved.registers.flags & OWN_FLAGS,
                vector: 0,
                error: 0,
                ..saved.registers
            };
            thread.set_vectors(&saved.vectors.without_reserved_bits());
            set_mask(thread, SignalSet::blockable(saved.mask));
        }
        _ => end_at(thread, frame, "nothing to return to from a signal"),
    }
}

/// Ends the calling thread's process for what it did with its signals.
fn end_at(thread: &'static Thread, frame: &TrapFrame, why: &str) {
    let process = thread.process();
    crate::println!(
        "kernel: process {}: thread {} ({}) killed at {:#x}: {why}",
        process.pid(),
        thread.tid(),
        thread.name(),
        frame.rip,
    );
    exit::end_group(process, Ending::Faulted(Signal::SEGV.number()));
}
