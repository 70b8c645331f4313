//! Ctrl-C: the first one asks a run to end with what it has, the second one ends the process.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The status of a program that was interrupted, as shells report it.
pub const STATUS: u8 = 130;

/// From now on an interrupt, or a polite kill, sets the flag; one that comes after it ends this
/// process at once.
///
/// # Errors
/// Where the system refuses.
pub fn listen() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first one finds the flag unset.
        let second =
            flag::register_conditional_shutdown(signal, STATUS.into(), Arc::clone(&interrupted));
        second.context("could not take the signal")?;
        flag::register(signal, Arc::clone(&interrupted)).context("could not take the signal")?;
    }
    Ok(interrupted)
}
