//! System calls about the machine.

use kcore::Errno;

use super::Result;
use crate::{
    arch::{clock, cpu, qemu},
    mm::frames,
    proc::{process::INIT, table},
};

/// clock() → nanoseconds since boot; never goes back.
pub(super) fn clock() -> Result {
    Ok(clock::now_ns())
}

/// cpu_count().
pub(super) fn cpu_count() -> Result {
    Ok(u64::from(cpu::count()))
}

/// shutdown(value): leaves QEMU with this value; for the first process only.
pub(super) fn shutdown(value: u64) -> Result {
    if cpu::current().process().pid() != INIT {
        return Err(Errno::EPERM);
    }
    let value = u8::try_from(value).map_err(|_| Errno::EINVAL)?;
    qemu::exit(value)
}

/// free_memory() → free pages; those that are kept for the stacks of the next threads count.
pub(super) fn free_memory() -> Result {
    Ok((frames::free_count() + table::kept_pages()) as u64)
}
