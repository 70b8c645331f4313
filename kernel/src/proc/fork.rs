//! Makes a process from the calling one: its memory, files and identity, and the calling thread alone.

use kcore::{Errno, frame::TrapFrame};

use alloc::sync::Arc;

use crate::{
    mm::address_space,
    proc::{
        family,
        process::Process,
        table,
        thread::{Registers, Start, Thread},
    },
    sched::{self, own_user_bases},
};

/// Forks the calling thread's process; the child goes on at `frame`. Returns the child's number.
///
/// # Errors
/// `ENOMEM` if there is no memory for it, `EAGAIN` if there are too many processes or threads; nothing
/// remains then.
pub(crate) fn fork(thread: &Thread, frame: &TrapFrame) -> Result<u32, Errno> {
    let parent = thread.process();
    let space = address_space::fork(thread.space())?;
    let files = parent.files.lock().duplicate()?;
    // Dropped here, not under the family's lock, if there is no room for the child.
    let space = Arc::new(space);
    let mut files = Some(files);
    let child = family::add(parent.pid(), |pid| {
        let files = files.take().expect("invariant: called once");
        Arc::new(Process::new(pid, Some(parent), Arc::clone(&space), files))
    })?;
    let start = Start {
        registers: Registers::Copied(frame, thread.vectors()),
        user_bases: own_user_bases(),
        mask: thread.mask.get(),
    };
    match table::create(&child, &space, &thread.name_bytes(), &start) {
        Ok((first, _)) => {
            sched::admission::submit(first);
            Ok(child.pid())
        }
        Err(error) => {
            family::remove(parent, &child);
            Err(error)
        }
    }
}
