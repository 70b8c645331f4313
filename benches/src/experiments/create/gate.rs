//! A gate that units wait at until it is opened.
//!
//! # Protocol
//! 1. A unit arrives: the count goes up under the lock, the owner is told, the unit waits.
//! 2. The owner waits until so many have arrived, does what it wants, and opens.
//!
//! # Why nothing is lost
//! Both conditions are states under one lock, and are looked at before each wait. A gate that is
//! dropped by its owner is open: nobody waits behind an owner that has failed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The owner's side.
#[derive(Debug, Default)]
pub(super) struct Gate(Arc<Shared>);

/// A unit's side.
#[derive(Clone, Debug)]
pub(super) struct Visitor(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct State {
    arrived: u64,
    is_open: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// A side for a unit.
    pub(super) fn visitor(&self) -> Visitor {
        Visitor(Arc::clone(&self.0))
    }

    /// Waits until so many units have arrived.
    pub(super) fn wait_for(&self, units: u64) {
        let mut state = self.0.lock();
        while state.arrived < units {
            let wait = self.0.arrived.wait(state);
            state = wait.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.lock().is_open = true;
        self.0.opened.notify_all();
    }
}

impl Visitor {
    /// Says that it is there, and waits until the gate is open.
    pub(super) fn pass(&self) {
        let mut state = self.0.lock();
        state.arrived += 1;
        self.0.arrived.notify_one();
        while !state.is_open {
            let wait = self.0.opened.wait(state);
            state = wait.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watchdog;

    #[test]
    fn all_wait_until_it_opens() {
        watchdog::run(|| {
            let gate = Gate::default();
            let start = || {
                let visitor = gate.visitor();
                std::thread::spawn(move || visitor.pass())
            };
            let waiting = [start(), start()];
            gate.wait_for(2);
            assert!(waiting.iter().all(|thread| !thread.is_finished()));
            drop(gate);
            for thread in waiting {
                thread.join().expect("no panic");
            }
        });
    }
}
