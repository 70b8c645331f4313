//! What a program may say about scheduling, and what it may ask.

use alloc::string::String;
use alloc::vec::Vec;

use super::syscall::{self, Errno, Tid};

/// The numbers of the system calls.
mod number {
    pub(super) const SET_POLICY: usize = 0x180;
    pub(super) const SET_NICE: usize = 0x181;
    pub(super) const SET_AFFINITY: usize = 0x182;
    pub(super) const THREAD_LIST: usize = 0x183;
    pub(super) const SET_THREAD_NICE: usize = 0x184;
}

/// Which ready thread runs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum Policy {
    /// First come, first served.
    FirstCome,
    /// In turn, a quantum each.
    RoundRobin,
    /// By priority, with aging.
    Priority,
    /// Multi-level feedback.
    Feedback,
    /// By virtual runtime.
    Fair,
}

impl Policy {
    /// All of them, by number.
    pub const ALL: [Self; 5] = [
        Self::FirstCome,
        Self::RoundRobin,
        Self::Priority,
        Self::Feedback,
        Self::Fair,
    ];

    /// Their names, by number.
    pub const NAMES: [&'static str; 5] = ["fcfs", "rr", "priority", "mlfq", "fair"];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The policy of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let number = Self::NAMES.iter().position(|own| *own == name)?;
        Some(Self::ALL[number])
    }
}

/// A process: the caller's own, or one by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The caller's own.
    Own,
    /// The one with this number.
    Pid(u32),
}

impl Whose {
    fn number(self) -> usize {
        match self {
            Self::Own => 0,
            Self::Pid(pid) => pid as usize,
        }
    }
}

fn call(number: usize, first: usize, second: usize) -> Result<usize, Errno> {
    // SAFETY: the calls below read and write no memory but the list that `threads` hands in.
    syscall::check(unsafe { syscall::raw(number, [first, second, 0, 0, 0, 0]) })
}

/// Changes the policy of all threads of a process, from their next turns on; threads that they create
/// inherit it.
///
/// # Errors
/// `ESRCH` where there is no such process.
pub fn set_policy(whose: Whose, policy: Policy) -> Result<(), Errno> {
    call(number::SET_POLICY, whose.number(), policy as usize).map(drop)
}

/// Changes the nice value of all threads of a process: -20 is served best, 19 last.
///
/// # Errors
/// `ESRCH` where there is no such process, `EINVAL` for a value beyond these.
pub fn set_nice(whose: Whose, nice: i32) -> Result<(), Errno> {
    call(number::SET_NICE, whose.number(), nice as usize).map(drop)
}

/// As [`set_nice`], for one thread of the own process.
///
/// # Errors
/// `ESRCH` for a thread that does not exist, `EINVAL` for a value beyond -20 and 19.
pub fn set_thread_nice(tid: Tid, nice: i32) -> Result<(), Errno> {
    call(number::SET_THREAD_NICE, tid.0 as usize, nice as usize).map(drop)
}

/// Says on which processors a thread of the own process may run, a bit each; the caller where `tid` is
/// `None`. The caller is on one of them when this returns; another thread that runs elsewhere moves within
/// a tick.
///
/// # Errors
/// `ESRCH` for a thread that does not exist, `EINVAL` where no bit is a processor.
pub fn set_affinity(tid: Option<Tid>, cpus: u64) -> Result<(), Errno> {
    let tid = tid.map_or(0, |tid| tid.0 as usize);
    call(number::SET_AFFINITY, tid, cpus as usize).map(drop)
}

/// The names of the states that a thread can be in, by number.
pub const STATES: [&str; 6] = [
    "new",
    "ready",
    "running",
    "waiting",
    "stopped",
    "terminated",
];

/// What the kernel says about a thread.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ThreadInfo {
    /// The thread's number.
    pub tid: u32,
    /// Its process's number.
    pub pid: u32,
    state: u32,
    policy: u32,
    /// From -20, served best, to 19.
    pub nice: i32,
    /// Page faults that the kernel served.
    pub faults: u32,
    /// A bit for each processor that it may run on.
    pub cpus: u64,
    /// How often it gave its processor up.
    pub voluntary: u64,
    /// How often its processor was taken from it.
    pub involuntary: u64,
    /// Nanoseconds in the program.
    pub user_ns: u64,
    /// Nanoseconds in the kernel.
    pub system_ns: u64,
    name: [u8; 32],
}

impl ThreadInfo {
    const EMPTY: Self = Self {
        tid: 0,
        pid: 0,
        state: 0,
        policy: 0,
        nice: 0,
        faults: 0,
        cpus: 0,
        voluntary: 0,
        involuntary: 0,
        user_ns: 0,
        system_ns: 0,
        name: [0; 32],
    };

    /// Where the thread is in its life, one of [`STATES`].
    #[must_use]
    pub fn state(&self) -> &'static str {
        STATES.get(self.state as usize).copied().unwrap_or("?")
    }

    /// The policy that it runs by.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        Policy::ALL.get(self.policy as usize).copied()
    }

    /// The first bytes of its name.
    #[must_use]
    pub fn name(&self) -> String {
        let len = self.name.iter().position(|byte| *byte == 0);
        String::from_utf8_lossy(&self.name[..len.unwrap_or(self.name.len())]).into_owned()
    }
}

/// All threads that live, of all processes.
#[must_use]
pub fn threads() -> Vec<ThreadInfo> {
    let mut list = Vec::new();
    let mut room = 64;
    loop {
        list.resize(room, ThreadInfo::EMPTY);
        let found = call(number::THREAD_LIST, list.as_mut_ptr() as usize, room)
            .expect("invariant: the list is ours to write");
        if found <= room {
            list.truncate(found);
            return list;
        }
        room = found + 16;
    }
}
