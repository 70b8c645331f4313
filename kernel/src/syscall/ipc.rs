//! System calls about semaphores, mailboxes and sockets.
//!
//! A time-out is in nanoseconds: 0 means not to wait (`EAGAIN`), all ones to wait as long as it takes.

use kcore::{
    Mailbox, MailboxSize, Overflow, PAGE_SIZE, Right, Semaphore, Side, TooLong, UserRange,
};

use super::{
    Result,
    file::{deadline, insert},
};
use crate::{
    arch::cpu,
    fs::pages::DataPage,
    ipc::{self, MAILBOXES, SEMAPHORES, socket},
    mm::uaccess,
    proc::thread::ThreadRef,
    sched::wait,
    syscall::errno::Errno,
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
    let deadline = deadline(timeout_ns);
    let taken = SEMAPHORES.wait(
        number,
        thread.pid(),
        Right::Take,
        Side::Takers,
        &ThreadRef(thread),
        |semaphore, _| semaphore.take(),
        || wait::pause_until(thread, deadline),
    );
    taken.map_err(|refused| ipc::error(refused, timeout_ns))?;
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
        Err(refused) => Err(ipc::error(refused, 0)),
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

/// Messages up to this length take a short way.
const SHORT: usize = 128;

/// mailbox_send(number, bytes, n, time-out) → 0.
pub(super) fn mailbox_send(number: u64, bytes: u64, len: u64, timeout_ns: u64) -> Result {
    match usize::try_from(len) {
        Ok(len @ ..=SHORT) => send::<SHORT>(number, bytes, len, timeout_ns),
        Ok(len @ ..=MailboxSize::MAX_LEN) => {
            send::<{ MailboxSize::MAX_LEN }>(number, bytes, len, timeout_ns)
        }
        _ => Err(Errno::EMSGSIZE),
    }
}

fn send<const N: usize>(number: u64, bytes: u64, len: usize, timeout_ns: u64) -> Result {
    let mut buffer = [0; N];
    let message = &mut buffer[..len];
    uaccess::copy_in(bytes, message)?;
    let thread = cpu::current();
    let pid = thread.pid();
    let deadline = deadline(timeout_ns);
    let sent = MAILBOXES.wait(
        number,
        pid,
        Right::Give,
        Side::Givers,
        &ThreadRef(thread),
        |mailbox, wakes| mailbox.send(pid, message, wakes),
        || wait::pause_until(thread, deadline),
    );
    match sent {
        Ok(Ok(())) => Ok(0),
        Ok(Err(TooLong)) => Err(Errno::EMSGSIZE),
        Err(refused) => Err(ipc::error(refused, timeout_ns)),
    }
}

/// mailbox_receive(number, buffer, n, time-out, \*sender or null) → length.
///
/// The buffer must have room for the longest message of the mailbox, else `EMSGSIZE`. A message that
/// could not be written to the buffer is not lost.
pub(super) fn mailbox_receive(
    number: u64,
    buffer: u64,
    len: u64,
    timeout_ns: u64,
    sender: u64,
) -> Result {
    match usize::try_from(len).unwrap_or(usize::MAX) {
        len @ ..=SHORT => receive::<SHORT>(number, buffer, len, timeout_ns, sender),
        len => {
            let len = len.min(MailboxSize::MAX_LEN);
            receive::<{ MailboxSize::MAX_LEN }>(number, buffer, len, timeout_ns, sender)
        }
    }
}

fn receive<const N: usize>(
    number: u64,
    out: u64,
    room: usize,
    timeout_ns: u64,
    sender_out: u64,
) -> Result {
    UserRange::new(out, room as u64).ok_or(Errno::EFAULT)?;
    let mut buffer = [0; N];
    let thread = cpu::current();
    let pid = thread.pid();
    let deadline = deadline(timeout_ns);
    let received = MAILBOXES.wait(
        number,
        pid,
        Right::Take,
        Side::Takers,
        &ThreadRef(thread),
        |mailbox, wakes| {
            if mailbox.size().message_len > room {
                return Some(Err(Errno::EMSGSIZE));
            }
            mailbox.receive(&mut buffer, wakes).map(Ok)
        },
        || wait::pause_until(thread, deadline),
    );
    let message = received.map_err(|refused| ipc::error(refused, timeout_ns))??;
    let bytes = &buffer[..message.len];
    let written = uaccess::copy_out(out, bytes).and_then(|()| match sender_out {
        0 => Ok(()),
        _ => uaccess::copy_out(sender_out, &message.sender.to_ne_bytes()),
    });
    if let Err(error) = written {
        // If the mailbox has gone meanwhile, the message goes with it.
        let _ = MAILBOXES.with(number, pid, Right::Take, |mailbox, wakes| {
            mailbox.put_back(message.sender, bytes, wakes)
        });
        return Err(error);
    }
    Ok(message.len as u64)
}

/// mailbox_destroy(number) → 0.
pub(super) fn mailbox_destroy(number: u64) -> Result {
    ipc::destroy(&MAILBOXES, cpu::current().process(), number)
}

/// The greatest length of a socket's name, its NUL included.
const NAME_LEN: usize = 108;

/// socket_listen(name, connections that may wait) → fd.
pub(super) fn socket_listen(name: u64, limit: u64) -> Result {
    let mut buffer = [0; NAME_LEN];
    let name = uaccess::copy_text(name, &mut buffer)?;
    insert(socket::listen(name, limit)?)
}

/// socket_connect(name, time-out) → fd.
pub(super) fn socket_connect(name: u64, timeout_ns: u64) -> Result {
    let mut buffer = [0; NAME_LEN];
    let name = uaccess::copy_text(name, &mut buffer)?;
    let connected = socket::connect(name, deadline(timeout_ns));
    insert(connected.map_err(|error| at_once(error, timeout_ns))?)
}

/// socket_accept(fd, time-out) → fd.
pub(super) fn socket_accept(fd: u64, timeout_ns: u64) -> Result {
    let file = cpu::current().process().files.lock().get(fd)?;
    let listener = file.as_listener().ok_or(Errno::EINVAL)?;
    let accepted = listener.accept(deadline(timeout_ns));
    insert(accepted.map_err(|error| at_once(error, timeout_ns))?)
}

/// A call that was not to wait has not timed out.
fn at_once(error: Errno, timeout_ns: u64) -> Errno {
    match error {
        Errno::ETIMEDOUT if timeout_ns == 0 => Errno::EAGAIN,
        other => other,
    }
}
