//! What the page tables and address spaces need of physical memory and of the processors.

use crate::sync::AtomicU64;

/// Entries of a page table.
pub const TABLE_LEN: usize = 512;

/// A page table, as the processor reads it.
pub type Table = [AtomicU64; TABLE_LEN];

/// There is no free frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfFrames;

/// A share of a frame of physical memory, owned by the holder: as a rule the only one. A share that is
/// neither [released](PageFrame::release) nor given to a page table is lost.
pub trait PageFrame: Sized {
    /// A frame full of zeros.
    ///
    /// # Errors
    /// [`OutOfFrames`].
    fn zeroed() -> Result<Self, OutOfFrames>;

    /// A frame with whatever its last owner left in it: to be overwritten as a whole before anybody
    /// can see it.
    ///
    /// # Errors
    /// [`OutOfFrames`].
    fn stale() -> Result<Self, OutOfFrames>;

    /// Another share of the same frame, for another owner. Writes of one are seen by all.
    fn share(&self) -> Self;

    /// Whether this share is the only one.
    fn is_sole(&self) -> bool;

    /// Where the frame is.
    fn address(&self) -> u64;

    /// Gives the share to a page table, which remembers the address.
    fn into_address(self) -> u64;

    /// Takes a share back from a page table, which forgets the address, or looks at one that stays
    /// there.
    fn from_address(address: u64) -> Self;

    /// Writes to the frame, which is not mapped yet, so that nobody else sees it.
    fn write(&mut self, write: impl FnOnce(&mut [u8]));

    /// Overwrites the frame, which is not mapped yet, with another's contents. Whoever calls keeps
    /// everybody from writing to `other` meanwhile.
    fn copy_from(&mut self, other: &Self);

    /// Gives the share back; with the last one the frame is free.
    fn release(self);

    /// The page table in the frame at an address, which stays one as long as its page tables live.
    fn table(address: u64) -> &'static Table;

    /// Makes the CPUs of a set, a bit each, forget what they have cached of page tables.
    ///
    /// # Blocking
    /// Until all of them have. The caller must hold no lock.
    fn make_forget(cpus: u64);
}
