//! mini-executor's watch: of the workers that sleep one watches at most, and what waits behind a
//! worker that is held up is run once, whoever takes it.
#![cfg(loom)]

use std::{sync::Arc, task::Waker};

use exec_core::{Job, sync::with_seed};
use loom::{
    sync::atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Relaxed},
    },
    thread,
};
use loom_tests::{breaks, holds};
use mini_executor::model::{Idle, Watch, local};

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

/// Worker 0 wakes, and is held up in front of a job that it queues. Meanwhile worker 64 falls asleep,
/// whose bit is in another word. At the end that one watches, or it has been woken and will look
/// around, fall asleep, and see that the other one is awake.
///
/// At first both sleep and worker 64 watches, or worker 0 does and the other one is awake.
fn held_up_meets_falling_asleep(watching: usize) {
    const OTHER: usize = 64;
    let (idle, watch) = (Arc::new(Idle::new(OTHER + 1)), Arc::new(Watch::new()));
    for at in [0, OTHER] {
        // SAFETY: once for each, before it sleeps.
        unsafe { idle.register(at, Waker::noop().clone()) };
    }
    idle.announce(0, false);
    assert!(watch.take(watching, || true).is_some());
    if watching == OTHER {
        idle.announce(OTHER, false);
    }
    let other = {
        let (idle, watch) = (idle.clone(), watch.clone());
        thread::spawn(move || {
            if watching == OTHER {
                watch.leave(OTHER);
                let _ = idle.awake(OTHER);
                watch.woke();
            }
            idle.announce(OTHER, false);
            watch.take(OTHER, || idle.sleeping() < 2).is_some()
        })
    };
    if watching == 0 {
        watch.leave(0);
    }
    let _ = idle.awake(0);
    watch.woke();
    // Here it queues the job that it will not come to.
    if !watch.is_on() {
        let _ = idle.post();
    }
    let watches = other.join().unwrap();
    assert!(
        watches || !idle.is_asleep(OTHER),
        "nobody sees that worker 0 is held up"
    );
}

#[test]
fn one_that_is_held_up_is_seen() {
    holds(20, || held_up_meets_falling_asleep(64));
}

#[test]
fn one_that_is_held_up_is_seen_breaks_when_it_does_not_fence_as_it_wakes() {
    with_seed("watch: who wakes does not fence", || {
        breaks(|| held_up_meets_falling_asleep(64));
    });
}

#[test]
fn one_that_watched_itself_is_seen() {
    holds(10, || held_up_meets_falling_asleep(0));
}

#[test]
fn one_that_watched_itself_is_seen_breaks_when_the_watch_counts_as_on() {
    with_seed("watch: it counts as on when nobody watches", || {
        breaks(|| held_up_meets_falling_asleep(0));
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
