//! Waking tasks at points in time.
//!
//! [`wheel`] keeps timers, [`timers`] is one worker's share of them, [`sleep`] has the futures.

pub(crate) mod sleep;
pub(crate) mod timers;
pub(crate) mod wheel;
