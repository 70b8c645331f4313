//! The futures that live on a pool, so that a shutdown can wait for them or cancel them.
//!
//! A list with free places; a key is a place. `take_all` empties it: keys that come back later
//! find nothing.

use exec_core::{
    sync::{
        Mutex,
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Acquire},
        },
    },
    task::TaskRef,
};

#[derive(Default)]
struct List {
    tasks: Vec<Option<TaskRef>>,
    free: Vec<usize>,
}

/// The futures that have been spawned and have not ended.
#[derive(Default)]
pub(crate) struct Alive {
    list: Mutex<List>,
    count: AtomicUsize,
}

impl Alive {
    /// Adds a future and returns its key.
    pub(crate) fn adopt(&self, task: TaskRef) -> usize {
        let mut list = self.list.lock();
        self.count.fetch_add(1, AcqRel);
        match list.free.pop() {
            Some(key) => {
                list.tasks[key] = Some(task);
                key
            }
            None => {
                list.tasks.push(Some(task));
                list.tasks.len() - 1
            }
        }
    }

    /// Forgets a future; `true` when it was the last.
    pub(crate) fn disown(&self, key: usize) -> bool {
        let task = {
            let mut list = self.list.lock();
            let task = list.tasks.get_mut(key).and_then(Option::take);
            if task.is_some() {
                list.free.push(key);
            }
            task
        };
        // Dropping the reference may run foreign code: not under the lock.
        task.is_some() && self.count.fetch_sub(1, AcqRel) == 1
    }

    /// Whether none is alive.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Acquire) == 0
    }

    /// Takes all of them out.
    pub(crate) fn take_all(&self) -> Vec<TaskRef> {
        let taken: Vec<TaskRef> = {
            let mut list = self.list.lock();
            // Places stay taken: their keys are still out.
            list.tasks.iter_mut().filter_map(Option::take).collect()
        };
        self.count.fetch_sub(taken.len(), AcqRel);
        taken
    }
}
