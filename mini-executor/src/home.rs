//! Where the polls of a task go: back to the runtime that it was spawned on.

use alloc::sync::Arc;

use exec_core::{
    Job, Threads, Wake,
    task::{Schedule, TaskRef},
};

use crate::shared::Shared;

/// A task's share of its runtime. It keeps the runtime's memory, not its threads: those end with
/// the [`Runtime`](crate::Runtime).
pub(crate) struct Home<T: Threads>(pub(crate) Arc<Shared<T>>);

impl<T: Threads> Schedule for Home<T> {
    fn schedule(&self, job: Job, wake: Wake) {
        Schedule::schedule(&*self.0, job, wake);
    }
    fn adopt(&self, task: TaskRef) -> usize {
        self.0.adopt(task)
    }
    fn disown(&self, key: usize) {
        self.0.disown(key);
    }
}
