//! Tasks that belong together: joined as they end, cancelled together.

use alloc::vec::Vec;
use core::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use exec_core::{JoinError, JoinHandle, Threads};
use futures_util::stream::{FuturesUnordered, Stream};

use crate::spawner::Spawner;

/// A group of tasks with one type of output.
///
/// Dropping it cancels the tasks that it still has.
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// # let runtime = mini_executor::Runtime::new().unwrap();
/// let sum = runtime.block_on(async {
///     let mut set = runtime.join_set();
///     for n in 1..=4 {
///         set.spawn(async move { n * n });
///     }
///     let mut sum = 0;
///     while let Some(square) = set.join_next().await {
///         sum += square.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 30);
/// # }
/// ```
pub struct JoinSet<
    R: Send + 'static,
    #[cfg(all(feature = "std", not(loom)))] T: Threads = kernel_bridge::Host,
    #[cfg(not(all(feature = "std", not(loom))))] T: Threads,
> {
    spawner: Spawner<T>,
    tasks: FuturesUnordered<JoinHandle<R>>,
}

/// Why a group of fallible tasks did not come to its end.
#[derive(Debug)]
pub enum GroupError<E> {
    /// A task returned this error; it was the first.
    Task(E),
    /// A task panicked or was cancelled; it was the first to fail.
    Join(JoinError),
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(error) => write!(f, "a task of the group failed: {error}"),
            Self::Join(error) => write!(f, "a task of the group did not end: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for GroupError<E> {}

impl<R: Send + 'static, T: Threads> JoinSet<R, T> {
    /// An empty group whose tasks run on `spawner`'s runtime.
    pub fn new(spawner: Spawner<T>) -> Self {
        Self {
            spawner,
            tasks: FuturesUnordered::new(),
        }
    }

    /// Spawns a task into the group.
    pub fn spawn<F>(&mut self, future: F)
    where
        F: Future<Output = R> + Send + 'static,
    {
        self.tasks.push(self.spawner.spawn(future));
    }

    /// How many tasks have not been joined.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether every task has been joined.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Waits for any task to end and returns its result; `None` when there is no task left.
    ///
    /// # Cancel safety
    /// Nothing is lost: a result is taken only when this returns it.
    pub async fn join_next(&mut self) -> Option<Result<R, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](Self::join_next), for futures that are written by hand.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<R, JoinError>>> {
        Pin::new(&mut self.tasks).poll_next(cx)
    }

    /// Asks every task to end; they are still to be joined.
    pub fn cancel_all(&self) {
        for task in &self.tasks {
            task.cancel();
        }
    }

    /// Cancels every task and waits until all have ended.
    ///
    /// # Cancel safety
    /// All are cancelled; those that were not waited for stay in the group.
    pub async fn shutdown(&mut self) {
        self.cancel_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits for all, and returns the outputs in the order of their ends.
    ///
    /// # Errors
    /// The first panic or cancellation; the others are cancelled and have ended then.
    ///
    /// # Cancel safety
    /// The outputs so far are dropped, the other tasks stay in the group.
    pub async fn join_all(&mut self) -> Result<Vec<R>, JoinError> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(joined) = self.join_next().await {
            match joined {
                Ok(output) => outputs.push(output),
                Err(error) => {
                    self.shutdown().await;
                    return Err(error);
                }
            }
        }
        Ok(outputs)
    }
}

impl<V, E, T> JoinSet<Result<V, E>, T>
where
    V: Send + 'static,
    E: Send + 'static,
    T: Threads,
{
    /// Waits for all to succeed, and returns their values in the order of their ends.
    ///
    /// # Errors
    /// The first error, panic or cancellation; the others are cancelled and have ended then.
    ///
    /// # Cancel safety
    /// The values so far are dropped, the other tasks stay in the group.
    pub async fn try_join_all(&mut self) -> Result<Vec<V>, GroupError<E>> {
        let mut values = Vec::with_capacity(self.len());
        while let Some(joined) = self.join_next().await {
            let error = match joined {
                Ok(Ok(value)) => {
                    values.push(value);
                    continue;
                }
                Ok(Err(error)) => GroupError::Task(error),
                Err(error) => GroupError::Join(error),
            };
            self.shutdown().await;
            return Err(error);
        }
        Ok(values)
    }
}

impl<R: Send + 'static, T: Threads> Drop for JoinSet<R, T> {
    fn drop(&mut self) {
        self.cancel_all();
    }
}

impl<R: Send + 'static, T: Threads> fmt::Debug for JoinSet<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
