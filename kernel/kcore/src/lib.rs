//! The parts of the kernel that run, and are model-checked, on the host.
//!
//! No assembly, no addresses of devices and no `unsafe` in here: data structures and protocols over
//! plain values. Two kinds of items:
//!
//! - *owned* structures ([`sched::RunQueue`], [`TidAllocator`], [`TimerQueue`], [`RegionMap`],
//!   [`page_table::PageTable`], [`FrameBitmap`], [`Tree`], [`Contents`], [`PipeBuffer`], [`Backlog`], [`Mailbox`], [`Semaphore`], [`Numbered`]): methods take
//!   `&mut self`, the kernel puts them under one of its locks;
//! - *shared* protocols ([`JoinCell`], [`FutexTable`], [`WaitQueue`], [`Monitor`], [`Objects`], [`ParkCell`],
//!   [`IdleSet`], [`FrontWord`], [`sched::CpuQueue`], [`Accounts`], [`AddressSpace`], [`LoadedOn`], [`FlushRequests`],
//!   [`Membership`], [`SignalCell`], [`Position`]): they carry their
//!   own lock or atomic from `sync`, and they are generic over the [`Waiter`], so that the kernel's
//!   threads and the model checker's threads run the very same lines.
//!
//! Parsers of untrusted bytes ([`boot_info`], [`initrd`], [`program`], [`command_line`], [`madt`]) never
//! panic.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, loom))]
extern crate std;

pub mod boot_info;
pub mod command_line;
pub mod console;
pub mod exec;
pub mod frame;
pub mod initrd;
pub mod madt;
pub mod page_table;
pub mod program;
pub mod sched;

mod accounts;
mod address_space;
mod backlog;
mod contents;
mod errno;
mod family;
mod fault;
mod flush;
mod frames;
mod front;
mod futex;
#[cfg(not(loom))]
mod held;
mod idle;
mod join;
mod limits;
mod list;
mod loaded;
mod mailbox;
mod membership;
mod monitor;
mod numbered;
mod objects;
mod page_frame;
mod park;
mod pipe;
mod position;
mod ram;
mod region_map;
mod regions;
mod semaphore;
mod shares;
mod signal_frame;
mod signals;
mod state;
mod sync;
mod tid;
mod timers;
mod tree;
mod user_range;
mod wait_queue;

pub use accounts::{Accounts, Usage};
pub use address_space::{Access, AddressSpace, FaultError};
pub use backlog::{Backlog, Closed};
pub use contents::{Contents, NoRoom};
pub use errno::Errno;
pub use family::{Ending, Family, INIT, Keep, News, NoChild, Wake, Which};
pub use fault::Fault;
pub use flush::FlushRequests;
pub use frames::FrameBitmap;
pub use front::FrontWord;
pub use futex::{FutexKey, FutexTable, WaitEnd};
#[cfg(all(debug_assertions, not(loom)))]
pub use held::{count_locks, locks_held};
pub use idle::IdleSet;
pub use join::{JoinCell, JoinError};
pub use limits::{LimitError, Limits, Resource, UNLIMITED};
pub use list::{Linked, List, RunLink, WaitLink};
pub use loaded::LoadedOn;
pub use mailbox::{Mailbox, MailboxSize, Message, MessageError};
pub use membership::{Asked, Membership};
pub use monitor::{Monitor, Side, Stopped, Wakes};
pub use numbered::{BeyondLimit, NoMemory, Numbered};
pub use objects::{Objects, Refused, Right, Rights, TableFull};
pub use page_frame::{OutOfFrames, PageFrame, TABLE_LEN, Table};
pub use park::{ParkCell, Pause, Waiter};
pub use pipe::{BrokenPipe, End, Meeting, PipeBuffer};
pub use position::Position;
pub use ram::{PhysRange, heap_place};
pub use region_map::{RegionError, RegionMap};
pub use regions::{Backing, FileBytes, Protection, Region};
pub use semaphore::{Overflow, Semaphore};
pub use shares::FrameShares;
pub use signal_frame::SignalFrame;
pub use signals::{
    Action, Disposition, Dispositions, Fate, Handler, Signal, SignalCell, SignalSet,
};
pub use state::{State, StateCell, Steps};
#[cfg(loom)]
pub use sync::with_seed;
pub use sync::{SpinGuard, SpinLock};
pub use tid::{Tid, TidAllocator};
pub use timers::TimerQueue;
pub use tree::{DirectoryId, Found, Listed, NAME_MAX, PathError, Tree};
pub use user_range::{PAGE_SIZE, USER_END, UserRange};
pub use wait_queue::WaitQueue;
