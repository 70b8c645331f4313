//! mini-executor's watch: of the workers that sleep one watches at most, and what waits behind a
//! worker that is held up is run once, whoever takes it.
#![cfg(loom)]

use std::sync::Arc;

use exec_core::{Job, sync::with_seed};
use loom::{
    sync::atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Relaxed},
    },
    thread,
};
use loom_tests::{breaks, holds};
use mini_executor::model::{Watch, local};

struct Watching {
    watch: Watch,
    now: AtomicUsize,
    ever: AtomicUsize,
}

impl Watching {
    /// Worker `own` falls asleep while others are awake, and watches if it should.
    fn sleep(&self, own: usize) {
        if self.watch.take(own, || true).is_some() {
            assert_eq!(self.now.fetch_add(1, AcqRel), 0, "two watch");
            self.ever.fetch_add(1, Relaxed);
            self.now.fetch_sub(1, AcqRel);
            self.watch.leave(own);
        }
        assert!(self.watch.is_on(), "nobody has gone quiet");
    }
}

fn two_fall_asleep() {
    let watching = Arc::new(Watching {
        watch: Watch::new(),
        now: AtomicUsize::new(0),
        ever: AtomicUsize::new(0),
    });
    let other = {
        let watching = watching.clone();
        thread::spawn(move || watching.sleep(1))
    };
    watching.sleep(0);
    other.join().unwrap();
    assert!(watching.ever.load(Relaxed) >= 1, "one of them watches");
}

#[test]
fn one_watches_at_a_time() {
    holds(10, two_fall_asleep);
}

#[test]
fn one_watches_at_a_time_breaks_with_a_look_and_a_write() {
    with_seed("watch: taken by a look and a write", || {
        breaks(two_fall_asleep);
    });
}

/// The watch takes over from a worker that comes back at that moment and goes on by itself.
fn takeover_meets_owner() {
    let (queue, stealer) = local::ring();
    let ran = Arc::new(AtomicUsize::new(0));
    let job = || {
        let ran = ran.clone();
        Job::new(move || {
            ran.fetch_add(1, Relaxed);
        })
    };
    assert!(matches!(queue.put_next(job()), Ok(None)));
    let watch = thread::spawn(move || {
        if let Some(job) = stealer.take_next() {
            assert!(job.run().is_ok());
        }
    });
    if let Some(own) = queue.take_next() {
        assert!(own.run().is_ok());
    }
    // The next one goes in whether or not the watch is still reading the last one.
    let kept = match queue.put_next(job()) {
        Ok(None) => None,
        Ok(Some(job)) | Err(job) => Some(job),
    };
    for job in kept.into_iter().chain(queue.take_next()) {
        assert!(job.run().is_ok());
    }
    watch.join().unwrap();
    drop(queue);
    assert_eq!(ran.load(Relaxed), 2, "each once");
}

#[test]
fn what_is_taken_over_runs_once() {
    holds(10, takeover_meets_owner);
}

#[test]
fn what_is_taken_over_runs_once_breaks_when_the_owner_does_not_wait_for_the_reader() {
    with_seed("slot: put does not wait for the reader", || {
        breaks(takeover_meets_owner);
    });
}
