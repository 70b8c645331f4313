//! Physical memory as the kernel sees it: the physical map.

/// Where physical address 0 is seen.
const MAP: u64 = 0xffff_8000_0000_0000;
/// How much of it is mapped.
pub(crate) const MAPPED: u64 = 4 << 30;

/// A physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PhysAddr(pub(crate) u64);

impl PhysAddr {
    /// Where the kernel sees it.
    ///
    /// # Panics
    /// If it lies outside of the physical map.
    #[inline]
    pub(crate) fn pointer<T>(self) -> *mut T {
        assert!(
            self.0 < MAPPED,
            "physical address {:#x} is not mapped",
            self.0
        );
        (MAP + self.0) as *mut T
    }
}

/// The virtual address of the physical map's start.
pub(crate) const fn map_start() -> u64 {
    MAP
}

/// An object at a physical address.
///
/// # Safety
/// A valid `T` must be there for ever, changed by nobody but through its own atomics.
pub(crate) unsafe fn object<T>(address: PhysAddr) -> &'static T {
    // SAFETY: mapped by the physical map; the rest is the caller's promise.
    unsafe { &*address.pointer::<T>() }
}

/// What the loader and the firmware have left at a physical address, if it is mapped. Only for what
/// they say is theirs: it is never written, and never given out or not before it was used up.
pub(crate) fn read(address: u64, len: usize) -> Option<&'static [u8]> {
    let end = address.checked_add(len as u64)?;
    // SAFETY: mapped by the physical map; that it stays unchanged is the callers' choice of addresses.
    (end <= MAPPED)
        .then(|| unsafe { core::slice::from_raw_parts(PhysAddr(address).pointer(), len) })
}

/// Copies `bytes` to low memory that belongs to nobody: start-up code for other CPUs.
///
/// # Panics
/// If the target is not below 1 MiB.
pub(crate) fn copy_in(address: PhysAddr, bytes: &[u8]) {
    assert!(address.0 + bytes.len() as u64 <= 1 << 20, "low memory only");
    // SAFETY: frames below 1 MiB are never given out, and what the firmware left in this page is not
    // needed.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), address.pointer(), bytes.len()) };
}
