//! The pool's state under its one lock: the queue, the slots, and how a call gets from one to the
//! other.
//!
//! Nothing here blocks, and no user code runs: what has to be done without the lock (send a frame,
//! wake a joiner, ring the bell) is collected in [`After`].
//!
//! # Protocol
//! 1. A call goes to an idle worker, the one that was busy last, or into the queue.
//! 2. Whoever reads a worker's answer ([`Reading`]) takes the call out of the slot and gives the
//!    worker the next call of the queue.
//! 3. A worker that ends gives its call back: to the front of the queue when it had not begun it,
//!    as an error otherwise.
//!
//! # Why nothing is lost
//! A call is in the queue, in one slot, or has its outcome. An idle worker and a queued call do not
//! exist at once: a submission takes an idle worker first, and a worker that becomes idle takes a
//! call first, both under the lock.
//!
//! An answer that nobody reads would hold its worker. So as soon as anybody depends on workers
//! getting free ([`must_read`](State::must_read): the queue is not empty, the pool closes, somebody
//! waits for it to be idle), every worker without a reader is armed, that is, left to the
//! supervisor; and a worker is armed when its job's handle is polled or dropped. A joiner that
//! stops reading before its answer has come falls under the same rule.

use core::time::Duration;
use std::collections::VecDeque;

use exec_core::{Nanos, Stats, sync::Arc};

use crate::{
    call::{Call, Outcome, Settled},
    error::{Ended, JobError, Reason},
    frame::Kind,
    poller::{Interest, Poller},
    process::Process,
    slot::{Phase, Reading, Slot, Verdict},
    stats::WorkerStats,
};

/// How often a job is sent to another worker, when one after the other dies before it begins it.
const RETRIES: u32 = 3;

/// After so many workers in a row that have come to nothing, jobs are refused.
const BROKEN: u32 = 8;

/// So many may be replaced at once; then there are pauses between.
const FREE: u32 = 2;

/// The first pause, and the longest.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A worker that lives shorter and begins no job has come to nothing.
const FRUITLESS: Duration = Duration::from_secs(1);

/// How far the pool's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closing {
    Open,
    /// What was accepted is run.
    Drain,
    /// What is queued is cancelled, what runs is killed.
    Now,
}

/// A frame to be sent.
pub(crate) type Send = (usize, Arc<Process>, Arc<Call>);

/// What is left to do without the lock.
#[derive(Debug, Default)]
pub(crate) struct After {
    pub(crate) send: Vec<Send>,
    /// Calls that are complete, with what is left to do for each.
    pub(crate) done: Vec<(Arc<Call>, Settled)>,
    /// The supervisor has to look again.
    pub(crate) ring: bool,
    /// Places in the queue that became free.
    pub(crate) room: bool,
    /// Somebody may have waited for this: the pool is idle, or a worker is ready, or gone.
    pub(crate) quiet: bool,
}

impl After {
    /// Completes a call: whoever finds the pool idle finds its calls complete.
    fn settle(&mut self, call: Arc<Call>, outcome: Outcome) {
        let settled = call.complete(outcome);
        self.done.push((call, settled));
    }
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: VecDeque<Arc<Call>>,
    pub(crate) slots: Vec<Slot>,
    /// Idle slots, the last one the warmest.
    idle: Vec<usize>,
    /// Slots with a call.
    pub(crate) busy: usize,
    /// A slot with a call may have no reader.
    unread: bool,
    pub(crate) closing: Closing,
    /// Threads that wait for the pool to be idle.
    pub(crate) watchers: usize,
    /// When the supervisor looks again by itself.
    pub(crate) timer: Nanos,
    /// Workers in a row that have come to nothing, and what was wrong with the last.
    pub(crate) failures: u32,
    pub(crate) trouble: String,
    /// Before this no worker is started.
    pub(crate) not_before: Nanos,
    /// The supervisor has gone.
    pub(crate) ended: bool,
    pub(crate) stats: Stats,
    pub(crate) workers: WorkerStats,
    /// Jobs that were killed: they neither ended by themselves nor were they dropped unrun.
    pub(crate) killed: u64,
}

impl State {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            slots: (0..workers).map(|_| Slot::new()).collect(),
            idle: Vec::with_capacity(workers),
            busy: 0,
            unread: false,
            closing: Closing::Open,
            watchers: 0,
            timer: Nanos::MAX,
            failures: 0,
            trouble: String::new(),
            not_before: Nanos(0),
            ended: false,
            stats: Stats::default(),
            workers: WorkerStats::default(),
            killed: 0,
        }
    }

    /// How many workers serve.
    pub(crate) fn ready(&self) -> usize {
        let ready = |slot: &&Slot| slot.ready_at.is_some();
        self.slots.iter().filter(ready).count()
    }

    /// Whether nothing is queued and nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.busy == 0 && self.queue.is_empty()
    }

    /// Whether anybody depends on workers getting free.
    pub(crate) fn must_read(&self) -> bool {
        !self.queue.is_empty() || self.closing != Closing::Open || self.watchers > 0
    }

    /// Whether workers can't be started for now, and there is none.
    pub(crate) fn broken(&self, now: Nanos) -> Option<Reason> {
        let broken = self.failures >= BROKEN && now < self.not_before && self.workers.alive == 0;
        broken.then(|| Reason::NoWorker(self.trouble.clone()))
    }

    /// Takes a call, for an idle worker or for the queue.
    pub(crate) fn submit(
        &mut self,
        poller: &Poller,
        call: &Arc<Call>,
        now: Nanos,
        after: &mut After,
    ) {
        self.stats.scheduled += 1;
        if let Some(slot) = self.idle.pop() {
            self.assign(poller, slot, call.clone(), now, after);
        } else {
            self.queue.push_back(call.clone());
            self.arm_unread(poller);
            // A worker may have to be started.
            after.ring |= self.workers.alive < self.slots.len();
        }
    }

    /// Whether a worker is idle.
    pub(crate) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    fn assign(
        &mut self,
        poller: &Poller,
        index: usize,
        call: Arc<Call>,
        now: Nanos,
        after: &mut After,
    ) {
        call.put(Some(index));
        let deadline = call.limit.map(|limit| now.saturating_add(limit));
        let slot = &mut self.slots[index];
        slot.phase = Phase::Busy;
        slot.deadline = deadline;
        slot.call = Some(call.clone());
        if let Some(process) = &slot.process {
            after.send.push((index, process.clone(), call));
        }
        self.busy += 1;
        after.ring |= deadline.is_some_and(|at| at < self.timer);
        if self.slots[index].reading == Reading::Nobody {
            self.leave(poller, index);
        }
    }

    /// Nobody reads this worker for now: armed where it must be read.
    fn leave(&mut self, poller: &Poller, index: usize) {
        self.slots[index].reading = Reading::Nobody;
        if self.must_read() {
            self.set_reading(poller, index, Reading::Armed);
        } else {
            self.unread = true;
        }
    }

    /// Leaves every worker that nobody reads to the supervisor.
    pub(crate) fn arm_unread(&mut self, poller: &Poller) {
        if !self.unread {
            return;
        }
        self.unread = false;
        for index in 0..self.slots.len() {
            self.arm(poller, index);
        }
    }

    /// Leaves this worker to the supervisor, if it runs a call and nobody reads it.
    pub(crate) fn arm(&mut self, poller: &Poller, index: usize) {
        let slot = &self.slots[index];
        if slot.reading == Reading::Nobody && slot.call.is_some() {
            self.set_reading(poller, index, Reading::Armed);
        }
    }

    /// Changes who reads, and tells the poller.
    pub(crate) fn set_reading(&mut self, poller: &Poller, index: usize, reading: Reading) {
        self.slots[index].reading = reading;
        self.listen(poller, index);
    }

    /// Tells the poller what of this slot is of interest.
    pub(crate) fn listen(&self, poller: &Poller, index: usize) {
        let slot = &self.slots[index];
        if let Some(process) = &slot.process {
            let interest = Interest {
                read: matches!(slot.reading, Reading::Armed | Reading::Supervisor),
                write: slot.unsent.is_some(),
            };
            poller.modify(process, index, slot.generation, interest);
        }
    }

    /// Gives the joiner of `call` the right to read the answer itself, where that is possible.
    ///
    /// Only a joiner that stays until the answer has come may take it from the supervisor
    /// (`armed`): else it would be nobody's when it is given back, and a future not woken.
    pub(crate) fn take_over(
        &mut self,
        poller: &Poller,
        call: &Arc<Call>,
        armed: bool,
    ) -> Option<Send> {
        let index = call.slot()?;
        let armed = armed && !self.must_read();
        let slot = &mut self.slots[index];
        if !slot.runs(call) || slot.dead || slot.phase != Phase::Busy {
            return None;
        }
        match slot.reading {
            Reading::Nobody => slot.reading = Reading::Joiner,
            Reading::Armed if armed => self.set_reading(poller, index, Reading::Joiner),
            Reading::Armed | Reading::Supervisor | Reading::Joiner => return None,
        }
        let process = self.slots[index].process.clone()?;
        Some((index, process, call.clone()))
    }

    /// Takes the right to read back from a joiner.
    pub(crate) fn give_back(&mut self, poller: &Poller, index: usize, after: &mut After) {
        let slot = &self.slots[index];
        if slot.reading != Reading::Joiner {
            return;
        }
        after.ring |= slot.dead;
        if slot.call.is_some() {
            self.leave(poller, index);
        } else {
            self.slots[index].reading = Reading::Nobody;
        }
    }

    /// Takes in what a worker has said.
    pub(crate) fn heard(
        &mut self,
        poller: &Poller,
        index: usize,
        (kind, job, body): (Kind, u64, Vec<u8>),
        now: Nanos,
        after: &mut After,
    ) {
        let slot = &mut self.slots[index];
        if kind == Kind::Ready && slot.phase == Phase::Starting {
            slot.ready_at = Some(now);
            slot.deadline = None;
            after.quiet = true;
            self.next(poller, index, now, after);
            return;
        }
        let expected = slot.unsent.is_none() && slot.call.as_ref().is_some_and(|c| c.id == job);
        let outcome = match kind {
            Kind::Done if expected => Ok(body),
            Kind::Panicked if expected => Err(JobError::Panicked(
                String::from_utf8_lossy(&body).into_owned(),
            )),
            Kind::Codec if expected => {
                Err(JobError::Codec(String::from_utf8_lossy(&body).into_owned()))
            }
            _ => return self.condemn(index, Verdict::Garbled),
        };
        self.failures = 0;
        self.stats.ran += 1;
        if let Some(call) = self.take_call(index) {
            after.settle(call, outcome);
        }
        if self.slots[index].phase == Phase::Busy {
            self.next(poller, index, now, after);
        }
        self.quieten(after);
    }

    /// Kills a worker, whatever its phase.
    pub(crate) fn condemn(&mut self, index: usize, why: Verdict) {
        self.forget_idle(index);
        self.slots[index].kill(why);
    }

    /// The worker has closed its socket: it is about to end, and is helped where it is not.
    pub(crate) fn hung_up(&mut self, index: usize) {
        self.forget_idle(index);
        let slot = &mut self.slots[index];
        slot.phase = Phase::Ending;
        slot.deadline = None;
        if let Some(process) = &slot.process {
            process.kill();
        }
    }

    /// An idle worker gets no more calls.
    pub(crate) fn forget_idle(&mut self, index: usize) {
        self.idle.retain(|idle| *idle != index);
    }

    fn take_call(&mut self, index: usize) -> Option<Arc<Call>> {
        let slot = &mut self.slots[index];
        let call = slot.call.take()?;
        slot.deadline = None;
        slot.unsent = None;
        self.busy -= 1;
        call.put(None);
        Some(call)
    }

    /// A worker has nothing to do: the next call of the queue, or idle.
    fn next(&mut self, poller: &Poller, index: usize, now: Nanos, after: &mut After) {
        if let Some(call) = self.queue.pop_front() {
            after.room = true;
            self.assign(poller, index, call, now, after);
            // Its joiner, if there is one, sleeps until somebody else has read the answer.
            self.arm(poller, index);
        } else {
            self.slots[index].phase = Phase::Idle;
            self.idle.push(index);
        }
    }

    /// Tells those who wait for the pool to be idle.
    fn quieten(&self, after: &mut After) {
        if self.is_idle() {
            after.quiet = true;
            after.ring |= self.closing != Closing::Open;
        }
    }

    /// Takes a queued call back.
    pub(crate) fn unqueue(&mut self, call: &Arc<Call>, after: &mut After) -> bool {
        let Some(at) = self.queue.iter().position(|one| Arc::ptr_eq(one, call)) else {
            return false;
        };
        self.queue.remove(at);
        self.stats.cancelled += 1;
        after.room = true;
        after.settle(call.clone(), Err(JobError::Cancelled));
        self.quieten(after);
        true
    }

    /// Takes every queued call back, for this reason.
    pub(crate) fn unqueue_all(&mut self, why: &JobError, after: &mut After) {
        for call in self.queue.drain(..) {
            self.stats.cancelled += 1;
            after.settle(call, Err(why.clone()));
        }
        after.room = true;
        self.quieten(after);
    }

    /// A process was started for a vacant slot.
    pub(crate) fn started(
        &mut self,
        poller: &Poller,
        index: usize,
        process: Process,
        deadline: Nanos,
    ) -> std::io::Result<()> {
        let slot = &mut self.slots[index];
        poller.add(&process, index, slot.generation)?;
        slot.process = Some(Arc::new(process));
        slot.phase = Phase::Starting;
        slot.reading = Reading::Armed;
        slot.deadline = Some(deadline);
        self.workers.started += 1;
        self.workers.alive += 1;
        Ok(())
    }

    /// A process could not be started, or has come to nothing.
    pub(crate) fn failed(&mut self, why: String, now: Nanos, after: &mut After) {
        self.failures = self.failures.saturating_add(1);
        self.trouble = why;
        let pause = match self.failures.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(more) => PAUSE.saturating_mul(1 << more.min(10)).min(LONGEST_PAUSE),
        };
        self.not_before = now.saturating_add(pause);
        after.quiet = true;
        if let Some(reason) = self.broken(now) {
            self.unqueue_all(&JobError::Rejected(reason), after);
        }
    }

    /// A process was reaped: its slot becomes vacant, and its call goes back or has failed.
    pub(crate) fn lost(
        &mut self,
        poller: &Poller,
        index: usize,
        ended: Ended,
        now: Nanos,
        after: &mut After,
    ) {
        self.forget_idle(index);
        let call = self.take_call(index);
        let slot = &mut self.slots[index];
        let Some(process) = slot.process.take() else {
            return;
        };
        poller.remove(&process);
        let (verdict, ready_at) = (slot.verdict, slot.ready_at);
        slot.vacate();
        self.workers.alive -= 1;
        let begun = process.page.begun();
        match verdict {
            Some(Verdict::TimedOut(_)) => self.workers.timed_out += 1,
            Some(Verdict::Cancelled | Verdict::Ended) => {}
            Some(Verdict::Garbled | Verdict::TooSlow) | None => {
                self.workers.died += 1;
                let young = ready_at.is_none_or(|at| now.saturating_since(at) < FRUITLESS);
                if begun == 0 && young {
                    let why = match (verdict, ready_at) {
                        (Some(Verdict::TooSlow), _) => "a worker was not ready in time; is \
                            pool_process::init the first line of main, and the same in every \
                            process?"
                            .to_owned(),
                        (_, None) => format!(
                            "a worker ended before it was ready: {ended}; is pool_process::init \
                             the first line of main, and its memory limit high enough?"
                        ),
                        (_, Some(_)) => format!("a worker ended before its first job: {ended}"),
                    };
                    self.failed(why, now, after);
                } else {
                    self.failures = 0;
                }
            }
        }
        if let Some(call) = call {
            let unbegun = begun != call.id && !matches!(verdict, Some(Verdict::TimedOut(_)));
            let wanted = !matches!(verdict, Some(Verdict::Cancelled | Verdict::Ended));
            if unbegun && wanted && self.closing != Closing::Now && call.retry() <= RETRIES {
                self.workers.retried += 1;
                self.queue.push_front(call);
                self.arm_unread(poller);
                if let Some(idle) = self.idle.pop() {
                    self.next(poller, idle, now, after);
                }
            } else {
                let error = match verdict {
                    Some(Verdict::TimedOut(limit)) => JobError::TimedOut(limit),
                    Some(Verdict::Cancelled | Verdict::Ended) => JobError::Cancelled,
                    Some(Verdict::Garbled) => JobError::Garbled,
                    Some(Verdict::TooSlow) | None => JobError::Died(ended),
                };
                match error {
                    JobError::Cancelled => self.killed += 1,
                    _ => self.stats.ran += 1,
                }
                after.settle(call, Err(error));
            }
        }
        after.quiet = true;
        after.ring = true;
    }
}
