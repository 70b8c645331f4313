//! A process: an address space, open files, and the threads that share them.
//!
//! # States
//! Running: `ending` is clear. Ending: some thread has called exit_group or died by a fault; the
//! first one's status counts, every other thread leaves at its next way out of the kernel. Ended:
//! the last thread has left.
//!
//! # Who owns what
//! Threads own their process by a reference count. `ending` is set once; `status` is written by the
//! one who set it, or by the first thread when it exits alone.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use kcore::SpinLock;

use crate::{
    fs::descriptors::Descriptors,
    mm::address_space::AddressSpace,
    proc::{
        accounts::{Accounts, ThreadStats},
        table,
    },
};

/// The number of the first process.
pub(crate) const INIT: u32 = 1;

/// One process.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    space: Arc<AddressSpace>,
    pub(crate) files: SpinLock<Descriptors>,
    /// The tid of the thread that the process began with.
    first_tid: AtomicU32,
    threads: AtomicU32,
    ending: AtomicBool,
    status: AtomicI32,
    /// What the threads that have ended had used.
    pub(super) ended: Accounts,
}

impl Process {
    /// A process without threads.
    pub(crate) fn new(pid: u32, space: Arc<AddressSpace>) -> Self {
        Self {
            pid,
            space,
            files: SpinLock::new(Descriptors::with_console()),
            first_tid: AtomicU32::new(0),
            threads: AtomicU32::new(0),
            ending: AtomicBool::new(false),
            status: AtomicI32::new(0),
            ended: Accounts::default(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn space(&self) -> &Arc<AddressSpace> {
        &self.space
    }

    /// The exit status, once the process has ended.
    pub(crate) fn status(&self) -> i32 {
        // ORDERING: Acquire pairs with `begin_end` and `thread_ended`.
        self.status.load(Ordering::Acquire)
    }

    /// What all its threads have used, ended ones included. Meanwhile they go on: a thread that ends
    /// while this is asked may be missing, and is counted the next time.
    pub(crate) fn stats(&self) -> ThreadStats {
        let mut sum = self.ended.stats(0);
        table::for_each(self.pid, |thread| sum += thread.stats());
        sum
    }

    /// Counts a new thread, the first of which is remembered.
    pub(crate) fn thread_begins(&self, tid: u32) {
        // ORDERING: AcqRel: pairs with `thread_ended`.
        if self.threads.fetch_add(1, Ordering::AcqRel) == 0 {
            self.first_tid.store(tid, Ordering::Relaxed);
        }
    }

    /// Counts a thread out; true if it was the last.
    ///
    /// If no thread calls exit_group, the first thread's code is the process's status.
    pub(crate) fn thread_ended(&self, tid: u32, code: i32) -> bool {
        if self.first_tid.load(Ordering::Relaxed) == tid && !self.is_ending() {
            self.status.store(code, Ordering::Release);
        }
        // ORDERING: AcqRel: the last one sees what all others did.
        self.threads.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Begins to end the process; true for the first caller, whose status counts.
    pub(crate) fn begin_end(&self, status: i32) -> bool {
        // ORDERING: SeqCst: a thread that is being created publishes itself and then looks here; the
        // caller sets this and then looks for threads. One of them sees the other.
        let first = !self.ending.swap(true, Ordering::SeqCst);
        if first {
            self.status.store(status, Ordering::Release);
        }
        first
    }

    /// Whether all threads have to leave.
    pub(crate) fn is_ending(&self) -> bool {
        // ORDERING: SeqCst: see `begin_end`.
        self.ending.load(Ordering::SeqCst)
    }
}
