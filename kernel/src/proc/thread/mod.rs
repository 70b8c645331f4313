//! A thread: a kernel stack, a parking word, accounts.
//!
//! # Who owns what
//! Thread structures live for ever and are used again. A structure belongs to the pool, or to
//! the creator that took it, or, from the moment it is made ready until it is left for the last
//! time, to the thread itself. The fields that only the owner touches are `process`, `space`, `space_at`,
//! `space_number`, `context`,
//! `user_bases`; the accounts are written by the owner and read by all. `work`, `park`
//! and `queued` are shared: anyone may wake any thread at any time, also one that has ended or that
//! has become another since; each wait loop survives a wake-up it did not expect.

mod reference;

use alloc::{boxed::Box, string::String, sync::Arc};
use core::{
    cell::{Cell, UnsafeCell},
    mem::offset_of,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering},
};

use kcore::{
    Accounts, OutOfFrames, ParkCell, SignalCell, SignalSet, SpinLock, State, StateCell, Tid,
    Waiter,
    frame::{Entry, FRAME_TO_STACK_END, TrapFrame, VectorArea},
    sched::{PolicyKind, Share},
};

use crate::{
    arch::{clock, cpu},
    mm::{address_space::AddressSpace, stacks},
    proc::{exit, process::Process},
    trace,
    trap::entry,
};

pub(crate) use reference::ThreadRef;

/// Bit of `work`: the process ends, leave on the way out of the kernel. Set once.
const LEAVE: u32 = 1 << 0;
/// Bit of `work`: there may be a signal to take. Cleared by the thread before it looks.
pub(super) const SIGNAL: u32 = 1 << 1;
/// Bit of `work`: the process may be stopped. Cleared by the thread before it looks.
pub(super) const STOP: u32 = 1 << 2;

/// The greatest length of a thread's name.
pub(crate) const NAME_LEN: usize = 255;

/// How a thread starts.
pub(crate) struct Start<'a> {
    pub(crate) registers: Registers<'a>,
    /// Its `fs` and `gs` bases.
    pub(crate) user_bases: [u64; 2],
    /// The signals that it blocks: its maker's.
    pub(crate) mask: SignalSet,
}

/// The registers that a thread starts with.
pub(crate) enum Registers<'a> {
    /// Those of a new program or function.
    Fresh(Entry),
    /// Those of another thread.
    Copied(&'a TrapFrame, &'a VectorArea),
}

impl Start<'_> {
    /// At `entry`, and everything else as in a new program.
    #[inline]
    pub(crate) fn fresh(entry: Entry, mask: SignalSet) -> Self {
        Self {
            registers: Registers::Fresh(entry),
            user_bases: [0; 2],
            mask,
        }
    }
}

/// One thread.
pub(crate) struct Thread {
    accounts: Accounts,
    work: AtomicU32,
    /// The saved kernel stack pointer while the thread does not run.
    context: UnsafeCell<u64>,
    stack_end: u64,
    /// Where entries from ring 3 begin to use the stack: below the FXSAVE area.
    entry_stack: u64,
    process: UnsafeCell<Option<Arc<Process>>>,
    /// Its own share of the process's memory.
    space: UnsafeCell<Option<Arc<AddressSpace>>>,
    /// The process's address space and its number, for a quick look; null for an idle thread.
    space_at: Cell<*const AddressSpace>,
    space_number: Cell<u32>,
    /// The `fs` and `gs` bases of the program while the thread does not run.
    user_bases: Cell<[u64; 2]>,
    park: ParkCell,
    state: StateCell,
    share: Share,
    queued: AtomicBool,
    /// Signals that the thread does not take now: its own to write, everybody's to read.
    pub(crate) mask: SignalCell,
    /// The mask that comes back after the next handler.
    saved_mask: Cell<Option<SignalSet>>,
    /// Signals for this thread alone.
    pub(super) pending: SignalCell,
    /// 0 while the structure is in the pool.
    tid: AtomicU32,
    pid: AtomicU32,
    /// The next thread in the run queue, under that queue's lock.
    next_ready: AtomicPtr<Thread>,
    /// The next thread that waits in the same bucket, and for which word, under the bucket's lock.
    next_waiting: AtomicPtr<Thread>,
    wait_space: AtomicU32,
    wait_address: AtomicU64,
    name: SpinLock<heapless::Vec<u8, NAME_LEN>>,
}

/// Where the system-call entry finds a thread's accounts and what it has to do.
pub(crate) const ACCOUNTS_OFFSET: usize = offset_of!(Thread, accounts);
pub(crate) const WORK_OFFSET: usize = offset_of!(Thread, work);

// SAFETY: the cells are touched by the structure's one owner only, see the module's head; owners
// follow one another through the locks of the pool and of the run queues.
unsafe impl Sync for Thread {}
// SAFETY: nothing in it belongs to a CPU.
unsafe impl Send for Thread {}

impl Thread {
    /// A structure with a stack, for the pool.
    pub(super) fn new(stack_number: usize) -> Result<&'static Self, OutOfFrames> {
        let stack_end = stacks::make(stack_number)?;
        Ok(Box::leak(Box::new(Self {
            context: UnsafeCell::new(0),
            stack_end,
            entry_stack: stack_end - VectorArea::LEN,
            process: UnsafeCell::new(None),
            space: UnsafeCell::new(None),
            space_at: Cell::new(core::ptr::null()),
            space_number: Cell::new(0),
            user_bases: Cell::new([0; 2]),
            work: AtomicU32::new(0),
            park: ParkCell::new(),
            state: StateCell::new(),
            share: Share::new(PolicyKind::RoundRobin),
            queued: AtomicBool::new(false),
            mask: SignalCell::default(),
            saved_mask: Cell::new(None),
            pending: SignalCell::default(),
            tid: AtomicU32::new(0),
            pid: AtomicU32::new(0),
            next_ready: AtomicPtr::default(),
            next_waiting: AtomicPtr::default(),
            wait_space: AtomicU32::new(0),
            wait_address: AtomicU64::new(0),
            name: SpinLock::new(heapless::Vec::new()),
            accounts: Accounts::default(),
        })))
    }

    /// The thread that a CPU runs when there is nothing to run. It has no process.
    ///
    /// # Panics
    /// If there is no memory for its stack.
    pub(crate) fn new_idle(cpu: u32) -> &'static Self {
        Self::new(Tid::MAX_SLOTS + cpu as usize).expect("there is memory for the idle stacks")
    }

    /// Makes the structure, fresh from the pool, a thread of `process`.
    pub(super) fn prepare(
        &self,
        tid: Tid,
        process: Arc<Process>,
        space: Arc<AddressSpace>,
        name: &[u8],
        start: &Start<'_>,
    ) {
        let frame_at = self.stack_end - FRAME_TO_STACK_END;
        let context = frame_at - size_of::<u64>() as u64;
        let frame = frame_at as *mut TrapFrame;
        match start.registers {
            // SAFETY: the top of the thread's own stack, which is mapped and not in use.
            Registers::Fresh(entry) => unsafe { frame.write(entry.into()) },
            Registers::Copied(registers, vectors) => {
                // SAFETY: as above.
                unsafe { frame.write(*registers) };
                // SAFETY: as above: the area at the end of the stack.
                unsafe { (self.entry_stack as *mut VectorArea).write(*vectors) };
            }
        }
        let with_vectors = matches!(start.registers, Registers::Copied(..));
        let start_address = entry::start_address(with_vectors);
        // SAFETY: as above, directly below the frame.
        unsafe { (context as *mut u64).write(start_address) };
        // SAFETY: the caller owns the structure.
        unsafe { *self.context.get() = context };
        self.set_name(name);
        // ORDERING: Relaxed: published by the run queue's lock; `pid` and the process's flag have their
        // own order.
        self.tid.store(tid.raw(), Ordering::Relaxed);
        self.work.store(0, Ordering::Relaxed);
        self.mask.begin(start.mask);
        self.pending.begin(SignalSet::EMPTY);
        self.saved_mask.set(None);
        self.user_bases.set(start.user_bases);
        self.accounts.clear();
        self.replace_space(Some(space));
        let pid = process.pid();
        // SAFETY: the caller owns the structure.
        unsafe { *self.process.get() = Some(process) };
        self.share.inherit(cpu::current().share());
        self.enter_state(State::New);
        // ORDERING: SeqCst: see `Membership`.
        self.pid.store(pid, Ordering::SeqCst);
    }

    /// Empties the structure, which has been left for ever; returns the shares of its process and
    /// memory.
    pub(super) fn clear(&self) -> (Option<Arc<Process>>, Option<Arc<AddressSpace>>) {
        // ORDERING: Relaxed: as in `prepare`.
        self.tid.store(0, Ordering::Relaxed);
        self.pid.store(0, Ordering::SeqCst);
        let space = self.replace_space(None);
        // SAFETY: the thread has been left for the last time; the caller owns the structure.
        (unsafe { (*self.process.get()).take() }, space)
    }

    /// Replaces the thread's share of its memory, which may not be loaded on the CPU for the thread
    /// itself; only for its owner.
    pub(super) fn replace_space(
        &self,
        new: Option<Arc<AddressSpace>>,
    ) -> Option<Arc<AddressSpace>> {
        self.space_at
            .set(new.as_ref().map_or(core::ptr::null(), Arc::as_ptr));
        self.space_number
            .set(new.as_ref().map_or(0, |space| space.number()));
        // SAFETY: the caller owns the structure.
        unsafe { core::mem::replace(&mut *self.space.get(), new) }
    }

    /// Where entries from ring 3 begin to use the kernel stack.
    #[inline(always)]
    pub(crate) fn entry_stack(&self) -> u64 {
        self.entry_stack
    }

    /// The address space, if it is not an idle thread; only to be compared.
    #[inline(always)]
    pub(crate) fn space_at(&self) -> *const AddressSpace {
        self.space_at.get()
    }

    /// The number of the address space; only for the thread itself.
    #[inline(always)]
    pub(crate) fn space_number(&self) -> u32 {
        self.space_number.get()
    }

    /// The end of the kernel stack.
    #[inline]
    pub(crate) fn stack_end(&self) -> u64 {
        self.stack_end
    }

    /// The process; only for the thread itself and its creator.
    ///
    /// # Panics
    /// For an idle thread.
    #[inline]
    pub(crate) fn process(&self) -> &Arc<Process> {
        self.try_process()
            .expect("invariant: a thread that is not idle has a process")
    }

    /// The process, if it is not an idle thread.
    #[inline]
    pub(crate) fn try_process(&self) -> Option<&Arc<Process>> {
        // SAFETY: set before the thread is made ready, cleared after it was left for ever; callers run
        // in between.
        unsafe { (*self.process.get()).as_ref() }
    }

    /// The memory; only for the thread itself.
    ///
    /// # Panics
    /// For an idle thread.
    #[inline]
    pub(crate) fn space(&self) -> &Arc<AddressSpace> {
        self.try_space()
            .expect("invariant: a thread that is not idle has memory")
    }

    /// The memory, if it is not an idle thread; only for the thread itself and who switches to it.
    #[inline]
    pub(crate) fn try_space(&self) -> Option<&Arc<AddressSpace>> {
        // SAFETY: as for `try_process`.
        unsafe { (*self.space.get()).as_ref() }
    }

    /// Whether it is some CPU's idle thread.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.try_process().is_none()
    }

    pub(crate) fn tid(&self) -> u32 {
        self.tid.load(Ordering::Relaxed)
    }

    /// The process's number; 0 while the structure is in the pool.
    pub(crate) fn pid(&self) -> u32 {
        // ORDERING: SeqCst: see `Membership`.
        self.pid.load(Ordering::SeqCst)
    }

    /// Renames it.
    pub(super) fn set_name(&self, name: &[u8]) {
        let mut own = self.name.lock();
        own.clear();
        own.extend_from_slice(name)
            .expect("invariant: names are checked for their length");
    }

    /// The name.
    pub(super) fn name_bytes(&self) -> heapless::Vec<u8, NAME_LEN> {
        self.name.lock().clone()
    }

    /// The name, as text.
    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(&self.name.lock()).into_owned()
    }

    /// The vector registers that the entry from ring 3 has stored; only for the thread itself.
    pub(super) fn vectors(&self) -> &VectorArea {
        // SAFETY: the end of the thread's own stack, written by the entry code before any Rust ran.
        unsafe { &*(self.entry_stack as *const VectorArea) }
    }

    /// Sets the vector registers that the way back to ring 3 loads; only for the thread itself.
    pub(super) fn set_vectors(&self, vectors: &VectorArea) {
        // SAFETY: as for `vectors`; nobody has a reference to it now.
        unsafe { (self.entry_stack as *mut VectorArea).write(*vectors) };
    }

    /// Where the stack pointer is kept, for the switch.
    #[inline]
    pub(crate) fn context(&self) -> *mut u64 {
        self.context.get()
    }

    #[inline]
    pub(crate) fn user_bases(&self) -> [u64; 2] {
        self.user_bases.get()
    }

    #[inline]
    pub(crate) fn set_user_bases(&self, bases: [u64; 2]) {
        self.user_bases.set(bases);
    }

    #[inline]
    pub(crate) fn park(&self) -> &ParkCell {
        &self.park
    }

    /// Goes on to the next state of its life. Every step of every thread but the idle ones passes
    /// here; whoever records them, records them here.
    ///
    /// # Panics
    /// If the step is not one of those that [`State`] allows.
    #[inline(always)]
    pub(crate) fn enter_state(&self, to: State) {
        if !self.enter_quietly(to) {
            self.enter_recorded(to);
        }
    }

    /// As [`enter_state`](Self::enter_state), if nobody records it; else false.
    #[inline(always)]
    pub(crate) fn enter_quietly(&self, to: State) -> bool {
        self.state.enter_quietly(to, &trace::STEPS)
    }

    #[cold]
    #[inline(never)]
    fn enter_recorded(&self, to: State) {
        self.state.enter(to);
        trace::note(self, to);
    }

    /// Where the thread is in its life.
    pub(crate) fn state(&self) -> State {
        self.state.get()
    }

    /// Tells the thread to leave the kernel for ever on its next way out, and wakes it.
    pub(crate) fn ask_to_leave(&'static self) {
        self.ask(LEAVE);
    }

    /// Sets bits of the thread's work, and wakes it.
    pub(super) fn ask(&'static self, work: u32) {
        // ORDERING: SeqCst: after what it is told to look at, and before the wake-up, which the thread
        // takes first.
        self.work.fetch_or(work, Ordering::SeqCst);
        self.wake();
    }

    /// Asks a thread that was just made, and is found from now on, for what all threads of `process`
    /// were asked before.
    pub(super) fn catch_up(&self, process: &Process) {
        let asked = process.threads.asked();
        let pending = process.signals.pending.get();
        let mut work = 0;
        if asked.leave {
            work |= LEAVE;
        }
        if asked.stop {
            work |= STOP;
        }
        if pending.without(self.mask.get()) != SignalSet::EMPTY {
            work |= SIGNAL;
        }
        if work != 0 {
            // ORDERING: SeqCst: as in `ask`. It need not be woken: it begins later.
            self.work.fetch_or(work, Ordering::SeqCst);
        }
    }

    /// Lets the thread look whether its wait is over.
    pub(super) fn wake(&'static self) {
        ThreadRef(self).wake();
    }

    /// Whether the thread has something to do on its way out of the kernel.
    #[inline(always)]
    pub(crate) fn has_work(&self) -> bool {
        // ORDERING: Acquire pairs with `ask`.
        self.work.load(Ordering::Acquire) != 0
    }

    /// Clears a bit of the thread's work; whether it was set.
    pub(super) fn take_work(&self, bit: u32) -> bool {
        // ORDERING: SeqCst: before the look at what the bit is about.
        self.work.fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }

    /// Whether the thread has been told to leave.
    #[inline]
    pub(crate) fn must_leave(&self) -> bool {
        // ORDERING: Acquire pairs with `ask`.
        self.work.load(Ordering::Acquire) & LEAVE != 0
    }

    /// Ends the calling thread if its process ends.
    #[inline]
    pub(crate) fn leave_if_asked(&self) {
        if self.must_leave() {
            exit::exit_thread(-1);
        }
    }

    /// The mask that comes back after the next handler; only for the thread itself, as the next two.
    pub(super) fn saved_mask(&self) -> Option<SignalSet> {
        self.saved_mask.get()
    }

    pub(super) fn take_saved_mask(&self) -> Option<SignalSet> {
        self.saved_mask.take()
    }

    /// Sets a mask until the next handler has returned.
    pub(crate) fn save_mask(&self) {
        self.saved_mask.set(Some(self.mask.get()));
    }

    /// What the thread has used.
    #[inline(always)]
    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// What the scheduler keeps with the thread.
    #[inline]
    pub(crate) fn share(&self) -> &Share {
        &self.share
    }

    /// How long the thread has been on a CPU since it began.
    pub(crate) fn ran_ns(&self) -> u64 {
        clock::to_ns(self.accounts.ran(clock::counter()))
    }
}
