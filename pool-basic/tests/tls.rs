//! Thread-local destructors that use the pool: refused, or run, but never a crash.

mod watchdog;

use std::{cell::RefCell, sync::Arc, sync::mpsc, thread};

use exec_core::Reason;
use pool_basic::ThreadPool;
use watchdog::watched;

/// Spawns on the pool when it is dropped, and tells how that went.
struct SpawnsAtExit {
    pool: Arc<ThreadPool>,
    tell: mpsc::Sender<Result<u32, Reason>>,
}

impl Drop for SpawnsAtExit {
    fn drop(&mut self) {
        let answer = match self.pool.try_spawn(|| 5) {
            Ok(job) => Ok(job.join().expect("the worker is another thread")),
            Err(refused) => Err(refused.reason),
        };
        let _ = self.tell.send(answer);
    }
}

thread_local! {
    static AT_EXIT: RefCell<Option<SpawnsAtExit>> = const { RefCell::new(None) };
}

fn at_exit(
    pool: &Arc<ThreadPool>,
) -> (
    impl FnOnce() + Send + use<>,
    mpsc::Receiver<Result<u32, Reason>>,
) {
    let (tell, told) = mpsc::channel();
    let pool = pool.clone();
    let plant = move || {
        AT_EXIT.with(|at_exit| *at_exit.borrow_mut() = Some(SpawnsAtExit { pool, tell }));
    };
    (plant, told)
}

#[test]
fn a_thread_outside_may_spawn_while_it_ends() {
    watched(|| {
        let pool = Arc::new(ThreadPool::new(1).expect("one thread"));
        let (plant, told) = at_exit(&pool);
        thread::spawn(plant).join().expect("no panic");
        assert_eq!(told.recv(), Ok(Ok(5)));
    });
}

#[test]
fn a_worker_that_ends_is_refused() {
    watched(|| {
        let pool = Arc::new(ThreadPool::new(1).expect("one thread"));
        let (plant, told) = at_exit(&pool);
        pool.execute(plant).expect("accepted");
        assert!(pool.shutdown().is_clean());
        assert_eq!(told.recv(), Ok(Err(Reason::ShutDown)));
    });
}

#[test]
fn a_worker_that_ends_may_drop_the_pool_last() {
    struct DropsAtExit(Option<Arc<ThreadPool>>, mpsc::Sender<()>);
    impl Drop for DropsAtExit {
        fn drop(&mut self) {
            drop(self.0.take());
            let _ = self.1.send(());
        }
    }
    thread_local! {
        static LAST: RefCell<Option<DropsAtExit>> = const { RefCell::new(None) };
    }
    watched(|| {
        let pool = Arc::new(ThreadPool::new(1).expect("one thread"));
        let other = ThreadPool::new(1).expect("one thread");
        let (tell, told) = mpsc::channel();
        // A worker of another pool holds the last reference in its thread-local state.
        let last = DropsAtExit(Some(pool), tell);
        other
            .execute(move || LAST.with(|slot| *slot.borrow_mut() = Some(last)))
            .expect("accepted");
        assert!(other.shutdown().is_clean());
        assert_eq!(told.recv(), Ok(()));
    });
}
