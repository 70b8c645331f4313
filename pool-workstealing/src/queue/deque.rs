//! The deque of spawned jobs: crossbeam-deque, or a spec of it under loom.
//!
//! crossbeam-deque has no loom support: a model over it would explore one execution and pass
//! without looking. Under `cfg(loom)` this module gives a deque of the same names and the same
//! meaning, a locked `VecDeque` whose steal may come back with [`Steal::Retry`] whenever the
//! model pleases, so that the protocols around it are checked against everything that the real
//! one may do.

#[cfg(not(loom))]
pub(crate) use crossbeam_deque::{Steal, Stealer, Worker};
#[cfg(loom)]
pub use spec::{Steal, Stealer, Worker};

#[cfg(loom)]
mod spec {
    use std::collections::VecDeque;

    use exec_core::sync::{Arc, Mutex};

    /// What a steal found.
    #[derive(Debug, PartialEq, Eq)]
    pub enum Steal<T> {
        /// Nothing there.
        Empty,
        /// This.
        Success(T),
        /// Lost a race; nothing is known.
        Retry,
    }

    struct Shared<T> {
        items: VecDeque<T>,
        /// Whether the last steal was told to retry: the model does not do it twice running.
        retried: bool,
    }

    /// The owner's end.
    pub struct Worker<T>(Arc<Mutex<Shared<T>>>);

    /// The thieves' end.
    pub struct Stealer<T>(Arc<Mutex<Shared<T>>>);

    impl<T> Worker<T> {
        /// An empty deque, newest first for its owner.
        #[allow(clippy::new_without_default)]
        pub fn new_lifo() -> Self {
            Self(Arc::new(Mutex::new(Shared {
                items: VecDeque::new(),
                retried: false,
            })))
        }
        /// The thieves' end of it.
        pub fn stealer(&self) -> Stealer<T> {
            Stealer(self.0.clone())
        }
        /// Adds the newest.
        pub fn push(&self, item: T) {
            self.0.lock().items.push_back(item);
        }
        /// Takes the newest.
        pub fn pop(&self) -> Option<T> {
            self.0.lock().items.pop_back()
        }
        /// How many there are.
        pub fn len(&self) -> usize {
            self.0.lock().items.len()
        }
        /// Whether there are none.
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }
    }

    impl<T> Stealer<T> {
        /// Takes the oldest, or loses a race that the real deque might lose.
        pub fn steal(&self) -> Steal<T> {
            // A lock that is taken is another thread at the same end: the real deque's thief
            // may lose there, once; then it has its turn.
            let Some(mut shared) = self.0.try_lock() else {
                return Steal::Retry;
            };
            if shared.items.len() > 1 && !std::mem::replace(&mut shared.retried, true) {
                return Steal::Retry;
            }
            shared.retried = false;
            shared
                .items
                .pop_front()
                .map_or(Steal::Empty, Steal::Success)
        }
        /// Whether there is nothing to steal.
        pub fn is_empty(&self) -> bool {
            self.0.lock().items.is_empty()
        }
    }

    impl<T> Clone for Stealer<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }
}
