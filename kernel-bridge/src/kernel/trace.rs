//! The kernel's flight recorder: the states of all threads, as each processor saw them.

use alloc::vec::Vec;

use super::syscall::{self, Errno};

/// The numbers of the system calls.
mod number {
    pub(super) const SWITCH: usize = 0x188;
    pub(super) const READ: usize = 0x189;
    pub(super) const WRITE: usize = 0x18a;
}

/// # Safety
/// As for [`syscall::raw`].
unsafe fn call(number: usize, [a, b, c]: [usize; 3]) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    syscall::check(unsafe { syscall::raw(number, [a, b, c, 0, 0, 0]) })
}

/// Begins a recording of all processors.
pub fn begin() {
    // SAFETY: the call touches no memory of ours.
    let begun = unsafe { call(number::SWITCH, [1, 0, 0]) };
    begun.expect("invariant: a recording can always begin");
}

/// Ends it; what was recorded stays.
pub fn end() {
    // SAFETY: the call touches no memory of ours.
    let ended = unsafe { call(number::SWITCH, [0, 0, 0]) };
    ended.expect("invariant: a recording can always end");
}

/// What a processor has recorded, the oldest first: two words an entry, as `flight_recorder::Entry`
/// has them. Each starts a state; the argument is the thread's number above eight bits of the state's
/// number. None beyond the last processor.
#[must_use]
pub fn read(cpu: usize) -> Option<Vec<[u64; 2]>> {
    let mut entries = Vec::new();
    let mut room = 1024;
    loop {
        entries.resize(room, [0; 2]);
        // SAFETY: the kernel writes as many entries as fit, which are ours.
        let found = unsafe { call(number::READ, [cpu, entries.as_mut_ptr() as usize, room]) };
        let found = found.ok()?;
        if found <= room {
            entries.truncate(found);
            return Some(entries);
        }
        room = found;
    }
}

/// Sends bytes over the second serial line.
///
/// # Errors
/// `EIO` where the machine has none.
pub fn send(mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads the bytes, which live across the call.
        let sent = unsafe { call(number::WRITE, [bytes.as_ptr() as usize, bytes.len(), 0]) }?;
        bytes = bytes.get(sent..).unwrap_or_default();
    }
    Ok(())
}
