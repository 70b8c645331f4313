//! Waking tasks at points in time.
//!
//! [`wheel`] keeps timers, [`timers`] is one worker's share of them, [`keeper`] decides who wakes
//! for them, [`sleep`] has the futures.

pub(crate) mod keeper;
pub(crate) mod sleep;
pub(crate) mod timers;
pub(crate) mod wheel;
