//! The one heap cell behind a spawn: body, result, joiner's waker and reference count.
//!
//! `header` holds the protocol that all cells share (who may touch the output and the waker);
//! `call` is the cell of a closure, `future` the cell of a future, `way` how a handle waits, `probe` how
//! a model looks into its futures. A cell is one allocation.

pub(crate) mod call;
pub(crate) mod future;
pub(crate) mod header;
pub(crate) mod probe;
pub(crate) mod way;

pub use future::{Schedule, TaskRef, spawn_at_home, spawn_future};
pub use probe::{Probe, Probed};
pub use way::Waits;
