//! Which thread runs on which CPU, and how one makes room for another.
//!
//! # States
//! A thread is *running* (its CPU's `current`), *ready* (in exactly one run queue), *waiting* (its
//! parking word says so, and whoever shall wake it knows it) or *left for ever*.
//!
//! # Who owns what
//! A CPU's run queue and timers have their locks in [`queue`]; `current` is touched by its own CPU
//! only; a thread's share is as [`kcore::sched`] says.
//!
//! # Protocol
//! [`switch_away`] picks the next thread (the idle thread if there is none) and switches stacks; which
//! thread it leaves and why, [`Left`], goes with it in two registers. The first thing that runs on the
//! other stack is [`settle`]: it finishes what could not be done while the old stack was still in use:
//! put the old thread into the run queue, or mark it as parked, or take back its structure.
//! No lock is held across a switch; a kernel with debug assertions asserts it.
//!
//! # Why nothing is lost
//! A wake-up between the decision to wait and [`settle`] leaves a token in the parking word;
//! see [`kcore::ParkCell`]. Work for an idle CPU: see [`kcore::IdleSet`].

pub(crate) mod admission;
pub(crate) mod idle;
pub(crate) mod queue;
pub(crate) mod wait;

use core::arch::asm;

use kcore::{State, frame::TrapFrame};

use crate::{
    arch::{
        clock,
        cpu::{self, Cpu},
        lapic::{self, VECTOR_RESCHEDULE},
        switch,
    },
    mm::address_space,
    proc::{
        signal, table,
        thread::{Thread, ThreadRef},
    },
};

/// Why a thread was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
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

/// Makes a thread ready: into the queue of the calling CPU, and an idle CPU is told.
#[inline(always)]
pub(crate) fn make_ready(thread: &'static Thread) {
    if enqueue_quickly(cpu::this(), thread) {
        idle::wake_one();
    } else {
        make_ready_slowly(thread);
    }
}

#[inline(never)]
fn make_ready_slowly(thread: &'static Thread) {
    enqueue_slowly(cpu::this(), thread);
    idle::wake_one();
}

/// Puts a thread into a run queue: that of `cpu`, the calling one, if it may run there.
#[inline(always)]
fn enqueue(cpu: &Cpu, thread: &'static Thread) {
    if !enqueue_quickly(cpu, thread) {
        enqueue_slowly(cpu, thread);
    }
}

/// As [`enqueue`], if there is nothing to look at; else false.
#[inline(always)]
fn enqueue_quickly(cpu: &Cpu, thread: &'static Thread) -> bool {
    // A CPU's front is filled by the CPU itself, and nobody else moves the thread now.
    thread.share().is_usual()
        && cpu.queue.has_room_in_front()
        && thread.enter_quietly(State::Ready)
        && {
            cpu.queue.put_front(ThreadRef(thread));
            true
        }
}

#[inline(never)]
fn enqueue_slowly(cpu: &Cpu, thread: &'static Thread) {
    thread.enter_state(State::Ready);
    if thread.share().may_run_on(cpu.number()) {
        cpu.queue.push(ThreadRef(thread));
    } else {
        enqueue_elsewhere(thread);
    }
}

fn enqueue_elsewhere(thread: &'static Thread) {
    let cpu = cpu::all()
        .filter(|cpu| thread.share().may_run_on(cpu.number()))
        .min_by_key(|cpu| cpu.queue.ready())
        .expect("invariant: a thread may run on some CPU");
    cpu.queue.push(ThreadRef(thread));
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

/// Takes the thread that runs next on this CPU; without one, the idle thread if `idle`.
#[inline(always)]
fn take_next(cpu: &Cpu, idle: bool) -> Option<&'static Thread> {
    let Some(first) = cpu.queue.take_front() else {
        return take_next_of_many(cpu, idle);
    };
    first.0.enter_state(State::Running);
    Some(first.0)
}

#[inline(never)]
fn take_next_of_many(cpu: &Cpu, idle: bool) -> Option<&'static Thread> {
    match cpu.queue.next_to_run() {
        Some(next) => {
            next.0.enter_state(State::Running);
            Some(next.0)
        }
        None => idle.then_some(cpu.idle()),
    }
}

/// What threads are for their policies, or where they may run, has changed. If the calling thread may
/// not run here any more, it goes on elsewhere; others move at their CPU's next tick.
pub(crate) fn reconsider() {
    cpu::all().for_each(|cpu| cpu.queue.yield_front());
    if !cpu::current().share().may_run_on(cpu::this().number()) {
        preempt();
    }
}

/// Lets another ready thread run, if there is one on this CPU.
pub(crate) fn yield_now() {
    let cpu = cpu::this();
    if let Some(next) = take_next(cpu, false) {
        let thread = cpu::current();
        thread.accounts().count_voluntary();
        switch_to(cpu, thread, next, Leave::Ready);
    }
}

/// Takes the CPU from the running thread, if others are ready or it may not run here any more.
pub(crate) fn preempt() {
    let cpu = cpu::this();
    let thread = cpu::current();
    let must_go = !thread.share().may_run_on(cpu.number());
    if let Some(next) = take_next(cpu, must_go) {
        thread.accounts().count_involuntary();
        switch_to(cpu, thread, next, Leave::Ready);
    }
}

/// Counts a tick: wakes whose time has come; true if the running thread has to make room: its quantum
/// is over and others are ready, or it may not run here any more.
pub(crate) fn tick() -> bool {
    clock::share_tick();
    let cpu = cpu::this();
    let now = clock::now_ns();
    cpu.queue.wake_due(now);
    let (ticks, quantum) = cpu.queue.count_ticks(now);
    if quantum {
        admission::admit_waiting();
        balance(cpu);
    }
    let running = cpu::current();
    !running.is_idle()
        && (cpu.queue.timer_ticks(&ThreadRef(running), ticks)
            || !running.share().may_run_on(cpu.number()))
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
    let next = take_next(cpu, true).expect("invariant: there is the idle thread");
    switch_to(cpu, thread, next, leave);
}

/// Switches from the calling thread, `old`, to `next`, which is `Running` already; comes back when `old` is resumed, maybe on
/// another CPU.
#[inline(always)]
fn switch_to(cpu: &Cpu, old: &'static Thread, next: &'static Thread, leave: Leave) {
    #[cfg(debug_assertions)]
    assert!(
        kcore::locks_held() == 0,
        "invariant: no lock is held at a switch"
    );
    let now = clock::counter();
    old.accounts().stop(now);
    next.accounts().start(now);
    if next.space_at() != cpu.space_at.get() {
        // An idle thread keeps what is loaded.
        if let Some(space) = next.try_space() {
            address_space::load(space);
        }
    }
    old.set_user_bases(swap_user_bases(next.user_bases()));
    cpu.set_current(next);
    // SAFETY: `next` was in the run queue (or is the idle thread, which runs here only): its stack
    // pointer is stored, and nobody else resumes it. Its `context` is ours from now on to read.
    let context = unsafe { next.context().read() };
    let left = Left { old, leave };
    // SAFETY: as above; the old thread's `context` is its own, and this is the old thread.
    let left = unsafe { switch::switch_stack(old.context(), context, left) };
    settle(left);
}

/// The thread that a CPU has just left, and what becomes of it: handed over in registers from one side
/// of the switch to the other.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Left {
    pub(crate) old: &'static Thread,
    pub(crate) leave: Leave,
}

impl Left {
    /// What was handed over.
    ///
    /// # Safety
    /// The registers must hold the two fields of a `Left`.
    #[inline(always)]
    pub(crate) unsafe fn from_registers(old: *const Thread, leave: u64) -> Self {
        // SAFETY: the caller's promise; threads live for ever.
        let old = unsafe { &*old };
        // SAFETY: the caller's promise: the number of one of them.
        let leave = unsafe { core::mem::transmute::<u64, Leave>(leave) };
        Self { old, leave }
    }
}

/// Finishes the switch on the new stack.
#[inline(always)]
fn settle(Left { old, leave }: Left) {
    let cpu = cpu::this();
    // In the order of how often; every switch passes here.
    if leave == Leave::Parked {
        return settle_parked(cpu, old, State::Waiting);
    }
    core::hint::cold_path();
    match leave {
        Leave::Ready => enqueue(cpu, old),
        Leave::Parked | Leave::Idle => {}
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
        table::recycle(old);
    } else {
        settle_parked(cpu, old, State::Stopped);
    }
}

/// The first thing that a new thread runs: the switch to it ends here.
pub(crate) extern "C" fn first_return(frame: &mut TrapFrame, left: Left) {
    settle(left);
    let thread = cpu::current();
    if thread.has_work() {
        signal::work(thread, frame);
    }
    thread.accounts().enter_user(clock::counter());
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
