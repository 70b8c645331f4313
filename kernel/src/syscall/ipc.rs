//! System calls about shared memory, semaphores, mailboxes, messages and sockets.
//!
//! A time-out is in nanoseconds: 0 means not to wait (`EAGAIN`), all ones to wait as long as it takes.

use alloc::vec::Vec;

use kcore::{
    Access, Backing, Errno, Mailbox, MailboxSize, MessageError, Overflow, PAGE_SIZE,
    PageFrame as _, Protection, Region, Right, Semaphore, Side, UserRange,
};

use super::{Result, file::insert};
use crate::{
    arch::cpu,
    fs::pages::DataPage,
    ipc::{self, MAILBOXES, REGIONS, SEMAPHORES, socket},
    mm::{
        address_space,
        frames::Frame,
        uaccess::{self, NotThere, Text},
    },
    proc::thread::ThreadRef,
    sched::wait::{self, Deadline},
};

/// semaphore_create(value, rights) → number.
pub(super) fn semaphore_create(value: u64, rights: u64) -> Result {
    let value = u32::try_from(value).ok().and_then(Semaphore::new);
    let semaphore = value.ok_or(Errno::EINVAL)?;
    ipc::create(&SEMAPHORES, cpu::current().process(), rights, semaphore)
}

/// semaphore_wait(number, time-out) → 0.
pub(super) fn semaphore_wait(number: u64, timeout_ns: u64) -> Result {
    let thread = cpu::current();
    let mut deadline = Deadline::new(timeout_ns);
    let taken = SEMAPHORES.wait(
        number,
        thread.pid(),
        Right::Take,
        Side::Takers,
        &ThreadRef(thread),
        |semaphore, _| semaphore.take(),
        move || wait::pause(thread, deadline.get()),
    );
    taken.map_err(|refused| Errno::from(refused).after(timeout_ns))?;
    Ok(0)
}

/// semaphore_post(number, count) → 0.
pub(super) fn semaphore_post(number: u64, count: u64) -> Result {
    let count = u32::try_from(count).map_err(|_| Errno::EINVAL)?;
    let pid = cpu::current().pid();
    let post = |semaphore: &mut Semaphore, wakes: &mut _| semaphore.post(count, wakes);
    match SEMAPHORES.with(number, pid, Right::Give, post) {
        Ok(Ok(())) => Ok(0),
        Ok(Err(Overflow)) => Err(Errno::EINVAL),
        Err(refused) => Err(refused.into()),
    }
}

/// semaphore_destroy(number) → 0.
pub(super) fn semaphore_destroy(number: u64) -> Result {
    ipc::destroy(&SEMAPHORES, cpu::current().process(), number)
}

/// mailbox_create(messages, greatest length of one, rights) → number.
pub(super) fn mailbox_create(messages: u64, message_len: u64, rights: u64) -> Result {
    let small = |value| usize::try_from(value).map_err(|_| Errno::EINVAL);
    let size = MailboxSize {
        messages: small(messages)?,
        message_len: small(message_len)?,
    };
    let pages = size.pages(PAGE_SIZE as usize).ok_or(Errno::EINVAL)?;
    let pages = DataPage::several(pages).ok_or(Errno::ENOMEM)?;
    let mailbox = Mailbox::new(size, pages);
    ipc::create(&MAILBOXES, cpu::current().process(), rights, mailbox)
}

/// mailbox_send(number, bytes, n, time-out) → 0.
///
/// The message is copied from the program's memory under the mailbox's lock, as long as its pages are
/// there; if one is not, it is made without the lock, and the call begins again.
pub(super) fn mailbox_send(number: u64, bytes: u64, len: u64, timeout_ns: u64) -> Result {
    let bytes = UserRange::new(bytes, len).ok_or(Errno::EFAULT)?;
    let thread = cpu::current();
    let pid = thread.pid();
    let mut deadline = Deadline::new(timeout_ns);
    loop {
        let sent = MAILBOXES.wait(
            number,
            pid,
            Right::Give,
            Side::Givers,
            &ThreadRef(thread),
            move |mailbox, wakes| {
                mailbox.send(pid, bytes.len() as usize, wakes, |place| {
                    uaccess::copy_in_now(bytes, place)
                })
            },
            move || wait::pause(thread, deadline.get()),
        );
        match sent {
            Ok(Ok(())) => return Ok(0),
            Ok(Err(MessageError::Copy(NotThere))) => make_pages(bytes, false)?,
            Ok(Err(MessageError::Size)) => return Err(Errno::EMSGSIZE),
            Err(refused) => return Err(Errno::from(refused).after(timeout_ns)),
        }
    }
}

/// mailbox_receive(number, buffer, n, time-out) → the sender's pid times 2^32, plus the length.
///
/// The buffer must have room for the longest message of the mailbox, else `EMSGSIZE`. A message that
/// could not be written to the buffer is not lost. Copied as for `mailbox_send`.
pub(super) fn mailbox_receive(number: u64, buffer: u64, len: u64, timeout_ns: u64) -> Result {
    let buffer = UserRange::new(buffer, len).ok_or(Errno::EFAULT)?;
    let thread = cpu::current();
    let pid = thread.pid();
    let mut deadline = Deadline::new(timeout_ns);
    loop {
        let received = MAILBOXES.wait(
            number,
            pid,
            Right::Take,
            Side::Takers,
            &ThreadRef(thread),
            move |mailbox, wakes| {
                mailbox.receive(buffer.len() as usize, wakes, |message| {
                    uaccess::copy_out_now(buffer, message)
                })
            },
            move || wait::pause_until(thread, deadline.get()),
        );
        match received {
            Ok(Ok(message)) => {
                return Ok(u64::from(message.sender) << 32 | message.len as u64);
            }
            Ok(Err(MessageError::Copy(NotThere))) => make_pages(buffer, true)?,
            Ok(Err(MessageError::Size)) => return Err(Errno::EMSGSIZE),
            Err(refused) => return Err(Errno::from(refused).after(timeout_ns)),
        }
    }
}

/// Makes the pages of a message's buffer, as far as a message can reach.
#[cold]
fn make_pages(buffer: UserRange, write: bool) -> core::result::Result<(), Errno> {
    let end = buffer
        .end()
        .min(buffer.start() + MailboxSize::MAX_LEN as u64);
    let access = Access {
        write,
        execute: false,
    };
    for address in [buffer.start(), end - 1] {
        cpu::current().space().handle_fault(address, access)?;
    }
    Ok(())
}

/// mailbox_destroy(number) → 0.
pub(super) fn mailbox_destroy(number: u64) -> Result {
    ipc::destroy(&MAILBOXES, cpu::current().process(), number)
}

/// message_send(pid, bytes, n, time-out) → 0: to the inbox of a process.
pub(super) fn message_send(pid: u64, bytes: u64, len: u64, timeout_ns: u64) -> Result {
    let pid = u32::try_from(pid).map_err(|_| Errno::ESRCH)?;
    mailbox_send(ipc::inbox(pid)?, bytes, len, timeout_ns)
}

/// message_receive(buffer, n, time-out) → as `mailbox_receive`, from the caller's own inbox.
pub(super) fn message_receive(buffer: u64, len: u64, timeout_ns: u64) -> Result {
    let number = ipc::inbox(cpu::current().pid())?;
    mailbox_receive(number, buffer, len, timeout_ns)
}

/// The most pages of a region.
const REGION_PAGES: u64 = 1024;

/// region_create(length, rights) → number of a region of zeros.
pub(super) fn region_create(len: u64, rights: u64) -> Result {
    let pages = len.div_ceil(PAGE_SIZE);
    if !(1..=REGION_PAGES).contains(&pages) {
        return Err(Errno::EINVAL);
    }
    let pages = DataPage::several(pages as usize).ok_or(Errno::ENOMEM)?;
    ipc::create(&REGIONS, cpu::current().process(), rights, pages)
}

/// region_map(number, address, protection) → length; it is unmapped like any mapping.
pub(super) fn region_map(number: u64, address: u64, protection: u64) -> Result {
    let protection = Protection::from_bits(protection).ok_or(Errno::EINVAL)?;
    if protection.execute {
        return Err(Errno::EINVAL);
    }
    let right = if protection.write {
        Right::Give
    } else {
        Right::Take
    };
    let thread = cpu::current();
    let share = |pages: &mut Vec<DataPage>, _: &mut _| -> Vec<Frame> {
        pages.iter().filter_map(DataPage::share).collect()
    };
    let frames = REGIONS.with(number, thread.pid(), right, share)?;
    let len = frames.len() as u64 * PAGE_SIZE;
    let Some(range) = UserRange::pages(address, len) else {
        frames.into_iter().for_each(Frame::release);
        return Err(Errno::EINVAL);
    };
    let region = Region {
        range,
        protection,
        backing: Backing::Zero,
        shared: true,
        dying: false,
    };
    address_space::expect_shares();
    thread.space().map_frames(region, frames)?;
    Ok(len)
}

/// region_destroy(number) → 0; what is mapped stays mapped.
pub(super) fn region_destroy(number: u64) -> Result {
    ipc::destroy(&REGIONS, cpu::current().process(), number)
}

/// The greatest length of a socket's name, its NUL included.
const NAME_LEN: usize = 108;

/// socket_listen(name, connections that may wait) → fd.
pub(super) fn socket_listen(name: u64, limit: u64) -> Result {
    let mut text = Text::<NAME_LEN>::new();
    let name = text.copy_in(name)?;
    insert(socket::listen(name, limit)?)
}

/// socket_connect(name, time-out) → fd.
pub(super) fn socket_connect(name: u64, timeout_ns: u64) -> Result {
    let mut text = Text::<NAME_LEN>::new();
    let name = text.copy_in(name)?;
    let connected = socket::connect(name, Deadline::new(timeout_ns));
    insert(connected.map_err(|error| error.after(timeout_ns))?)
}

/// socket_accept(fd, time-out) → fd.
pub(super) fn socket_accept(fd: u64, timeout_ns: u64) -> Result {
    let file = cpu::current().process().files.lock().get(fd)?;
    let listener = file.as_listener().ok_or(Errno::EINVAL)?;
    let accepted = listener.accept(Deadline::new(timeout_ns));
    insert(accepted.map_err(|error| error.after(timeout_ns))?)
}
