//! Keeping what different threads write on different cache lines.

use core::ops::Deref;

/// A value that shares its cache line (and the line beside it, which is fetched with it) with
/// nothing else.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded<V>(
    /// The value.
    pub V,
);

impl<V> Deref for Padded<V> {
    type Target = V;
    fn deref(&self) -> &V {
        &self.0
    }
}
