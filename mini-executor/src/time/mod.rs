//! Waking tasks at points in time.
//!
//! [`timers`] is one worker's share, [`sleep`] the future.

pub(crate) mod timers;
