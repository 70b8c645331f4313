//! Forked children that do nothing but wait and exit.
//!
//! A child of a process with threads has only the thread that forked: locks that another one held
//! are never released, so a child may only do what is safe in a signal handler. These children do
//! just that. A `fork` that runs a closure in the child can't promise it, and so can't be safe;
//! this one is, and the lab, which measures it, needs no `unsafe`.

#![deny(unsafe_op_in_unsafe_fn)]
#![cfg(unix)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// What a child does before it exits with status 0.
#[derive(Clone, Copy, Debug)]
pub enum Child<'fd> {
    /// Nothing.
    Exits,
    /// It writes a byte, to say that it is there, and waits for one.
    Waits {
        /// Where it writes.
        tell: BorrowedFd<'fd>,
        /// Where it reads; the end of the input will do as well.
        until: BorrowedFd<'fd>,
    },
}

/// Forks, and returns the child's id; the caller has to wait for the child.
///
/// A child inherits all descriptors: one that waits for the end of a pipe waits for ever if it has
/// that pipe's other end itself, unless somebody writes.
///
/// # Errors
/// What the system said, for instance that there are too many processes.
pub fn fork(child: Child<'_>) -> io::Result<i32> {
    let descriptors = match child {
        Child::Exits => None,
        Child::Waits { tell, until } => Some((tell.as_raw_fd(), until.as_raw_fd())),
    };
    // SAFETY: what runs in the child until its `_exit` is in `live`, and is async-signal-safe.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => live(descriptors),
        id => Ok(id),
    }
}

/// The child's whole life: `write`, `read` and `_exit`, no allocation, no lock, no panic.
fn live(descriptors: Option<(libc::c_int, libc::c_int)>) -> ! {
    if let Some((tell, until)) = descriptors {
        let mut byte = 0_u8;
        // SAFETY: one byte is read, from a byte that lives until the call returns. A descriptor
        // that is no more is an error, which changes nothing.
        let _ = unsafe { libc::write(tell, (&raw const byte).cast(), 1) };
        // SAFETY: one byte is written, to a byte that lives until the call returns. An error ends
        // the wait as well.
        let _ = unsafe { libc::read(until, (&raw mut byte).cast(), 1) };
    }
    // SAFETY: it ends the process at once, without any of the parent's exit handlers.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use nix::unistd::Pid;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;

    #[test]
    fn a_child_exits() {
        let id = Pid::from_raw(fork(Child::Exits).expect("one process can be had"));
        assert_eq!(waitpid(id, None), Ok(WaitStatus::Exited(id, 0)));
    }

    #[test]
    fn a_child_waits_until_it_is_told() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let (mut told, tell) = std::io::pipe().expect("a pipe");
        let child = Child::Waits {
            tell: tell.as_fd(),
            until: reader.as_fd(),
        };
        let id = Pid::from_raw(fork(child).expect("one process can be had"));
        told.read_exact(&mut [0]).expect("it says that it is there");
        // It can't have ended: nothing was written, and it holds a writer itself.
        let seen = waitpid(id, Some(WaitPidFlag::WNOHANG));
        assert_eq!(seen, Ok(WaitStatus::StillAlive));
        writer.write_all(b".").expect("a reader");
        assert_eq!(waitpid(id, None), Ok(WaitStatus::Exited(id, 0)));
    }
}
