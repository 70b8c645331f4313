//! The floating-point and vector registers of a thread that has not run yet.
//!
//! # States
//! A thread's registers live in the area at the top of its kernel stack while it is in the kernel:
//! each entry from ring 3 stores them there, each return loads them. AVX is off (`OSXSAVE` is clear),
//! so the FXSAVE area is all there is.

/// Bytes of an FXSAVE area.
pub(crate) const AREA_LEN: u64 = 512;

/// The vector registers as FXSAVE stores them.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area([u32; 128]);

/// What a new thread starts with: all exceptions masked, round to nearest, all registers zero.
pub(crate) static INITIAL: Area = {
    let mut words = [0; 128];
    words[0] = 0x037f;
    words[6] = 0x1f80;
    Area(words)
};

/// Where FXSAVE puts the control word of the vector unit, and which bits of it may be set.
const MXCSR: usize = 6;
const MXCSR_BITS: u32 = 0xffff;

impl Area {
    /// The same without what FXRSTOR would fault on.
    pub(crate) fn without_reserved_bits(mut self) -> Self {
        self.0[MXCSR] &= MXCSR_BITS;
        self
    }
}
