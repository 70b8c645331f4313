//! How a worker of one pool waits for another pool.
//!
//! Whatever the policy, it goes on with its own pool's work: what runs over there may come back
//! here, with nobody else left to run it, and cannot be told from other work. So a wait for
//! another pool is the one place where a worker may run what does not belong to what it waits for.

use crate::{waiting::Spin, worker::Worker};

impl Worker {
    /// Waits until `done`, running any work of its own pool. `park` parks until something may
    /// have changed, and returns at once when `done`.
    pub(crate) fn wait_elsewhere(&self, done: impl Fn() -> bool, park: impl Fn()) {
        let mut spin = Spin::default();
        while !done() {
            if self.run_any() {
                spin = Spin::default();
            } else if spin.is_over() {
                self.seat().counters.parks.add();
                let look = || done() || self.registry().has_work(self.index());
                self.sleep().block_open(self.index(), look, &park);
                spin = Spin::default();
            }
        }
    }
}
