//! How processes reach each other, besides pipes: shared memory, semaphores, mailboxes, local sockets.
//!
//! # Who owns what
//! A region, semaphore or mailbox belongs to the process that made it, which says what others may do
//! with it; it goes when its owner destroys it or ends. Whoever waits for it then is told; whoever has
//! mapped it keeps the mapping. A socket belongs to its descriptors, like any open file.
//!
//! Every process has an inbox for messages that name it by its number: a mailbox that it owns, made by
//! the first who sends to it or waits for it. `INBOXES` has a lock of its own; a process that has ended
//! gets none any more, since the lock is taken to look whether it lives and to take its inbox away.
//!
//! # Shutdown
//! [`process_ended`] is called when the last thread of a process has left, after its files were
//! closed. A process counts what it owns, so that one that owns nothing ends without a search.

pub(crate) mod socket;

use alloc::{collections::BTreeMap, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering};

use kcore::{
    Errno, Mailbox, MailboxSize, Objects, PAGE_SIZE, Refused, Rights, Semaphore, SpinLock,
};

use crate::{
    fs::pages::DataPage,
    proc::{family, process::Process, thread::ThreadRef},
};

/// How many objects a process may own.
const MOST: u32 = 128;
/// The owner takes, all others give; so does the owner, to itself.
const INBOX_RIGHTS: u64 = 0o32;
/// How many objects of a kind there may be.
const TABLE: usize = 256;

pub(crate) static SEMAPHORES: Objects<Semaphore, ThreadRef, TABLE> = Objects::new();
/// Regions of memory: their pages.
pub(crate) static REGIONS: Objects<Vec<DataPage>, ThreadRef, TABLE> = Objects::new();
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
            other => other.into(),
        })?;
    process.owned.subtract();
    // Its memory is given back without any lock.
    drop(body);
    Ok(0)
}

/// The numbers of the inboxes, by process.
static INBOXES: SpinLock<BTreeMap<u32, u64>> = SpinLock::new(BTreeMap::new());
/// How large an inbox is.
const INBOX: MailboxSize = MailboxSize {
    messages: 64,
    message_len: 64,
};

/// The number of the inbox of a process.
///
/// # Errors
/// `ESRCH` if there is no living process of this number; `ENOMEM`, `ENOSPC`, `EAGAIN`.
pub(crate) fn inbox(pid: u32) -> Result<u64, Errno> {
    if let Some(number) = INBOXES.lock().get(&pid) {
        return Ok(*number);
    }
    let process = family::find(pid).ok_or(Errno::ESRCH)?;
    let pages = INBOX.pages(PAGE_SIZE as usize).unwrap_or(0);
    let pages = DataPage::several(pages).ok_or(Errno::ENOMEM)?;
    let number = create(
        &MAILBOXES,
        &process,
        INBOX_RIGHTS,
        Mailbox::new(INBOX, pages),
    )?;
    let known = {
        let mut inboxes = INBOXES.lock();
        (process.threads.count() > 0).then(|| *inboxes.entry(pid).or_insert(number))
    };
    if known != Some(number) {
        // Another thread was faster, or the process has ended.
        let _ = destroy(&MAILBOXES, &process, number);
    }
    known.ok_or(Errno::ESRCH)
}

/// The last thread of a process has left.
pub(crate) fn process_ended(process: &Process) {
    INBOXES.lock().remove(&process.pid());
    // ORDERING: Relaxed: see `Owned::add`.
    if process.owned.0.load(Ordering::Relaxed) > 0 {
        SEMAPHORES.destroy_all_of(process.pid());
        MAILBOXES.destroy_all_of(process.pid());
        REGIONS.destroy_all_of(process.pid());
    }
}
