//! Signals: sending, stopping and going on, and what a thread does with them on its way to ring 3.
//!
//! # Who owns what
//! `dispositions` of a process has a lock; `pending` sets and masks are atomics. A thread writes its
//! own mask, everybody reads it. The bits of a thread's work word say that it should look.
//!
//! # Protocol
//! Sender: put the signal into the pending set, then look for a thread that does not block it, set its
//! [`SIGNAL`] bit and wake it. Thread: set the mask, then look at the pending sets; find another thread
//! for what it might have been asked to take, and blocks now. One that ends blocks everything. On the
//! way out of the kernel with the bit set: clear it, then take what is pending and not blocked, one
//! after the other.
//!
//! # Why nothing is lost
//! See [`SignalCell::replace`]. Stops and their ends change the process, and are told to its parent, in
//! one order: under the family's lock.

use kcore::{
    Disposition, Dispositions, Ending, Errno, Fate, Handler, News, Signal, SignalCell, SignalFrame,
    SignalSet, SpinLock, Tid, frame::TrapFrame,
};

use crate::{
    arch::cpu,
    mm::uaccess,
    proc::{
        exit, family,
        process::Process,
        table,
        thread::{SIGNAL, STOP, Thread},
    },
    sched,
};

/// The signals of a process.
pub(crate) struct Signals {
    pub(crate) dispositions: SpinLock<Dispositions>,
    pub(crate) pending: SignalCell,
}

impl Signals {
    /// Nothing pending; with these dispositions.
    pub(super) fn new(dispositions: Dispositions) -> Self {
        Self {
            dispositions: SpinLock::new(dispositions),
            pending: SignalCell::default(),
        }
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
            signals.pending.remove(SignalSet::STOPS);
            go_on(process);
        }
        _ => {}
    }
    if put(process, signal) {
        find_takers(process, SignalSet::only(signal));
    }
}

/// Makes a signal pending, if it is not ignored; then [`find_takers`] comes next.
pub(super) fn put(process: &Process, signal: Signal) -> bool {
    let signals = &process.signals;
    let counts = signals.dispositions.lock().fate(signal) != Fate::Ignored;
    if counts {
        signals.pending.add(SignalSet::only(signal));
    }
    counts
}

/// Sends a signal to one thread of a process.
///
/// # Errors
/// `ESRCH` if there is no such thread.
pub(crate) fn send_to_thread(process: &Process, tid: Tid, signal: Signal) -> Result<(), Errno> {
    let give = |thread: &'static Thread| {
        if signal.is_catchable() {
            thread.pending.add(SignalSet::only(signal));
            if !thread.mask.get().has(signal) {
                thread.ask(SIGNAL);
            }
        }
    };
    table::with(tid, process.pid(), give).ok_or(Errno::ESRCH)?;
    if signal.is_catchable() {
        exit::interrupt_others();
    } else {
        send(process, signal);
    }
    Ok(())
}

/// Lets threads look that do not block these signals, one for each of those that are pending.
pub(super) fn find_takers(process: &Process, signals: SignalSet) {
    let mut left = signals.both(process.signals.pending.get());
    if left == SignalSet::EMPTY {
        return;
    }
    let mut others = false;
    table::for_each(process.pid(), |thread| {
        let takes = left.without(thread.mask.get());
        if takes != SignalSet::EMPTY {
            left = left.without(takes);
            thread.ask(SIGNAL);
            others |= !core::ptr::eq(thread, cpu::current());
        }
    });
    if others {
        exit::interrupt_others();
    }
}

/// The calling thread ends: somebody else must take what it might have taken.
#[inline]
pub(super) fn leave_to_others(thread: &Thread, process: &Process) {
    change_mask(thread, process, SignalSet::ALL);
}

/// Sets the calling thread's mask; what it does not block any more is taken on the way out.
pub(crate) fn set_mask(thread: &'static Thread, mask: SignalSet) {
    change_mask(thread, thread.process(), mask);
    if all_pending(thread).without(mask) != SignalSet::EMPTY {
        thread.ask(SIGNAL);
    }
}

/// Sets the calling thread's mask, and leaves to others what it blocks from now on.
#[inline]
fn change_mask(thread: &Thread, process: &Process, mask: SignalSet) {
    let left = thread.mask.replace(mask, &process.signals.pending);
    if left != SignalSet::EMPTY {
        find_takers(process, left);
    }
}

/// Stops a process: its threads wait on their way out of the kernel, or where they wait already.
fn stop(process: &Process, signal: Signal) {
    process
        .signals
        .pending
        .remove(SignalSet::only(Signal::CONT));
    family::tell(process, News::Stopped(signal.number()), || {
        process.threads.begin_stop()
    });
    table::for_each(process.pid(), |thread| thread.ask(STOP));
    exit::interrupt_others();
}

/// Lets a stopped process go on.
fn go_on(process: &Process) {
    let goes_on = family::tell(process, News::Continued, || process.threads.end_stop());
    if goes_on {
        table::for_each(process.pid(), Thread::wake);
    }
}

/// The calling thread waits until its process goes on, or ends.
fn wait_for_continue(thread: &'static Thread) {
    while thread.process().threads.is_stopped() && !thread.must_leave() {
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
        } else if !thread.take_work(SIGNAL) {
            return false;
        } else if all_pending(thread).without(thread.mask.get()) != SignalSet::EMPTY {
            thread.ask(SIGNAL);
            return true;
        }
        // Another thread has taken what this one was asked to look for: the wait goes on.
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
    let mask = thread.mask.get();
    let own = thread.pending.take_first(mask);
    own.or_else(|| thread.process().signals.pending.take_first(mask))
}

/// What has come for the thread or its process.
pub(crate) fn all_pending(thread: &Thread) -> SignalSet {
    let process = thread.process().signals.pending.get();
    process.with(thread.pending.get())
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
        Disposition::Handle(handler) if !thread.mask.get().has(signal) => {
            call(thread, frame, signal, address, handler).is_ok()
        }
        _ => false,
    }
}

/// Makes the thread go to a handler. Nothing has changed if there is no stack for it.
fn call(
    thread: &'static Thread,
    frame: &mut TrapFrame,
    signal: Signal,
    address: u64,
    handler: Handler,
) -> Result<(), Errno> {
    let mask = thread.mask.get();
    let saved = SignalFrame {
        signal: u64::from(signal.number()),
        address,
        mask: thread.saved_mask().unwrap_or(mask),
        registers: *frame,
        vectors: *thread.vectors(),
    };
    let at = SignalFrame::place(frame.rsp);
    uaccess::copy_out(at, saved.to_bytes().as_flattened())?;
    uaccess::store_u64(at.wrapping_sub(8), handler.restorer)?;
    thread.take_saved_mask();
    let blocked = mask.with(handler.mask).with(SignalSet::only(signal));
    change_mask(thread, thread.process(), blocked);
    *frame = SignalFrame::begin(&handler, signal, at);
    Ok(())
}

/// Brings back what a handler's call has saved; the stack pointer in `frame` is where it returned to.
pub(crate) fn return_from_handler(thread: &'static Thread, frame: &mut TrapFrame) {
    let mut bytes = [[0; 8]; SignalFrame::LEN / 8];
    let copied = uaccess::copy_in(frame.rsp, bytes.as_flattened_mut());
    let saved = copied.map(|()| SignalFrame::from_bytes(bytes, frame));
    let Ok(Some(saved)) = saved else {
        return end_at(thread, frame, "nothing to return to from a signal");
    };
    *frame = saved.registers;
    thread.set_vectors(&saved.vectors);
    set_mask(thread, saved.mask);
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
