//! The queue for jobs from outside, and for what a worker's ring had no room for.
//!
//! Several lanes, so that a thread which finds one in use takes the next one instead of waiting.
//! Order is kept within a lane; a thread keeps to its lane while that is free.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use exec_core::{
    Job,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::lane::{Container, Lane, Put};
use crate::padded::Padded;

/// Jobs for which a lane keeps the room when it is empty; a burst's gives it back.
const KEPT: usize = 4096;

/// A lane's content.
#[derive(Default)]
pub(crate) struct Jobs(VecDeque<Job>);

impl Container for Jobs {
    type Item = Job;
    const LOOK: u64 = u64::MAX;
    fn put(&mut self, job: Job) {
        self.0.push_back(job);
    }
    fn take_all(&mut self) -> Vec<Job> {
        core::mem::take(&mut self.0).into()
    }
    fn level(&self) -> u64 {
        self.0.len() as u64
    }
}

/// See the module head.
pub(crate) struct Injector {
    lanes: Box<[Padded<Lane<Jobs>>]>,
    /// Where the next look begins, so that no lane waits behind a full one.
    next: Padded<AtomicUsize>,
}

impl Injector {
    /// An injector of at least `lanes` lanes.
    pub(crate) fn new(lanes: usize) -> Self {
        let lanes = lanes.next_power_of_two();
        Self {
            lanes: (0..lanes)
                .map(|_| Padded(Lane::new(Jobs::default())))
                .collect(),
            next: Padded(AtomicUsize::new(0)),
        }
    }

    fn lane(&self, at: usize) -> &Lane<Jobs> {
        &self.lanes[at & (self.lanes.len() - 1)]
    }

    /// Adds a job, to the lane `hint` if that is free.
    ///
    /// The caller wakes a worker and calls [`settle`](Self::settle).
    ///
    /// # Errors
    /// The job, when the injector is closed.
    pub(crate) fn push(&self, job: Job, hint: usize) -> Result<(), Job> {
        let mut job = Some(job);
        for step in 0..self.lanes.len() {
            match self.lane(hint.wrapping_add(step)).try_put(&mut job) {
                Some(Put::Closed(job)) => return Err(job),
                Some(Put::In | Put::Late) => return Ok(()),
                None => {}
            }
        }
        let job = job.take().expect("invariant: no lane took it");
        match self.lane(hint).put(job) {
            Put::In | Put::Late => Ok(()),
            Put::Closed(job) => Err(job),
        }
    }

    /// Adds many jobs at once, in their order.
    ///
    /// # Errors
    /// The jobs, when the injector is closed.
    pub(crate) fn push_all(&self, jobs: Vec<Job>, hint: usize) -> Result<(), Vec<Job>> {
        let mut jobs = Some(jobs);
        for step in 0..self.lanes.len() {
            let done = self
                .lane(hint.wrapping_add(step))
                .try_with(|queue, closed| {
                    let jobs = jobs.take().expect("invariant: offered once");
                    if closed {
                        return Err(jobs);
                    }
                    queue.0.extend(jobs);
                    Ok(())
                });
            if let Some(done) = done {
                return done;
            }
        }
        let mut back = Vec::new();
        for job in jobs.take().into_iter().flatten() {
            if let Put::Closed(job) = self.lane(hint).put(job) {
                back.push(job);
            }
        }
        if back.is_empty() { Ok(()) } else { Err(back) }
    }

    /// Takes up to a worker's share, `most` at most: the first comes back, the rest go to `rest`.
    pub(crate) fn pop(&self, most: usize, sharers: usize, rest: impl Fn(Job)) -> Option<Job> {
        // ORDERING: a starting point; any value does.
        let from = self.next.load(Relaxed);
        for step in 0..self.lanes.len() {
            let at = from.wrapping_add(step);
            let lane = self.lane(at);
            if lane.level() == 0 {
                continue;
            }
            let first = lane.try_with(|queue, _| {
                let first = queue.0.pop_front()?;
                let share = queue.0.len().div_ceil(sharers).min(most);
                queue.0.drain(..share).for_each(&rest);
                if queue.0.is_empty() && queue.0.capacity() > KEPT {
                    queue.0 = VecDeque::new();
                }
                Some(first)
            });
            if let Some(Some(job)) = first {
                self.next.store(at.wrapping_add(1), Relaxed);
                return Some(job);
            }
        }
        None
    }

    /// Takes the oldest job of the lane `hint`, if that is free.
    pub(crate) fn pop_from(&self, hint: usize) -> Option<Job> {
        let lane = self.lane(hint);
        if lane.level() == 0 {
            return None;
        }
        lane.try_with(|queue, _| queue.0.pop_front()).flatten()
    }

    /// Whether every lane is empty; a caller that must not miss a job fences before.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.level() == 0)
    }

    /// How many jobs wait, roughly.
    pub(crate) fn len(&self) -> u64 {
        self.lanes
            .iter()
            .map(|lane| match lane.level() {
                Jobs::LOOK => 1,
                len => len,
            })
            .sum()
    }

    /// Refuses what comes from now on, and takes out what is there.
    pub(crate) fn close(&self) -> Vec<Job> {
        self.lanes.iter().flat_map(|lane| lane.close()).collect()
    }

    /// What a closed injector still holds; see [`Lane::settle`].
    pub(crate) fn settle(&self) -> Vec<Job> {
        self.lanes.iter().flat_map(|lane| lane.settle()).collect()
    }
}
