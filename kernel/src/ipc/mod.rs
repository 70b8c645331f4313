//! How processes reach each other, besides pipes: semaphores, mailboxes, local sockets.
//!
//! # Who owns what
//! A semaphore or mailbox belongs to the process that made it, which says what others may do with it;
//! it goes when its owner destroys it or ends. Whoever waits for it then is told. A socket belongs to
//! its descriptors, like any open file.
//!
//! # Shutdown
//! [`process_ended`] is called when the last thread of a process has left, after its files were
//! closed. A process counts what it owns, so that one that owns nothing ends without a search.

pub(crate) mod socket;

use core::sync::atomic::{AtomicU32, Ordering};

use kcore::{Mailbox, Objects, Refused, Rights, Semaphore};

use crate::{
    fs::pages::DataPage,
    proc::{process::Process, thread::ThreadRef},
    sched::wait,
    syscall::errno::Errno,
};

/// How many objects a process may own.
const MOST: u32 = 128;
/// How many objects of a kind there may be.
const TABLE: usize = 256;

pub(crate) static SEMAPHORES: Objects<Semaphore, ThreadRef, TABLE> = Objects::new();
pub(crate) static MAILBOXES: Objects<Mailbox<DataPage>, ThreadRef, TABLE> = Objects::new();

/// How many objects a process owns.
#[derive(Debug, Default)]
pub(crate) struct Owned(AtomicU32);

impl Owned {
    /// Counts one more.
    fn add(&self) -> Result<(), Errno> {
        // ORDERING: Relaxed: only the number counts; the last thread of the process has seen all
        // others leave before it reads it.
        let one_more = |owned| (owned < MOST).then_some(owned + 1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .map_err(|_| Errno::EAGAIN)?;
        Ok(())
    }

    fn subtract(&self) {
        // ORDERING: Relaxed: as in `add`.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes an object of `process`.
///
/// # Errors
/// `EAGAIN` if the process owns too many; `ENOSPC` if there are too many in all.
pub(crate) fn create<T, const N: usize>(
    table: &Objects<T, ThreadRef, N>,
    process: &Process,
    rights: u64,
    body: T,
) -> Result<u64, Errno> {
    let rights = Rights::from_bits(rights).ok_or(Errno::EINVAL)?;
    process.owned.add()?;
    match table.create(process.pid(), rights, body) {
        Ok(number) => Ok(u64::from(number)),
        Err(full) => {
            process.owned.subtract();
            drop(full);
            Err(Errno::ENOSPC)
        }
    }
}

/// Destroys an object of `process`, and wakes who waits for it.
///
/// # Errors
/// `ENOENT`; `EPERM` if it belongs to another process.
pub(crate) fn destroy<T, const N: usize>(
    table: &Objects<T, ThreadRef, N>,
    process: &Process,
    number: u64,
) -> Result<u64, Errno> {
    let body = table
        .destroy(number, process.pid())
        .map_err(|refused| match refused {
            Refused::NotAllowed => Errno::EPERM,
            other => error(other, wait::FOREVER),
        })?;
    process.owned.subtract();
    // Its memory is given back without any lock.
    drop(body);
    Ok(0)
}

/// The last thread of a process has left.
pub(crate) fn process_ended(process: &Process) {
    // ORDERING: Relaxed: see `Owned::add`.
    if process.owned.0.load(Ordering::Relaxed) > 0 {
        SEMAPHORES.destroy_all_of(process.pid());
        MAILBOXES.destroy_all_of(process.pid());
    }
}

/// What a program is told; it had asked to wait for `timeout_ns`.
pub(crate) fn error(refused: Refused, timeout_ns: u64) -> Errno {
    match refused {
        Refused::NoObject => Errno::ENOENT,
        Refused::NotAllowed => Errno::EACCES,
        Refused::Destroyed => Errno::EIDRM,
        Refused::TimedOut if timeout_ns == 0 => Errno::EAGAIN,
        Refused::TimedOut => Errno::ETIMEDOUT,
        Refused::Interrupted => Errno::EINTR,
    }
}
