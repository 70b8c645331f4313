//! Sleeping and waking in pool-workstealing: posts, exits and resizes against sleepers.
#![cfg(loom)]

use std::sync::Arc;

use exec_core::sync::with_seed;
use loom::{
    sync::atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    thread,
};
use loom_tests::{breaks, holds};
use pool_workstealing::model::{Sleep, Steal, Worker};

/// A pool of sleepers over a counter of jobs.
struct Pool {
    sleep: Sleep,
    jobs: AtomicUsize,
    stop: AtomicBool,
    /// Workers in seats from here on leave.
    threads: AtomicUsize,
    ran: AtomicUsize,
}

impl Pool {
    fn new(seats: usize) -> Arc<Self> {
        Arc::new(Self {
            sleep: Sleep::new(seats),
            jobs: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            threads: AtomicUsize::new(seats),
            ran: AtomicUsize::new(0),
        })
    }

    fn post(&self) {
        self.jobs.fetch_add(1, Release);
        self.sleep.posted();
    }

    fn has_jobs(&self) -> bool {
        self.jobs.load(Acquire) != 0
    }

    fn take(&self) -> bool {
        self.jobs
            .fetch_update(AcqRel, Acquire, |n| n.checked_sub(1))
            .is_ok()
    }

    fn must_leave(&self, me: usize) -> bool {
        self.stop.load(Acquire) || me >= self.threads.load(Acquire)
    }

    /// Runs until it has run `quota` jobs or has to leave.
    fn work(&self, me: usize, quota: usize) {
        self.sleep.arrive(me);
        for _ in 0..quota {
            loop {
                if self.must_leave(me) {
                    return self.sleep.depart(me, || self.has_jobs());
                }
                if self.take() {
                    break;
                }
                self.sleep
                    .sleep(me, || self.has_jobs() || self.must_leave(me));
            }
            self.sleep.stop_search(|| self.has_jobs());
            self.ran.fetch_add(1, Relaxed);
            self.sleep.start_search();
        }
        self.sleep.depart(me, || self.has_jobs());
    }

    fn spawn(self: &Arc<Self>, me: usize, quota: usize) -> thread::JoinHandle<()> {
        let pool = self.clone();
        thread::spawn(move || pool.work(me, quota))
    }
}

fn a_post_meets_a_sleeper() {
    let pool = Pool::new(1);
    let worker = pool.spawn(0, 1);
    pool.post();
    worker.join().unwrap();
    assert_eq!(pool.ran.load(Relaxed), 1);
}

/// The worker ends only when the job has run: a lost wake-up is a deadlock, which loom reports.
#[test]
fn no_post_is_lost_to_a_sleeper() {
    holds(20, a_post_meets_a_sleeper);
}

#[test]
fn a_post_without_fence_breaks() {
    with_seed("sleep: no fence after the post", || {
        breaks(a_post_meets_a_sleeper);
    });
}

#[test]
fn a_sleep_without_fence_breaks() {
    with_seed("sleep: no fence before the last look", || {
        breaks(a_post_meets_a_sleeper);
    });
}

#[test]
fn a_sleep_without_a_last_look_breaks() {
    with_seed("sleep: no last look", || breaks(a_post_meets_a_sleeper));
}

/// Two posts wake one worker each or one after the other; each worker ends when it has run one.
fn two_posts_meet_two_sleepers() {
    let pool = Pool::new(2);
    let workers = [pool.spawn(0, 1), pool.spawn(1, 1)];
    pool.post();
    pool.post();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!(pool.ran.load(Relaxed), 2);
}

#[test]
fn a_post_that_relies_on_a_searcher_is_run() {
    holds(1_000, two_posts_meet_two_sleepers);
}

/// A worker that ends its quota passes on what is left, so only the search's end is seeded.
#[test]
fn a_last_searcher_that_wakes_nobody_breaks() {
    with_seed("sleep: the last searcher wakes nobody", || {
        breaks(two_posts_meet_two_sleepers);
    });
}

/// A stop reaches a worker that is about to sleep, whatever is posted meanwhile.
fn an_exit_meets_a_sleeper() {
    let pool = Pool::new(1);
    let worker = pool.spawn(0, 2);
    pool.post();
    pool.stop.store(true, Release);
    loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
    pool.sleep.wake_all();
    worker.join().unwrap();
    let left = pool.jobs.load(Relaxed);
    assert_eq!(
        pool.ran.load(Relaxed) + left,
        1,
        "run, or left for the stop"
    );
}

#[test]
fn no_exit_is_lost_to_a_sleeper() {
    holds(20, an_exit_meets_a_sleeper);
}

#[test]
fn an_exit_that_the_last_look_misses_breaks() {
    with_seed("sleep: no last look", || breaks(an_exit_meets_a_sleeper));
}

/// The pool shrinks by one while a job is posted: the job may wake the worker that leaves.
fn a_resize_meets_a_post() {
    let pool = Pool::new(2);
    let stays = pool.spawn(0, 1);
    let leaves = pool.spawn(1, 1);
    let poster = {
        let pool = pool.clone();
        thread::spawn(move || pool.post())
    };
    pool.threads.store(1, Release);
    loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
    pool.sleep.wake_all();
    poster.join().unwrap();
    leaves.join().unwrap();
    if pool.ran.load(Relaxed) == 0 {
        // The one that stays has to come for it.
        stays.join().unwrap();
        assert_eq!(pool.ran.load(Relaxed), 1);
    } else {
        pool.stop.store(true, Release);
        loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
        pool.sleep.wake_all();
        stays.join().unwrap();
    }
}

#[test]
fn a_worker_that_leaves_passes_its_wake_on() {
    holds(1_000, a_resize_meets_a_post);
}

#[test]
fn a_worker_that_keeps_its_wake_breaks() {
    with_seed("sleep: a leaver passes nothing on", || {
        breaks(a_resize_meets_a_post);
    });
}

/// A job pushed to a worker's own deque reaches a thief that may lose races and may sleep.
fn a_spawn_meets_a_thief() {
    let sleep = Arc::new(Sleep::new(2));
    let deque = Worker::new_lifo();
    let stealer = deque.stealer();
    let thief = {
        let sleep = sleep.clone();
        thread::spawn(move || {
            sleep.arrive(1);
            loop {
                match stealer.steal() {
                    Steal::Success(job) => return job,
                    Steal::Retry => thread::yield_now(),
                    Steal::Empty => {
                        sleep.sleep(1, || !stealer.is_empty());
                    }
                }
            }
        })
    };
    deque.push(7);
    sleep.posted();
    assert_eq!(thief.join().unwrap(), 7);
}

#[test]
fn a_spawn_on_a_worker_wakes_a_thief() {
    holds(10, a_spawn_meets_a_thief);
}

#[test]
fn a_thief_without_a_last_look_breaks() {
    with_seed("sleep: no last look", || breaks(a_spawn_meets_a_thief));
}

/// A worker of two that runs a job and does not come back from it.
fn run_for_good(sleep: &Sleep, me: usize, more: impl FnOnce() -> bool) {
    sleep.arrive(me);
    sleep.stop_search(more);
}

/// A post from outside meets one worker that runs for long and one that may sleep.
fn a_post_from_outside_meets_a_busy_pool() {
    let pool = Pool::new(2);
    run_for_good(&pool.sleep, 0, || false);
    let worker = pool.spawn(1, 1);
    pool.jobs.fetch_add(1, Release);
    pool.sleep.posted_outside(|| pool.has_jobs());
    worker.join().unwrap();
    assert_eq!(pool.ran.load(Relaxed), 1);
}

#[test]
fn a_patient_poster_wakes_at_last() {
    holds(20, a_post_from_outside_meets_a_busy_pool);
}

#[test]
fn a_poster_that_relies_on_a_busy_worker_breaks() {
    with_seed("sleep: a poster relies on a running worker", || {
        breaks(a_post_from_outside_meets_a_busy_pool);
    });
}

/// A worker pushes to its own deque while another, who found work elsewhere, ends its search:
/// the third has to come for it.
fn a_search_ends_beside_a_push() {
    let sleep = Arc::new(Sleep::new(3));
    let deque = Worker::new_lifo();
    run_for_good(&sleep, 0, || false);
    let ends = {
        let (sleep, stealer) = (sleep.clone(), deque.stealer());
        thread::spawn(move || {
            // As a searcher looks: the deques of the others only when somebody else is awake.
            let more = || !sleep.is_rest_asleep() && !stealer.is_empty();
            run_for_good(&sleep, 1, more);
        })
    };
    let comes = {
        let (sleep, stealer) = (sleep.clone(), deque.stealer());
        thread::spawn(move || {
            sleep.arrive(2);
            loop {
                match stealer.steal() {
                    Steal::Success(job) => return job,
                    Steal::Retry => thread::yield_now(),
                    Steal::Empty => {
                        sleep.sleep(2, || !stealer.is_empty());
                    }
                }
            }
        })
    };
    deque.push(7);
    sleep.posted();
    assert_eq!(comes.join().unwrap(), 7);
    ends.join().unwrap();
}

#[test]
fn the_end_of_a_search_sees_what_a_runner_pushed() {
    holds(100, a_search_ends_beside_a_push);
}

#[test]
fn the_end_of_a_search_that_skips_a_runner_breaks() {
    with_seed("sleep: a runner counts as asleep", || {
        breaks(a_search_ends_beside_a_push);
    });
}

/// A worker exposes a fork while a thread outside stands in, and then does nothing else.
fn a_fork_meets_a_stand_in() {
    let pool = Pool::new(1);
    let thief = pool.spawn(0, 1);
    pool.sleep.stand_in();
    let owner = {
        let pool = pool.clone();
        thread::spawn(move || {
            pool.jobs.fetch_add(1, AcqRel);
            pool.sleep.forked_by_rmw();
        })
    };
    pool.sleep.stand_down(|| pool.has_jobs());
    owner.join().unwrap();
    thief.join().unwrap();
    assert_eq!(pool.ran.load(Relaxed), 1);
}

#[test]
fn no_fork_is_lost_to_a_stand_in() {
    holds(10_000, a_fork_meets_a_stand_in);
}

#[test]
fn a_stand_in_that_wakes_nobody_breaks() {
    with_seed("sleep: a stand-in wakes nobody", || {
        breaks(a_fork_meets_a_stand_in);
    });
}
