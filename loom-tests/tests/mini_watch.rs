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
use mini_executor::model::{Cover, Idle, Watch, local};

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

/// The worker that is held up.
const HELD_UP: usize = 0;
/// Another one, whose bit is in another word.
const OTHER: usize = 64;
/// A third one.
const THIRD: usize = 1;

/// Some workers, all awake, with the watch that they share.
struct Workers {
    idle: Idle,
    watch: Watch,
    awake_at_most: usize,
}

impl Workers {
    fn new(all: &[usize]) -> Arc<Self> {
        let idle = Idle::new(OTHER + 1);
        for at in all {
            // SAFETY: once for each, before it sleeps.
            unsafe { idle.register(*at, Waker::noop().clone()) };
        }
        Arc::new(Self {
            idle,
            watch: Watch::new(),
            awake_at_most: all.len(),
        })
    }

    fn is_any_awake(&self, besides: usize) -> bool {
        self.idle.sleeping() + besides < self.awake_at_most
    }

    /// Worker `own` falls asleep; whether it watches then.
    fn sleep(&self, own: usize) -> bool {
        self.idle.announce(own, false);
        self.watch.take(own, || self.is_any_awake(0)).is_some()
    }

    /// Worker `own` falls asleep, and watches for those that are to wake soon.
    fn sleep_as_watch(&self, own: usize) -> bool {
        self.idle.announce(own, false);
        self.watch.take(own, || true).is_some()
    }

    /// Worker `own`, which `watched`, wakes by itself.
    fn wake(&self, own: usize, watched: bool) -> Cover {
        let cover = Cover::new();
        if watched {
            self.watch.leave(own);
            cover.left();
        }
        let _ = self.idle.awake(own);
        cover.woke();
        cover
    }

    /// A worker queues a job behind the one that it runs.
    fn queue(&self, cover: &Cover) {
        if cover.is_to_call(&self.watch) {
            let _ = self.idle.post();
        }
    }

    /// A worker gets a job that it will be busy with.
    fn get_job(&self, cover: &Cover, searched: bool) {
        let last = searched && self.idle.found();
        if cover.is_to_hand_on(&self.watch, last, || self.is_any_awake(1)) {
            let _ = self.idle.post();
        }
    }
}

/// Worker 0 wakes, and is held up in front of a job that it queues. Meanwhile another one falls asleep.
/// At the end that one watches, or it has been woken and will look around, fall asleep, and see that
/// the first one is awake.
///
/// At first both sleep and the other one watches, or worker 0 does and the other one is awake.
fn held_up_meets_falling_asleep(watching: usize) {
    let workers = Workers::new(&[HELD_UP, OTHER]);
    workers.idle.announce(HELD_UP, false);
    assert!(workers.watch.take(watching, || true).is_some());
    if watching == OTHER {
        workers.idle.announce(OTHER, false);
    }
    let other = {
        let workers = workers.clone();
        thread::spawn(move || {
            if watching == OTHER {
                let _ = workers.wake(OTHER, true);
            }
            workers.sleep(OTHER)
        })
    };
    let cover = workers.wake(HELD_UP, watching == HELD_UP);
    workers.queue(&cover);
    let watches = other.join().unwrap();
    assert!(
        watches || !workers.idle.is_asleep(OTHER),
        "nobody sees that worker 0 is held up"
    );
}

#[test]
fn one_that_is_held_up_is_seen() {
    holds(20, || held_up_meets_falling_asleep(OTHER));
}

#[test]
fn one_that_is_held_up_is_seen_breaks_when_it_does_not_fence_as_it_wakes() {
    with_seed("watch: who wakes does not fence", || {
        breaks(|| held_up_meets_falling_asleep(OTHER));
    });
}

#[test]
fn one_that_watched_itself_is_seen() {
    holds(10, || held_up_meets_falling_asleep(HELD_UP));
}

#[test]
fn one_that_watched_itself_is_seen_breaks_when_the_watch_counts_as_on() {
    with_seed("watch: it counts as on when nobody watches", || {
        breaks(|| held_up_meets_falling_asleep(HELD_UP));
    });
}

/// Worker 0 wakes, and is held up in front of a job that it queues. The one that watches gets a job of
/// its own at that moment. At the end the third one, which sleeps, has been woken.
fn held_up_meets_a_busy_watch() {
    let workers = Workers::new(&[HELD_UP, OTHER, THIRD]);
    workers.idle.announce(HELD_UP, false);
    workers.idle.announce(THIRD, false);
    assert!(workers.sleep_as_watch(OTHER));
    let other = {
        let workers = workers.clone();
        thread::spawn(move || {
            let cover = workers.wake(OTHER, true);
            workers.get_job(&cover, false);
        })
    };
    let cover = workers.wake(HELD_UP, false);
    workers.queue(&cover);
    other.join().unwrap();
    assert!(
        !workers.idle.is_asleep(THIRD),
        "worker 0 is held up, and the third one sleeps on"
    );
}

#[test]
fn a_watch_that_gets_a_job_is_relieved() {
    holds(20, held_up_meets_a_busy_watch);
}

#[test]
fn a_watch_that_gets_a_job_is_relieved_breaks_when_it_does_not_hand_on() {
    with_seed("watch: who leaves it does not hand it on", || {
        breaks(held_up_meets_a_busy_watch);
    });
}

#[test]
fn a_watch_that_gets_a_job_is_relieved_breaks_when_it_does_not_fence_as_it_wakes() {
    with_seed("watch: who wakes does not fence", || {
        breaks(held_up_meets_a_busy_watch);
    });
}

/// Worker 0 is held up in front of a job that it queues, and its post counts on one that searches, which
/// gets a job of its own. At the end the third one, which sleeps, has been woken.
fn held_up_meets_a_busy_searcher() {
    let workers = Workers::new(&[HELD_UP, OTHER, THIRD]);
    workers.idle.announce(THIRD, false);
    workers.idle.search();
    let other = {
        let workers = workers.clone();
        thread::spawn(move || workers.get_job(&Cover::new(), true))
    };
    workers.queue(&Cover::new());
    other.join().unwrap();
    assert!(
        !workers.idle.is_asleep(THIRD),
        "worker 0 is held up, and the third one sleeps on"
    );
}

#[test]
fn a_searcher_that_gets_a_job_calls_a_watch() {
    holds(10, held_up_meets_a_busy_searcher);
}

#[test]
fn a_searcher_that_gets_a_job_calls_a_watch_breaks_when_it_does_not_look() {
    with_seed("watch: who stops searching does not look at it", || {
        breaks(held_up_meets_a_busy_searcher);
    });
}

/// Two workers fall asleep while worker 0 is held up, and the one that is faster wakes and gets a job
/// at once. At the end the slower one watches, or has been woken.
fn held_up_meets_two_falling_asleep() {
    let workers = Workers::new(&[HELD_UP, OTHER, THIRD]);
    let other = {
        let workers = workers.clone();
        thread::spawn(move || {
            let watched = workers.sleep(OTHER);
            let cover = workers.wake(OTHER, watched);
            workers.get_job(&cover, false);
        })
    };
    let watches = workers.sleep(THIRD);
    other.join().unwrap();
    assert!(
        watches || !workers.idle.is_asleep(THIRD),
        "worker 0 is held up, and the third one sleeps on"
    );
}

#[test]
fn of_two_that_fall_asleep_one_watches_on() {
    holds(20, held_up_meets_two_falling_asleep);
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
