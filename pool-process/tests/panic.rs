//! Panics: of jobs, in what the pool calls, and of values that can't be passed on.

mod jobs;
mod watchdog;

use std::{
    future::Future as _,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Wake, Waker},
};

use exec_core::Shutdown;
use jobs::*;
use pool_process::{Ended, JobError, Reason};
use watchdog::watched;

#[test]
fn worker() {
    jobs::init();
}

#[test]
fn the_message_comes_back_and_the_worker_lives() {
    watched(|| {
        let pool = pool(1);
        let pid = pool.worker_ids();
        let panicked = pool.spawn(&PANIC, "on purpose".into()).join();
        assert_eq!(panicked, Err(JobError::Panicked("on purpose".into())));
        let long = "é".repeat(40_000);
        let Err(JobError::Panicked(text)) = pool.spawn(&PANIC, long.clone()).join() else {
            panic!("it panics");
        };
        assert!(
            long.starts_with(&text) && text.len() > 60_000,
            "{}",
            text.len()
        );
        // A payload that panics in its drop is leaked.
        let nasty = pool.spawn(&NASTY, ()).join();
        assert!(nasty.is_err_and(|error| error.is_panic()));
        assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
        assert_eq!(pool.worker_ids(), pid);
        assert_eq!(pool.worker_stats().died, 0);
    });
}

#[test]
fn values_that_cannot_be_passed_on() {
    watched(|| {
        let pool = pool(1);
        let refused = pool
            .try_spawn(&BAD_ARGS, Unwritable)
            .expect_err("not to be written");
        assert!(matches!(refused.reason, Reason::Encode(_)), "{refused}");
        let error = pool
            .spawn(&BAD_RESULT, ())
            .join()
            .expect_err("not to be written");
        assert!(
            matches!(&error, JobError::Codec(why) if why.contains("'bad_result'")),
            "{error}"
        );
        assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
    });
}

/// What nobody joins is told once, and counted; a handler that panics harms nobody.
#[test]
fn errors_that_nobody_joins() {
    watched(|| {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = heard.clone();
        let builder = builder().workers(1).failure_handler(move |name, error| {
            ears.lock().unwrap().push((name.to_owned(), error.clone()));
            panic!("in the handler");
        });
        let pool = builder.build().expect("a small pool");
        pool.execute(&PANIC, "alone".into()).expect("accepted");
        pool.execute(&EXIT, 3).expect("accepted");
        pool.execute(&DOUBLE, 4).expect("accepted");
        pool.spawn(&PANIC, "dropped".into()).detach();
        let joined = pool.spawn(&PANIC, "joined".into()).join();
        assert!(joined.is_err());
        // When the pool has ended, everything was told.
        let _ = pool.shutdown(Shutdown::Drain);
        assert_eq!(pool.stats().panicked, 3);
        let expected = [
            ("panic".to_owned(), JobError::Panicked("alone".into())),
            ("exit".to_owned(), JobError::Died(Ended::Exited(3))),
            ("panic".to_owned(), JobError::Panicked("dropped".into())),
        ];
        // A mutex that the panic above has poisoned.
        let heard = heard
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        assert_eq!(*heard, expected);
    });
}

/// A waker that panics, in `wake` and in its drop.
struct Bad(Arc<AtomicU64>);

impl Wake for Bad {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
        panic!("in a waker");
    }
}

#[test]
fn wakers_that_panic() {
    watched(|| {
        let pool = pool(1);
        let woken = Arc::new(AtomicU64::new(0));
        for n in 0..20 {
            let mut job = pool.spawn(&DOUBLE, n);
            let waker = Waker::from(Arc::new(Bad(woken.clone())));
            let polled = Pin::new(&mut job).poll(&mut Context::from_waker(&waker));
            if polled.is_pending() {
                until(|| job.is_finished());
                assert_eq!(job.join(), Ok(2 * n));
            }
        }
        pool.wait_idle();
        assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
        assert!(pool.shutdown(Shutdown::Drain).is_clean());
    });
}
