//! A thread: a kernel stack, a parking word, accounts.
//!
//! # Who owns what
//! Thread structures live for ever and are used again. A structure belongs to the pool, or to
//! the creator that took it, or, from the moment it is made ready until it is left for the last
//! time, to the thread itself. The fields that only the owner touches are `process`, `context`,
//! `user_bases`, `stamp`; the accounts are written by the owner and read by all. `work`, `park`
//! and `queued` are shared: anyone may wake any thread at any time, also one that has ended or that
//! has become another since; each wait loop survives a wake-up it did not expect.

use alloc::{boxed::Box, string::String, sync::Arc};
use core::{
    cell::{Cell, UnsafeCell},
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use kcore::{ParkCell, SpinLock, Tid, Waiter};

use crate::{
    arch::{clock, switch::SwitchFrame},
    mm::{frames::OutOfFrames, stacks},
    proc::{exit, process::Process},
    sched,
    trap::{
        entry,
        frame::{FRAME_TO_STACK_END, TrapFrame},
    },
};

/// Bit of `work`: the process ends, leave on the way out of the kernel.
const LEAVE: u32 = 1 << 0;

/// The greatest length of a thread's name.
pub(crate) const NAME_LEN: usize = 255;

/// One thread.
pub(crate) struct Thread {
    /// The saved kernel stack pointer while the thread does not run.
    context: UnsafeCell<u64>,
    stack_end: u64,
    process: UnsafeCell<Option<Arc<Process>>>,
    /// The `fs` and `gs` bases of the program while the thread does not run.
    user_bases: Cell<[u64; 2]>,
    /// The clock's counter when the account in charge was last brought up to date.
    stamp: Cell<u64>,
    work: AtomicU32,
    park: ParkCell,
    queued: AtomicBool,
    /// 0 while the structure is in the pool.
    tid: AtomicU32,
    pid: AtomicU32,
    name: SpinLock<heapless::Vec<u8, NAME_LEN>>,
    accounts: Accounts,
}

/// What a thread has used, written by the thread and read by all; or the sum over the ended threads
/// of a process, to which each adds when it ends.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    voluntary: AtomicU64,
    involuntary: AtomicU64,
    /// In steps of the clock's counter.
    user: AtomicU64,
    system: AtomicU64,
    syscalls: AtomicU64,
}

impl Accounts {
    fn all(&self) -> [&AtomicU64; 5] {
        [
            &self.voluntary,
            &self.involuntary,
            &self.user,
            &self.system,
            &self.syscalls,
        ]
    }

    pub(super) fn stats(&self) -> ThreadStats {
        // ORDERING: Relaxed: each is a recent value by itself.
        let [voluntary, involuntary, user, system, syscalls] =
            self.all().map(|account| account.load(Ordering::Relaxed));
        ThreadStats {
            voluntary,
            involuntary,
            user_ns: clock::to_ns(user),
            system_ns: clock::to_ns(system),
            syscalls,
        }
    }
}

/// What `thread_stats` hands to a program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadStats {
    pub(crate) voluntary: u64,
    pub(crate) involuntary: u64,
    pub(crate) user_ns: u64,
    pub(crate) system_ns: u64,
    pub(crate) syscalls: u64,
}

// SAFETY: the cells are touched by the structure's one owner only, see the module's head; owners
// follow one another through the locks of the pool and of the run queues.
unsafe impl Sync for Thread {}
// SAFETY: nothing in it belongs to a CPU.
unsafe impl Send for Thread {}

/// Adds to an account that only the caller writes.
#[inline(always)]
fn add(account: &AtomicU64, amount: u64) {
    // ORDERING: Relaxed: one writer; readers want a recent value, no more.
    account.store(
        account.load(Ordering::Relaxed).wrapping_add(amount),
        Ordering::Relaxed,
    );
}

impl Thread {
    /// A structure with a stack, for the pool.
    pub(super) fn new(stack_number: usize) -> Result<&'static Self, OutOfFrames> {
        let stack_end = stacks::make(stack_number)?;
        Ok(Box::leak(Box::new(Self {
            context: UnsafeCell::new(0),
            stack_end,
            process: UnsafeCell::new(None),
            user_bases: Cell::new([0; 2]),
            stamp: Cell::new(0),
            work: AtomicU32::new(0),
            park: ParkCell::new(),
            queued: AtomicBool::new(false),
            tid: AtomicU32::new(0),
            pid: AtomicU32::new(0),
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

    /// Makes the structure, fresh from the pool, a thread of `process` that starts with `frame`.
    pub(super) fn prepare(&self, tid: Tid, process: Arc<Process>, name: &[u8], frame: &TrapFrame) {
        let frame_at = self.stack_end - FRAME_TO_STACK_END;
        let context = frame_at - size_of::<SwitchFrame>() as u64;
        let start = SwitchFrame {
            registers: [0; 6],
            return_address: entry::start_address(),
        };
        // SAFETY: the top of the thread's own stack, which is mapped and not in use.
        unsafe { (frame_at as *mut TrapFrame).write(*frame) };
        // SAFETY: as above, directly below the frame.
        unsafe { (context as *mut SwitchFrame).write(start) };
        // SAFETY: the caller owns the structure.
        unsafe { *self.context.get() = context };
        {
            let mut own = self.name.lock();
            own.clear();
            own.extend_from_slice(name)
                .expect("invariant: names are checked for their length");
        }
        // ORDERING: Relaxed: published by the run queue's lock; `pid` and the process's flag have their
        // own order.
        self.tid.store(tid.raw(), Ordering::Relaxed);
        self.work.store(0, Ordering::Relaxed);
        self.user_bases.set([0; 2]);
        for account in self.accounts.all() {
            account.store(0, Ordering::Relaxed);
        }
        let pid = process.pid();
        // SAFETY: the caller owns the structure.
        unsafe { *self.process.get() = Some(process) };
        // ORDERING: SeqCst: see `Process::begin_end`.
        self.pid.store(pid, Ordering::SeqCst);
    }

    /// Empties the structure, which has been left for ever; returns the share of its process.
    pub(super) fn clear(&self) -> Option<Arc<Process>> {
        // ORDERING: Relaxed: as in `prepare`.
        self.tid.store(0, Ordering::Relaxed);
        self.pid.store(0, Ordering::SeqCst);
        // SAFETY: the thread has been left for the last time; the caller owns the structure.
        unsafe { (*self.process.get()).take() }
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
        // ORDERING: SeqCst: see `Process::begin_end`.
        self.pid.load(Ordering::SeqCst)
    }

    /// The name, as text.
    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(&self.name.lock()).into_owned()
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

    /// Tells the thread to leave the kernel for ever on its next way out, and wakes it.
    pub(crate) fn ask_to_leave(&'static self) {
        // ORDERING: AcqRel: before the wake-up, which the thread takes first.
        self.work.fetch_or(LEAVE, Ordering::AcqRel);
        ThreadRef(self).wake();
    }

    /// Whether the thread has been told to leave.
    #[inline]
    pub(crate) fn must_leave(&self) -> bool {
        // ORDERING: Acquire pairs with `ask_to_leave`.
        self.work.load(Ordering::Acquire) & LEAVE != 0
    }

    /// Ends the calling thread if its process ends.
    #[inline]
    pub(crate) fn leave_if_asked(&self) {
        if self.must_leave() {
            exit::exit_thread(-1);
        }
    }

    /// The time since the last account is the program's.
    #[inline(always)]
    pub(crate) fn account_user(&self) {
        let now = clock::counter();
        add(&self.accounts.user, now.wrapping_sub(self.stamp.get()));
        self.stamp.set(now);
    }

    /// The time since the last account is the kernel's.
    #[inline(always)]
    pub(crate) fn account_system(&self) {
        let now = clock::counter();
        add(&self.accounts.system, now.wrapping_sub(self.stamp.get()));
        self.stamp.set(now);
    }

    /// The thread begins to run; what went by was nobody's.
    #[inline]
    pub(crate) fn start_account(&self, now: u64) {
        self.stamp.set(now);
    }

    /// The thread stops to run; what went by was the kernel's.
    #[inline]
    pub(crate) fn stop_account(&self, now: u64) {
        add(&self.accounts.system, now.wrapping_sub(self.stamp.get()));
    }

    #[inline(always)]
    pub(crate) fn count_syscall(&self) {
        add(&self.accounts.syscalls, 1);
    }

    #[inline]
    pub(crate) fn count_voluntary(&self) {
        add(&self.accounts.voluntary, 1);
    }

    #[inline]
    pub(crate) fn count_involuntary(&self) {
        add(&self.accounts.involuntary, 1);
    }

    /// What the thread has used so far.
    pub(crate) fn stats(&self) -> ThreadStats {
        self.accounts.stats()
    }

    /// Moves the accounts to the sum of the process, as one of the thread's last acts.
    pub(super) fn hand_over(&self, sum: &Accounts) {
        for (own, sum) in self.accounts.all().into_iter().zip(sum.all()) {
            // ORDERING: Relaxed: figures only. Emptied before they are added, so that a reader may
            // miss what is on its way but never counts it twice.
            let amount = own.load(Ordering::Relaxed);
            own.store(0, Ordering::Relaxed);
            sum.fetch_add(amount, Ordering::Relaxed);
        }
    }
}

impl core::ops::AddAssign for ThreadStats {
    fn add_assign(&mut self, other: Self) {
        self.voluntary += other.voluntary;
        self.involuntary += other.involuntary;
        self.user_ns += other.user_ns;
        self.system_ns += other.system_ns;
        self.syscalls += other.syscalls;
    }
}

/// A thread as the waiting protocols see it.
#[derive(Clone, Copy)]
pub(crate) struct ThreadRef(pub(crate) &'static Thread);

impl Waiter for ThreadRef {
    #[inline]
    fn wake(&self) {
        if self.0.park.notify() {
            sched::make_ready(self.0);
        }
    }

    #[inline]
    fn set_queued(&self, queued: bool) {
        // ORDERING: Release pairs with `is_queued`: the waker's writes are seen by the woken thread.
        self.0.queued.store(queued, Ordering::Release);
    }

    #[inline]
    fn is_queued(&self) -> bool {
        // ORDERING: Acquire pairs with `set_queued`.
        self.0.queued.load(Ordering::Acquire)
    }

    #[inline]
    fn is_same(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }
}
