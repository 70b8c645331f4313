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

/// Makes the stack with this number, which has not been made; returns its end.
///
/// # Errors
/// [`OutOfFrames`]; nothing has been made then.
pub(crate) fn make(number: usize) -> Result<u64, OutOfFrames> {
    let end = AREA + (number as u64 + 1) * SLOT_LEN;
    let mut frames = heapless::Vec::<Frame, { STACK_PAGES as usize }>::new();
    let made = (0..STACK_PAGES).try_for_each(|_| {
        let frame = Frame::zeroed()?;
        frames
            .push(frame)
            .expect("invariant: room for a stack's pages");
        Ok(())
    });
    let mut pages = (1..).zip(frames);
    let mapped = made.and_then(|()| {
        // The pages of one slot share a table: only the first can fail.
        pages.try_for_each(|(page, frame)| kernel_space::map(end - page * PAGE_SIZE, frame))
    });
    pages.for_each(|(_, frame)| frame.release());
    mapped.map(|()| end)
}
