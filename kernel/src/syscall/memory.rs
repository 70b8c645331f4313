//! System calls about memory.

use kcore::{
    Backing, Errno, FileBytes, PAGE_SIZE, Protection, Region, Resource, UNLIMITED, UserRange,
};

use super::Result;
use crate::{arch::cpu, mm::frames};

/// Pages that a mapping leaves for page tables and the kernel.
const HEADROOM_PAGES: u64 = 64;

/// mmap(address, length, protection, fd or -1, offset) → address.
///
/// The pages are made on first touch: zeros, or a copy of the file. A program that fills what it maps is
/// told here that memory has run out, and does not die at a touch: a mapping may not be larger than
/// what is free now. Only one that is larger than the whole machine may: it can't be meant to be filled.
pub(super) fn mmap(address: u64, len: u64, protection: u64, fd: u64, offset: u64) -> Result {
    let range = UserRange::pages(address, len).ok_or(Errno::EINVAL)?;
    let protection = Protection::from_bits(protection).ok_or(Errno::EINVAL)?;
    let thread = cpu::current();
    let process = thread.process();
    let wanted = match range.page_count() {
        sparse if sparse > frames::total_count() as u64 => 0,
        pages => pages,
    };
    let limit = process.limits.soft(Resource::Memory);
    if limit != UNLIMITED && thread.space().mapped_bytes() + range.len() > limit {
        return Err(Errno::ENOMEM);
    }
    if wanted + HEADROOM_PAGES > frames::free_count() as u64 {
        return Err(Errno::ENOMEM);
    }
    let mut frames = None;
    let backing = match fd as i32 {
        -1 => Backing::Zero,
        _ => {
            if !offset.is_multiple_of(PAGE_SIZE) {
                return Err(Errno::EINVAL);
            }
            let file = process.files.lock().get(fd)?;
            match file.contents() {
                Some(bytes) => {
                    let from = usize::try_from(offset)
                        .map_err(|_| Errno::EINVAL)?
                        .min(bytes.len());
                    Backing::File(FileBytes {
                        bytes: &bytes[from..],
                        address,
                    })
                }
                // It has been written to: its bytes as they are now.
                None => {
                    frames = Some(file.copy_pages(offset, range.page_count())?);
                    Backing::Zero
                }
            }
        }
    };
    let region = Region {
        range,
        protection,
        backing,
        shared: false,
        dying: false,
    };
    match frames {
        None => thread.space().map(region)?,
        Some(frames) => thread.space().map_frames(region, frames)?,
    }
    Ok(address)
}

/// munmap(address) → 0; the address is the exact start of a mapping.
pub(super) fn munmap(address: u64) -> Result {
    cpu::current().space().unmap(address)?;
    Ok(0)
}
