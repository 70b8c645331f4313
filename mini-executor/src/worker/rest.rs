//! How a worker without work rests, and how it is back in time.
//!
//! # Protocol
//! It looks out for a moment (`poll.rs`), then sleeps as told in `idle.rs`, in the reactor if
//! nobody is there (`driver.rs`), until its next timer; one sleeper watches those that are awake
//! (`watch.rs`).
//!
//! # Why nothing is lost
//! A sleep is announced, with a fence, before the queues, the timers and the phase are looked at
//! once more; whoever posts afterwards sees the announcement.

use exec_core::{Nanos, Threads};
use flight_recorder::Event;

use super::Worker;
use crate::{idle::Awake, phase::OPEN, poll::look_out, record::RESCUE, watch::Lone};

impl<T: Threads> Worker<T> {
    /// Looks out for work for a while; `true` when there is some.
    fn look_out(&self, limit: Nanos, over: &dyn Fn() -> bool) -> bool {
        let shared = &*self.shared;
        let time = self.patience.now();
        let awake = || shared.awake_threads();
        if time.is_zero() || shared.phase.get() != OPEN || !shared.lookout.take(awake) {
            return false;
        }
        // It counts as searching, so whoever posts a job meanwhile wakes nobody.
        if !self.searching.replace(true) {
            shared.idle.search();
        }
        self.stopwatch.interrupt();
        let lone = Lone::new();
        let seen = look_out(&shared.ground, time, limit, || {
            let held_up = || lone.is_held_up(shared.used().iter().map(|r| &r.queue));
            if shared.has_work() || shared.phase.get() != OPEN || over() {
                return true;
            }
            self.greedy.set(held_up());
            self.greedy.get()
        });
        shared.lookout.leave();
        self.patience.learn(seen);
        seen
    }

    /// Sleeps until there may be work, or until `limit`, or until this thread's token is set; not
    /// at all when it is `over` while it looks out.
    pub(super) fn sleep(&self, limit: Option<Nanos>, over: &dyn Fn() -> bool) {
        let shared = &*self.shared;
        let next = shared.next_timer();
        let until = limit.map_or(next, |limit| limit.min(next));
        // Whoever waits in the reactor is woken by it; a look-out would not see its events.
        if !shared.driver.is_used() && self.look_out(until, over) {
            return;
        }
        self.stopwatch.interrupt();
        shared.idle.announce(self.index, self.searching.take());
        if shared.has_work() || over() || shared.phase.get() != OPEN && shared.end_if_quiet() {
            if shared.idle.awake(self.index) == Awake::Alone {
                shared.idle.search();
            }
            self.cover.woke();
            self.searching.set(true);
            return;
        }
        // The fence is behind: timers that were added meanwhile are seen.
        let (next, keeps) = shared.keeper.arm(shared.next_timer(), || shared.now());
        let until = limit.map_or(next, |limit| limit.min(next));
        if until > Nanos(0) {
            self.counters().parks.bump();
            self.note(Event::ParkStart, || 0);
            self.park(until);
            self.note(Event::ParkEnd, || 0);
        }
        if keeps {
            shared.keeper.disarm(next);
        }
        let awake = shared.idle.awake(self.index);
        self.cover.woke();
        if awake == Awake::Claimed {
            self.counters().wakes.bump();
            self.searching.set(true);
            self.greedy.set(true);
        }
        if let Some(watchdog) = &shared.watchdog {
            watchdog.rouse(&shared.ground);
        }
    }

    /// Parks; as the one that watches the others, if nobody does and some are awake.
    fn park(&self, until: Nanos) {
        let shared = &*self.shared;
        let Some(rest) = shared.watch.take(self.index, || shared.is_any_awake(0)) else {
            let until = (until != Nanos::MAX).then_some(until);
            self.dispatch(|| self.bell.park(shared.ground, until));
            return;
        };
        shared.idle.prefer_others(self.index);
        let until = until.min(shared.now().saturating_add(rest));
        self.dispatch(|| {
            self.bell.park(shared.ground, Some(until));
            shared.driver.look();
        });
        if let Some(job) = self.watched.rescue(shared, self.index) {
            self.note(Event::Mark, || RESCUE);
            self.place_last(job);
        }
        shared.watch.leave(self.index);
        self.cover.left();
    }
}
