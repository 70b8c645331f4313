//! Work that blocks its thread: files, name look-ups, other people's libraries.
//!
//! [`pool`] has threads of its own for it, a bounded number; [`unblock`] is the future that waits
//! for room in it.

pub(crate) mod pool;
pub(crate) mod unblock;
