//! System calls about memory.

use kcore::{Backing, FileBytes, PAGE_SIZE, Protection, Region, RegionError, UserRange};

use super::Result;
use crate::{arch::cpu, syscall::errno::Errno};

/// mmap(address, length, protection, fd or -1, offset) → address.
///
/// The pages are made on first touch: zeros, or a copy of the file.
pub(super) fn mmap(address: u64, len: u64, protection: u64, fd: u64, offset: u64) -> Result {
    let range = UserRange::pages(address, len).ok_or(Errno::EINVAL)?;
    let protection = Protection::from_bits(protection).ok_or(Errno::EINVAL)?;
    let process = cpu::current().process();
    let backing = match fd as i32 {
        -1 => Backing::Zero,
        _ => {
            if !offset.is_multiple_of(PAGE_SIZE) {
                return Err(Errno::EINVAL);
            }
            let file = process.files.lock().get(fd)?;
            let bytes = file.contents().ok_or(Errno::EACCES)?;
            let from = usize::try_from(offset)
                .map_err(|_| Errno::EINVAL)?
                .min(bytes.len());
            Backing::File(FileBytes {
                bytes: &bytes[from..],
                address,
            })
        }
    };
    let region = Region {
        range,
        protection,
        backing,
        dying: false,
    };
    match process.space().map(region) {
        Ok(()) => Ok(address),
        Err(RegionError::Overlap) => Err(Errno::EEXIST),
        Err(RegionError::TooMany | RegionError::NotMapped) => Err(Errno::ENOMEM),
    }
}

/// munmap(address) → 0; the address is the exact start of a mapping.
pub(super) fn munmap(address: u64) -> Result {
    cpu::current()
        .process()
        .space()
        .unmap(address)
        .map_err(|_| Errno::EINVAL)?;
    Ok(0)
}
