//! Kernel stacks: four pages each, below each of them a page that is never mapped.
//!
//! A stack is made once and belongs to its thread structure for ever; both are used again together.

use kcore::PAGE_SIZE;

use crate::mm::{
    frames::{Frame, OutOfFrames},
    kernel_space,
};

/// Where the stacks are; one root entry covers them all.
pub(super) const AREA: u64 = 0xffff_c000_0000_0000;
const STACK_PAGES: u64 = 4;
/// Stacks start at multiples of this; the lower half of each slot is guard.
const SLOT_LEN: u64 = 2 * STACK_PAGES * PAGE_SIZE;

/// Makes the stack with this number; returns its end.
///
/// # Errors
/// [`OutOfFrames`]; pages made so far stay for the next try.
pub(crate) fn make(number: usize) -> Result<u64, OutOfFrames> {
    let end = AREA + (number as u64 + 1) * SLOT_LEN;
    let mut frames = heapless::Vec::<Frame, { STACK_PAGES as usize }>::new();
    for _ in 0..STACK_PAGES {
        match Frame::zeroed() {
            Ok(frame) => frames
                .push(frame)
                .expect("invariant: room for a stack's pages"),
            Err(error) => {
                frames.into_iter().for_each(Frame::release);
                return Err(error);
            }
        }
    }
    for (page, frame) in (0..).zip(frames) {
        kernel_space::map(end - (page + 1) * PAGE_SIZE, frame)?;
    }
    Ok(end)
}
