//! From the loader's jump to the first program.
//!
//! [`entry`] brings the first CPU into Rust, [`start`] sets everything up in order, `trampoline` and
//! [`smp`] bring up the others.

mod entry;
mod options;
mod selftest;
mod smp;
pub(crate) mod start;
mod trampoline;
