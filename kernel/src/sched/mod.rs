//! Which thread runs on which CPU, and how one makes room for another.
//!
//! # States
//! A thread is *running* (its CPU's `current`), *ready* (in exactly one run queue), *waiting* (its
//! parking word says so, and whoever shall wake it knows it) or *left for ever*.
//!
//! # Who owns what
//! A CPU's run queue and timers have their locks in [`queue`]; `left` and `current` are touched by
//! their own CPU only; a thread's share is as [`kcore::sched`] says.
//!
//! # Protocol
//! [`switch_away`] picks the next thread (the idle thread if there is none), notes in the CPU's `left`
//! which thread it leaves and why, and switches stacks. The first thing that runs on the other stack
//! is [`settle`]: it looks at `left` and finishes what could not be done while the old stack was still
//! in use: put the old thread into the run queue, or mark it as parked, or take back its structure.
//! No lock is held across a switch.
//!
//! # Why nothing is lost
//! A wake-up between the decision to wait and [`settle`] leaves a token in the parking word;
//! see [`kcore::ParkCell`]. Work for an idle CPU: see [`kcore::IdleSet`].

pub(crate) mod admission;
pub(crate) mod idle;
pub(crate) mod queue;
pub(crate) mod wait;

use core::arch::asm;

use kcore::State;

use crate::{
    arch::{
        clock,
        cpu::{self, Cpu},
        lapic::{self, VECTOR_RESCHEDULE},
        switch,
    },
    mm::address_space,
    proc::{signal, table, thread::Thread},
    trap::frame::TrapFrame,
};

/// Why a thread was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It can run on: put it into the run queue.
    Ready,
    /// It waits: mark it as parked.
    Parked,
    /// Its process is stopped: mark it as parked.
    Stopped,
    /// It has ended.
    Ended,
    /// It is the CPU's idle thread, which is in no queue.
    Idle,
}

/// Starts the tick of the first CPU.
pub(crate) fn init() {
    clock::start_tick();
}

/// Makes a thread ready: into the queue of the calling CPU, and an idle CPU is told.
#[inline]
pub(crate) fn make_ready(thread: &'static Thread) {
    enqueue(cpu::this(), thread);
    idle::wake_one();
}

/// Puts a thread into a run queue: that of `cpu`, if it may run there.
#[inline]
fn enqueue(cpu: &Cpu, thread: &'static Thread) {
    thread.enter_state(State::Ready);
    if thread.share().may_run_on(cpu.number()) {
        cpu.queue.push(thread);
    } else {
        enqueue_elsewhere(thread);
    }
}

#[cold]
#[inline(never)]
fn enqueue_elsewhere(thread: &'static Thread) {
    let cpu = cpu::all()
        .filter(|cpu| thread.share().may_run_on(cpu.number()))
        .min_by_key(|cpu| cpu.queue.ready())
        .expect("invariant: a thread may run on some CPU");
    cpu.queue.push(thread);
    lapic::send(cpu.apic_id(), VECTOR_RESCHEDULE);
}

/// Gives a ready thread to the CPU with the shortest queue, if this one's is longer by two: only idle
/// CPUs steal, so this is what spreads threads over busy ones.
fn balance(own: &Cpu) {
    let shortest = cpu::all()
        .min_by_key(|cpu| cpu.queue.ready())
        .expect("invariant: this CPU runs");
    if own.queue.ready() < shortest.queue.ready() + 2 {
        return;
    }
    if let Some(thread) = own.queue.steal(shortest.number()) {
        shortest.queue.push(thread);
        lapic::send(shortest.apic_id(), VECTOR_RESCHEDULE);
    }
}

/// Lets another ready thread run, if there is one on this CPU.
pub(crate) fn yield_now() {
    let cpu = cpu::this();
    if let Some(next) = cpu.queue.next_to_run() {
        let thread = cpu::current();
        thread.accounts().count_voluntary();
        switch_to(cpu, thread, next, Leave::Ready);
    }
}

/// Takes the CPU from the running thread, if others are ready.
pub(crate) fn preempt() {
    let cpu = cpu::this();
    if let Some(next) = cpu.queue.next_to_run() {
        let thread = cpu::current();
        thread.accounts().count_involuntary();
        switch_to(cpu, thread, next, Leave::Ready);
    }
}

/// Counts a tick: wakes whose time has come; true if the running thread's quantum is over and others
/// are ready.
pub(crate) fn tick() -> bool {
    let cpu = cpu::this();
    let now = clock::now_ns();
    cpu.queue.wake_due(now);
    let (ticks, quantum) = cpu.queue.count_ticks(now);
    if quantum {
        admission::admit_waiting();
        balance(cpu);
    }
    let running = cpu::current();
    !running.is_idle() && cpu.queue.timer_ticks(running, ticks)
}

/// Stops the calling thread until its next token.
#[inline(always)]
fn park(thread: &'static Thread) {
    if thread.park().take_token() {
        return;
    }
    thread.accounts().count_voluntary();
    switch_away(thread, Leave::Parked);
}

/// Stops the calling thread, whose process is stopped, until its next token.
pub(crate) fn stop(thread: &'static Thread) {
    if !thread.park().take_token() {
        thread.accounts().count_involuntary();
        switch_away(thread, Leave::Stopped);
    }
}

/// Leaves the calling thread, which has ended.
pub(crate) fn leave_for_ever() -> ! {
    switch_away(cpu::current(), Leave::Ended);
    unreachable!("an ended thread was resumed")
}

#[inline(always)]
fn switch_away(thread: &'static Thread, leave: Leave) {
    let cpu = cpu::this();
    let next = cpu.queue.next_to_run().unwrap_or_else(|| cpu.idle());
    switch_to(cpu, thread, next, leave);
}

/// Switches from the calling thread, `old`, to `next`; comes back when `old` is resumed, maybe on
/// another CPU.
#[inline(always)]
fn switch_to(cpu: &Cpu, old: &'static Thread, next: &'static Thread, leave: Leave) {
    let now = clock::counter();
    old.stop_account(now);
    next.start_account(now);
    if next.space_at() != cpu.space_at.get() {
        // An idle thread keeps what is loaded.
        if let Some(space) = next.try_space() {
            address_space::load(space);
        }
    }
    old.set_user_bases(swap_user_bases(next.user_bases()));
    cpu.left.set((old, leave));
    cpu.set_current(next);
    if !next.is_idle() {
        next.enter_state(State::Running);
    }
    // SAFETY: `next` was in the run queue (or is the idle thread, which runs here only): its stack
    // pointer is stored, and nobody else resumes it. Its `context` is ours from now on to read.
    let context = unsafe { next.context().read() };
    // SAFETY: as above; the old thread's `context` is its own, and this is the old thread.
    unsafe { switch::switch_stack(old.context(), context) };
    settle();
}

/// Finishes the switch on the new stack.
#[inline(always)]
fn settle() {
    let cpu = cpu::this();
    let (old, leave) = cpu.left.get();
    // The first two are short, because every switch passes here.
    match leave {
        Leave::Ready => enqueue(cpu, old),
        Leave::Parked => settle_parked(cpu, old, State::Waiting),
        Leave::Idle => {}
        Leave::Stopped | Leave::Ended => settle_rarely(cpu, old, leave),
    }
}

#[inline(always)]
fn settle_parked(cpu: &Cpu, old: &'static Thread, state: State) {
    // Before the word says so: after it, the thread is its waker's.
    old.enter_state(state);
    if old.park().finish_park() {
        enqueue(cpu, old);
    }
}

#[inline(never)]
fn settle_rarely(cpu: &Cpu, old: &'static Thread, leave: Leave) {
    if leave == Leave::Ended {
        old.enter_state(State::Terminated);
        table::recycle(old);
    } else {
        settle_parked(cpu, old, State::Stopped);
    }
}

/// The first thing that a new thread runs: the switch to it ends here.
pub(crate) extern "C" fn first_return(frame: &mut TrapFrame) {
    settle();
    let thread = cpu::current();
    if thread.has_work() {
        signal::work(thread, frame);
    }
    thread.accounts().enter_user();
}

/// The calling thread's `fs` and `gs` bases.
pub(crate) fn own_user_bases() -> [u64; 2] {
    let bases = swap_user_bases([0; 2]);
    swap_user_bases(bases);
    bases
}

/// Sets the calling thread's `fs` and `gs` bases.
pub(crate) fn set_own_user_bases(bases: [u64; 2]) {
    swap_user_bases(bases);
}

/// Sets the program's `fs` and `gs` bases and returns the old ones.
#[inline]
fn swap_user_bases([fs, gs]: [u64; 2]) -> [u64; 2] {
    let (old_fs, old_gs): (u64, u64);
    // SAFETY: interrupts are off, so that nobody sees the program's `gs` base in the kernel; the bases
    // themselves mean nothing to the kernel, and a program can set any canonical one.
    unsafe {
        asm!(
            "rdfsbase {old_fs}",
            "wrfsbase {fs}",
            "swapgs",
            "rdgsbase {old_gs}",
            "wrgsbase {gs}",
            "swapgs",
            fs = in(reg) fs,
            gs = in(reg) gs,
            old_fs = out(reg) old_fs,
            old_gs = out(reg) old_gs,
            options(nostack, preserves_flags)
        );
    }
    [old_fs, old_gs]
}
