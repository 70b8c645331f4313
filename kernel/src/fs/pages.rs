//! The pages that hold what programs have written: into files, pipes and mailboxes.
//!
//! # Who owns what
//! A page owns its frame and gives it back when it is dropped. All together may take half of the
//! memory that was free at boot, so that no program can starve the others by filling files.

use core::sync::atomic::{AtomicUsize, Ordering};

use kcore::PageFrame as _;

use crate::mm::frames::{self, Frame};

/// How many more there may be.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Lays down how many pages there may be.
pub(super) fn init() {
    // ORDERING: Relaxed: nothing but the number depends on it, here and below.
    LEFT.store(frames::free_count() / 2, Ordering::Relaxed);
}

/// One page, zero when it is made.
#[derive(Debug)]
pub(crate) struct DataPage(Option<Frame>);

impl DataPage {
    /// A page, if there may be another one and there is memory for it.
    pub(crate) fn new() -> Option<Self> {
        let one_less = |left: usize| left.checked_sub(1);
        LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .ok()?;
        let frame = Frame::zeroed().ok();
        if frame.is_none() {
            LEFT.fetch_add(1, Ordering::Relaxed);
        }
        Some(Self(Some(frame?)))
    }

    /// Another share of its frame, to be mapped by a program.
    pub(crate) fn share(&self) -> Option<Frame> {
        self.0.as_ref().map(Frame::share)
    }

    /// As many pages, or none.
    pub(crate) fn several(count: usize) -> Option<alloc::vec::Vec<Self>> {
        (0..count).map(|_| Self::new()).collect()
    }
}

impl AsRef<[u8]> for DataPage {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], Frame::bytes)
    }
}

impl AsMut<[u8]> for DataPage {
    fn as_mut(&mut self) -> &mut [u8] {
        self.0.as_mut().map_or(&mut [], Frame::bytes_mut)
    }
}

impl Drop for DataPage {
    fn drop(&mut self) {
        if let Some(frame) = self.0.take() {
            frame.release();
            LEFT.fetch_add(1, Ordering::Relaxed);
        }
    }
}
