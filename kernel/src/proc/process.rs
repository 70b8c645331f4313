//! A process: its identity, memory, open files, signals and limits, and the threads that share them.
//!
//! # States
//! Running or ending, as its [`Membership`] says: then every thread leaves at its next way out of the
//! kernel. Ended: the last thread has left; memory and files are given back, and what remains is a zombie in
//! the [`family`](super::family). Beside that a process may be stopped: its threads wait on their
//! way out of the kernel until it goes on or ends.
//!
//! # Who owns what
//! Threads own their process by a reference count, and so does the family while it lives. `space` is replaced by exec only, when the caller is the only thread, and taken by the last thread;
//! threads use the share that they have themselves. `children` is where threads wait for news of child
//! processes. Each other field has its own lock or is an atomic.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use kcore::{
    Accounts, Dispositions, Limits, Membership, Resource, Signal, SpinLock, UNLIMITED, Usage,
    WaitQueue,
};

use crate::{
    arch::clock,
    fs::descriptors::Descriptors,
    ipc::Owned,
    mm::address_space::AddressSpace,
    proc::{
        signal::{self, Signals},
        table,
        thread::ThreadRef,
    },
};

pub(crate) use kcore::INIT;

/// One process.
pub(crate) struct Process {
    pid: u32,
    uid: AtomicU32,
    gid: AtomicU32,
    space: SpinLock<Option<Arc<AddressSpace>>>,
    pub(crate) files: SpinLock<Descriptors>,
    /// What it owns of the objects that are shared with others.
    pub(crate) owned: Owned,
    pub(crate) threads: Membership,
    pub(super) children: WaitQueue<ThreadRef>,
    pub(crate) signals: Signals,
    pub(crate) limits: Limits,
    /// Nanoseconds in ring 3, by the tick.
    cpu_ns: AtomicU64,
    /// What the threads that have ended had used.
    pub(super) ended: Accounts,
}

impl Process {
    /// A process without threads, with the identity of `parent`.
    pub(crate) fn new(
        pid: u32,
        parent: Option<&Self>,
        space: Arc<AddressSpace>,
        files: Descriptors,
    ) -> Self {
        let said = parent.map_or_else(Dispositions::new, |parent| {
            parent.signals.dispositions.lock().clone()
        });
        let inherit = |id: fn(&Self) -> u32| AtomicU32::new(parent.map_or(0, id));
        Self {
            pid,
            uid: inherit(Self::uid),
            gid: inherit(Self::gid),
            space: SpinLock::new(Some(space)),
            files: SpinLock::new(files),
            owned: Owned::default(),
            threads: Membership::new(),
            children: WaitQueue::new(),
            signals: Signals::new(said),
            limits: parent.map_or_else(Limits::new, |parent| parent.limits.duplicate()),
            cpu_ns: AtomicU64::new(0),
            ended: Accounts::default(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The user; 0 may do everything.
    pub(crate) fn uid(&self) -> u32 {
        // ORDERING: Relaxed: a number by itself; so are the next.
        self.uid.load(Ordering::Relaxed)
    }

    /// The group.
    pub(crate) fn gid(&self) -> u32 {
        self.gid.load(Ordering::Relaxed)
    }

    pub(crate) fn set_uid(&self, uid: u32) {
        self.uid.store(uid, Ordering::Relaxed);
    }

    pub(crate) fn set_gid(&self, gid: u32) {
        self.gid.store(gid, Ordering::Relaxed);
    }

    /// Whether its threads may tell `other` to do something: as the same user, or as user 0.
    pub(crate) fn may_control(&self, other: &Self) -> bool {
        self.uid() == 0 || self.uid() == other.uid()
    }

    /// Replaces the memory, or takes it away.
    pub(super) fn replace_space(
        &self,
        new: Option<Arc<AddressSpace>>,
    ) -> Option<Arc<AddressSpace>> {
        core::mem::replace(&mut *self.space.lock(), new)
    }

    /// What all its threads have used, ended ones included. Meanwhile they go on: a thread that ends
    /// while this is asked may be missing, and is counted the next time.
    pub(crate) fn usage(&self) -> Usage {
        let now = clock::counter();
        let mut sum = self.ended.usage(now);
        table::for_each(self.pid, |thread| sum += thread.accounts().usage(now));
        sum
    }

    /// Counts a tick in ring 3 against the limit.
    pub(crate) fn count_tick(&self, ns: u64) {
        // ORDERING: Relaxed: a count.
        let used = self.cpu_ns.fetch_add(ns, Ordering::Relaxed) + ns;
        let soft = self.limits.soft(Resource::CpuTime);
        if soft != UNLIMITED && used >= soft {
            let over = used - soft;
            if used >= self.limits.hard(Resource::CpuTime) {
                signal::send(self, Signal::KILL);
            } else if over < ns {
                signal::send(self, Signal::XCPU);
            }
        }
    }
}
