//! The pool of the textbook: workers share one receiver behind a mutex.
//!
//! It is the bar for `pool-basic`: nothing is caught, counted, named or bounded here. Jobs
//! are boxed closures, the end is the end of the channel.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

type BoxedJob = Box<dyn FnOnce() + Send + 'static>;

/// A fixed number of workers over one channel.
#[derive(Debug)]
pub struct TextbookPool {
    /// Taken by the drop, which ends the workers.
    sender: Option<Sender<BoxedJob>>,
    workers: Vec<JoinHandle<()>>,
}

impl TextbookPool {
    /// Starts the workers.
    ///
    /// # Panics
    /// Where a thread can't be started.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let (sender, receiver) = channel::<BoxedJob>();
        let receiver = Arc::new(Mutex::new(receiver));
        let worker = || {
            let receiver = Arc::clone(&receiver);
            std::thread::spawn(move || {
                loop {
                    let next = receiver
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .recv();
                    match next {
                        Ok(job) => job(),
                        Err(_) => break,
                    }
                }
            })
        };
        let workers = (0..threads).map(|_| worker()).collect();
        Self {
            sender: Some(sender),
            workers,
        }
    }

    /// Queues a job.
    ///
    /// # Panics
    /// Where every worker has died of a job's panic.
    pub fn execute(&self, job: impl FnOnce() + Send + 'static) {
        let sender = self
            .sender
            .as_ref()
            .expect("invariant: taken by the drop only");
        sender.send(Box::new(job)).expect("a worker is alive");
    }
}

impl Drop for TextbookPool {
    fn drop(&mut self) {
        drop(self.sender.take());
        for worker in self.workers.drain(..) {
            // A worker that died of a job's panic has been reported by the panic hook.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn the_drop_drains() {
        let count = Arc::new(AtomicU32::new(0));
        let pool = TextbookPool::new(2);
        for _ in 0..100 {
            let count = Arc::clone(&count);
            pool.execute(move || {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        drop(pool);
        assert_eq!(count.load(Ordering::Relaxed), 100);
    }
}
