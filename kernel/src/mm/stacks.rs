//! Kernel stacks: four pages each, below each of them a page that is never mapped.
//!
//! A stack's place belongs to its thread structure for ever; both are used again together. Its pages
//! may be [given back](release) between two threads. The page tables of all places are made at boot, so
//! that the count of free frames is the same whatever has run.

use kcore::{OutOfFrames, PAGE_SIZE, PageFrame as _, Tid};

use crate::{
    arch::cpu::MAX_CPUS,
    mm::{frames::Frame, kernel_space, shootdown},
};

/// Where the stacks are; one root entry covers them all.
const AREA: u64 = 0xffff_c000_0000_0000;
/// Pages of one stack.
pub(crate) const STACK_PAGES: u64 = 4;
/// Places for all threads and for the idle ones.
const SLOTS: u64 = (Tid::MAX_SLOTS + MAX_CPUS) as u64;
/// Stacks start at multiples of this; the lower half of each slot is guard.
const SLOT_LEN: u64 = 2 * STACK_PAGES * PAGE_SIZE;

/// All places.
pub(super) fn area() -> core::ops::Range<u64> {
    AREA..AREA + SLOTS * SLOT_LEN
}

/// Gives back the pages of the stack with this end, on which nothing runs.
///
/// CPUs may still know the pages. Nobody uses the addresses until [`make_again`], which lets all CPUs
/// forget them.
pub(crate) fn release(end: u64) {
    for page in 1..=STACK_PAGES {
        kernel_space::unmap(end - page * PAGE_SIZE).release();
    }
}

/// Makes a stack that was [released](release), at the same place.
///
/// # Errors
/// As for [`make`].
///
/// # Blocking
/// Until all CPUs have forgotten the old pages; the caller must hold no lock.
pub(crate) fn make_again(end: u64) -> Result<(), OutOfFrames> {
    shootdown::flush(u64::MAX);
    make_at(end)
}

/// Makes the stack with this number, which has not been made; returns its end.
///
/// # Errors
/// [`OutOfFrames`]; nothing has been made then.
pub(crate) fn make(number: usize) -> Result<u64, OutOfFrames> {
    let end = AREA + (number as u64 + 1) * SLOT_LEN;
    make_at(end).map(|()| end)
}

fn make_at(end: u64) -> Result<(), OutOfFrames> {
    let mut frames = heapless::Vec::<Frame, { STACK_PAGES as usize }>::new();
    let made: Result<(), OutOfFrames> = (0..STACK_PAGES).try_for_each(|_| {
        let frame = Frame::zeroed()?;
        frames
            .push(frame)
            .expect("invariant: room for a stack's pages");
        Ok(())
    });
    if made.is_err() {
        frames.into_iter().for_each(Frame::release);
        return Err(OutOfFrames);
    }
    for (page, frame) in (1..).zip(frames) {
        kernel_space::map(end - page * PAGE_SIZE, frame);
    }
    Ok(())
}
