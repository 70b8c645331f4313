//! Where a worker finds its next job.
//!
//! # Protocol
//! The next slot, at most [`STREAK`] times in a row; else the ring; else a share of the injector;
//! else half of another worker's ring. Every so many turns (`pace.rs`) it looks around first: timers
//! that are due, and one job of the injector, so that a worker which is never out of work does not
//! starve what comes from outside; and the other way round, see `balance.rs`. At most half of the
//! workers search at a time; the last searcher that finds something wakes the next, if there is more.

use exec_core::{Job, Threads, sync::spin_loop};
use flight_recorder::Event;

use super::Worker;
use crate::queue::local::Steal;

/// Room in the ring for which the reactor is asked: as many events as it gives at once.
const BATCH: u32 = 16;
/// Looks after which it is asked although the ring is full.
const LOOK_ANYWAY: u32 = 16;
/// How often in a row the next slot goes before the ring.
const STREAK: u32 = 16;
/// Times that a thief goes around when others were at the rings it looked at.
const ROUNDS: u32 = 4;

impl<T: Threads> Worker<T> {
    /// The job to run in this turn.
    pub(super) fn next(&self) -> Option<Job> {
        if self.stopwatch.is_due()
            && let Some(job) = self.look_around()
        {
            return self.got(job);
        }
        if self.streak.get() < STREAK {
            if let Some(job) = self.queue.take_next() {
                self.streak.set(self.streak.get() + 1);
                return self.got(job);
            }
        } else if let Some(job) = self.queue.take_next() {
            self.place_last(job);
        }
        self.streak.set(0);
        if let Some(job) = self.queue.pop() {
            return self.got(job);
        }
        if self.shared.fire_timers()
            && let Some(job) = self.queue.take_next().or_else(|| self.queue.pop())
        {
            return self.got(job);
        }
        if let Some(job) = self.take_injected() {
            return self.got(job);
        }
        if self.shared.driver.is_used()
            && self.dispatch(|| self.shared.driver.look())
            && let Some(job) = self.queue.pop()
        {
            return self.got(job);
        }
        self.steal()
    }

    #[inline]
    fn got(&self, job: Job) -> Option<Job> {
        if self.is_settling() {
            self.greedy.set(false);
            self.settle();
        }
        Some(job)
    }

    /// Whether the others count on this worker for something that it won't do once it has a job.
    #[inline]
    pub(super) fn is_settling(&self) -> bool {
        self.searching.get() || self.cover.has_left()
    }

    /// It has a job, so it no longer searches. The last searcher wakes the next, if there is more;
    /// and so that somebody watches (`watch.rs`).
    #[cold]
    pub(super) fn settle(&self) {
        let shared = &*self.shared;
        let last = self.searching.take() && shared.idle.found();
        let other_awake = || shared.is_any_awake(1);
        if self.cover.is_to_hand_on(&shared.watch, last, other_awake) || last && shared.has_work() {
            self.note_wake(shared.idle.post());
        }
    }

    #[cold]
    fn look_around(&self) -> Option<Job> {
        let shared = &*self.shared;
        let pace = &self.remote().pace;
        if shared.sim.is_none() {
            // Time that a seed makes tells nothing of the pace.
            let others = shared.busy_threads().saturating_sub(1);
            let took = self.stopwatch.look(shared.ground.now(), pace, others);
            self.balance.settle(took);
        }
        let looks = self.looks.get().wrapping_add(1);
        self.looks.set(looks);
        shared.fire_timers();
        let first = match self.balance.is_owing() && self.queue.has_any() {
            true => None,
            false => self.take_injected(),
        };
        if first.is_some() {
            self.balance.take_outside();
        }
        // Events that the ring has no room for are better off with the system: see `reactor.rs`;
        // but tasks that never wait must not keep sockets from being served.
        if self.queue.room() >= BATCH || looks.is_multiple_of(LOOK_ANYWAY) {
            self.dispatch(|| shared.driver.look());
        }
        if pace.is_worth(self.queue.len()) {
            // What was queued here since the last look was only hinted at.
            self.note_wake(shared.idle.post());
        }
        first
    }

    /// Calls `f`, which wakes tasks in the order in which the system reports what they wait for.
    pub(super) fn dispatch<R>(&self, f: impl FnOnce() -> R) -> R {
        self.dispatching.set(true);
        let result = f();
        self.dispatching.set(false);
        self.hint_for_many();
        result
    }

    fn take_injected(&self) -> Option<Job> {
        let room = self.queue.room() as usize / 2;
        self.shared.injector.pop(room, self.shared.workers, |job| {
            let pushed = self.queue.push(job);
            debug_assert!(pushed.is_ok(), "invariant: there was room");
        })
    }

    fn steal(&self) -> Option<Job> {
        let shared = &*self.shared;
        if !self.searching.get() {
            if !shared.idle.try_search() {
                return None;
            }
            self.searching.set(true);
        }
        let count = shared.in_use();
        let least = if self.greedy.get() { 1 } else { 2 };
        for _ in 0..ROUNDS {
            let mut again = false;
            let from = self.roll() as usize % count;
            for step in 0..count {
                let victim = (from + step) % count;
                let remote = &shared.remotes[victim];
                if victim == self.index || !self.greedy.get() && !remote.is_worth_a_thief() {
                    continue;
                }
                match remote.queue.steal_into(&self.queue, least) {
                    Steal::Success(job, n) => {
                        self.counters().steals.bump_by(n.into());
                        self.note(Event::Steal, || victim as u64);
                        return self.got(job);
                    }
                    Steal::Retry => again = true,
                    Steal::Empty => {}
                }
            }
            if let Some(job) = self.take_injected() {
                return self.got(job);
            }
            if !again {
                break;
            }
            spin_loop();
        }
        None
    }

    /// A cheap random number (xorshift), to spread thieves over victims.
    fn roll(&self) -> u64 {
        let mut x = self.dice.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.dice.set(x);
        x
    }
}
