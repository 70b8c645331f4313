//! What the pool, its supervisor and the handles of its jobs share, and the way of a job.
//!
//! # Protocol
//! The hot way has one write and one read on each side and no thread between: the thread that
//! submits writes the frame to an idle worker; the worker reads, runs, writes; the thread that
//! joins reads the answer itself, since nobody else has been told to. When it has to wait, it
//! is blocked in that read.
//!
//! Everything else is the supervisor's, the pool's one thread: answers that nobody has come for
//! and that somebody depends on (a queued job needs the worker, a future wants to be woken), time
//! limits, ends of processes, and their successors. It learns of all that from one epoll.
//!
//! Locks are taken in this order: the right to read a worker (its inbox), the state, a call. The
//! inbox is held while its holder is blocked in a read; the others never are.
//!
//! # Why nothing is lost
//! See [`state`](crate::state). A thread that is blocked in a read comes back: the worker answers,
//! or it ends and with it its end of the socket; where something that the job has started holds that
//! end open, the supervisor sees the process end and ends the socket from here.

use core::fmt;

use exec_core::{
    Ground, Nanos, Stats, StdGround, forks,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    unwind,
    wait::{Completion as _, Waited, park_until},
};

use crate::{
    call::{Call, Settled},
    channel::{Block, Received},
    error::{JobError, Reason},
    frame::{Garbled, Kind},
    poller::Poller,
    process::{Process, Program},
    slot::Verdict,
    state::{After, Closing, Send, State},
};

/// What to do with an error that nobody joins.
pub(crate) type FailureHandler = Box<dyn Fn(&str, &JobError) + core::marker::Send + Sync>;

/// What the pool was built with.
pub(crate) struct Config {
    pub(crate) workers: usize,
    pub(crate) capacity: Option<usize>,
    pub(crate) prefork: bool,
    pub(crate) start_timeout: core::time::Duration,
    pub(crate) time_limit: Option<core::time::Duration>,
    pub(crate) program: Program,
    pub(crate) failure_handler: Option<FailureHandler>,
}

/// What a submission does when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    Wait,
    Refuse,
}

/// Who reads what a worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Supervisor,
    Joiner,
}

/// See the module's head.
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    pub(crate) poller: Poller,
    pub(crate) config: Config,
    /// A place in the queue became free, or the pool closes.
    room: Condvar,
    /// Something that one may wait for has happened: see [`After::quiet`].
    pub(crate) quiet: Condvar,
    ids: AtomicU64,
    forks: usize,
}

impl Shared {
    pub(crate) fn new(config: Config) -> std::io::Result<Self> {
        let forks = forks::watch();
        Ok(Self {
            state: Mutex::new(State::new(config.workers)),
            poller: Poller::new()?,
            config,
            room: Condvar::new(),
            quiet: Condvar::new(),
            ids: AtomicU64::new(1),
            forks,
        })
    }

    /// The number of a new job; 0 is no job's.
    pub(crate) fn new_id(&self) -> u64 {
        // ORDERING: only that no two are the same.
        self.ids.fetch_add(1, Relaxed)
    }

    /// Whether this is a forked child of the process that the workers belong to.
    pub(crate) fn is_forked(&self) -> bool {
        forks::count() != self.forks
    }

    /// Hands a call to a worker, or queues it.
    ///
    /// # Blocking
    /// While the queue is full, where `when_full` says so.
    pub(crate) fn submit(&self, call: &Arc<Call>, when_full: WhenFull) -> Result<(), Reason> {
        if self.is_forked() {
            return Err(Reason::Forked);
        }
        let now = self.now_for(call);
        let mut after = After::default();
        let mut state = self.state.lock();
        loop {
            if state.closing != Closing::Open {
                return Err(Reason::ShutDown);
            }
            if state.failures > 0
                && let Some(reason) = state.broken(StdGround.now())
            {
                return Err(reason);
            }
            let full = self
                .config
                .capacity
                .is_some_and(|max| state.queue.len() >= max);
            if state.has_idle() || !full {
                break;
            }
            if when_full == WhenFull::Refuse {
                return Err(Reason::Full);
            }
            state.arm_unread(&self.poller);
            state = self.room.wait(state);
        }
        state.submit(&self.poller, call, now, &mut after);
        drop(state);
        self.perform(after);
        Ok(())
    }

    /// The time, where the call has a limit that is counted from now.
    fn now_for(&self, call: &Call) -> Nanos {
        match call.limit {
            Some(_) => StdGround.now(),
            None => Nanos(0),
        }
    }

    /// Does what was left to do without the lock.
    pub(crate) fn perform(&self, after: After) {
        let After {
            send,
            done,
            ring,
            room,
            quiet,
        } = after;
        for sent in send {
            self.deliver(&sent);
        }
        if ring {
            self.poller.ring();
        }
        if room {
            self.room.notify_all();
        }
        if quiet {
            self.quiet.notify_all();
        }
        for (call, settled) in done {
            match settled {
                Settled::Over => {}
                Settled::Wake(waker) => Settled::wake(waker),
                Settled::Tell(error) => self.unjoined(&call, &error),
            }
        }
    }

    /// Tells of an error that nobody will join.
    pub(crate) fn unjoined(&self, call: &Call, error: &JobError) {
        if error.is_cancelled() {
            return;
        }
        self.state.lock().stats.panicked += 1;
        match &self.config.failure_handler {
            Some(handler) => {
                let _ = unwind::catch(|| handler(call.name, error)).map_err(unwind::discard);
            }
            // The worker's panic hook has printed it.
            None if error.is_panic() => {}
            None => eprintln!("pool-process: '{}', which nobody joins: {error}", call.name),
        }
    }

    /// Sends a call's frame; what the socket does not take at once is left to the supervisor.
    fn deliver(&self, (index, process, call): &Send) {
        match process.channel.send_some(&call.frame) {
            Ok(sent) if sent == call.frame.len() => {}
            Ok(sent) => {
                let mut state = self.state.lock();
                let slot = &mut state.slots[*index];
                if slot.holds(process) && slot.runs(call) {
                    slot.unsent = Some(sent);
                    state.listen(&self.poller, *index);
                }
            }
            // It is dead: the supervisor will find the call in its slot.
            Err(_) => {}
        }
    }

    /// Goes on with a frame that was sent in part: the supervisor, when the socket takes more.
    pub(crate) fn deliver_more(&self, index: usize, generation: u32) {
        let found = {
            let state = self.state.lock();
            let slot = &state.slots[index];
            (slot.generation == generation)
                .then(|| Some((slot.process.clone()?, slot.call.clone()?, slot.unsent?)))
                .flatten()
        };
        let Some((process, call, sent)) = found else {
            return;
        };
        let more = process.channel.send_some(&call.frame[sent..]);
        let mut state = self.state.lock();
        let slot = &mut state.slots[index];
        if slot.holds(&process) && slot.runs(&call) {
            let sent = sent + more.unwrap_or(0);
            // A dead worker takes no more: its end is about to be seen.
            slot.unsent = Some(sent).filter(|_| sent < call.frame.len());
            state.listen(&self.poller, index);
        }
    }

    /// Reads once what a worker says, and acts on it. The caller has the right to read.
    ///
    /// # Blocking
    /// Until it says something, where `block` allows it.
    pub(crate) fn read(
        &self,
        index: usize,
        process: &Arc<Process>,
        block: Block,
        reader: Reader,
    ) -> Received {
        let mut inbox = process.inbox.lock();
        // An error of a socket that is there is an end of it.
        let received = process
            .channel
            .receive(&mut inbox, block)
            .unwrap_or(Received::End);
        let mut said: Vec<(Kind, u64, Vec<u8>)> = Vec::new();
        let garbled = loop {
            match inbox.next() {
                Ok(Some(frame)) => said.push((frame.kind, frame.job, frame.body.to_vec())),
                Ok(None) => break false,
                Err(Garbled) => break true,
            }
        };
        drop(inbox);
        let mut after = After::default();
        let now = StdGround.now();
        let mut state = self.state.lock();
        if state.slots[index].holds(process) {
            // First, so that the worker's next call finds it without a reader, and arms it.
            let over = !said.is_empty() || garbled || received == Received::End;
            if reader == Reader::Joiner && over {
                state.give_back(&self.poller, index, &mut after);
            }
            for one in said {
                state.heard(&self.poller, index, one, now, &mut after);
            }
            if garbled {
                state.condemn(index, Verdict::Garbled);
            }
            if received == Received::End {
                state.hung_up(index);
            }
        }
        drop(state);
        self.perform(after);
        received
    }

    /// Waits for a call's outcome, reading it from its worker where that is possible.
    ///
    /// # Blocking
    /// Until there is one, or until `until`.
    pub(crate) fn wait(&self, call: &Arc<Call>, until: Option<Nanos>) -> Waited {
        while !call.is_done() {
            let taken = {
                let mut state = self.state.lock();
                let taken = state.take_over(&self.poller, call, true);
                if taken.is_none()
                    && let Some(index) = call.slot()
                {
                    state.arm(&self.poller, index);
                }
                taken
            };
            let Some((index, process, _)) = taken else {
                return park_until(&StdGround, &**call, until);
            };
            let block = match until {
                Some(until) => {
                    process.channel.wait_readable(until);
                    Block::No
                }
                None => Block::Yes,
            };
            let received = self.read(index, &process, block, Reader::Joiner);
            if !call.is_done() && received != Received::End {
                // Part of an answer, or none in time: the right to read goes back meanwhile.
                self.give_back(index, &process);
            }
            if until.is_some_and(|until| StdGround.now() >= until) && !call.is_done() {
                return Waited::TimedOut;
            }
        }
        Waited::Done
    }

    /// Takes in the answer if it is there, without waiting for it; whether there is an outcome.
    pub(crate) fn look(&self, call: &Arc<Call>) -> bool {
        if !call.is_done() {
            let taken = self.state.lock().take_over(&self.poller, call, false);
            if let Some((index, process, _)) = taken {
                let _ = self.read(index, &process, Block::No, Reader::Joiner);
                self.give_back(index, &process);
            }
        }
        call.is_done()
    }

    /// A joiner gives the right to read back, if it still has it.
    fn give_back(&self, index: usize, process: &Arc<Process>) {
        let mut after = After::default();
        let mut state = self.state.lock();
        if state.slots[index].holds(process) {
            state.give_back(&self.poller, index, &mut after);
        }
        drop(state);
        self.perform(after);
    }

    /// Leaves the reading of this call's answer to the supervisor.
    pub(crate) fn arm(&self, call: &Arc<Call>) {
        let mut state = self.state.lock();
        if let Some(index) = call.slot() {
            state.arm(&self.poller, index);
        }
    }

    /// Takes a call back that is queued; with `kill`, also one that runs.
    pub(crate) fn cancel(&self, call: &Arc<Call>, kill: bool) -> bool {
        let mut after = After::default();
        let mut state = self.state.lock();
        let cancelled = match call.slot() {
            Some(index) if kill && state.slots[index].runs(call) => {
                state.condemn(index, Verdict::Cancelled);
                true
            }
            Some(_) => false,
            None => state.unqueue(call, &mut after),
        };
        drop(state);
        self.perform(after);
        cancelled
    }

    /// Refuses work from now on, or goes one step further. Wakes all whom that concerns.
    pub(crate) fn close(&self, how: Closing) {
        let mut state = self.state.lock();
        state.closing = state.closing.max(how);
        state.arm_unread(&self.poller);
        drop(state);
        self.room.notify_all();
        self.poller.ring();
    }

    /// Waits until `good` holds, until `until` at the latest; whether it did.
    pub(crate) fn wait_for(&self, until: Option<Nanos>, good: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state.lock();
        loop {
            if good(&state) {
                return true;
            }
            state = match until {
                None => self.quiet.wait(state),
                Some(until) => {
                    let left = until.saturating_since(StdGround.now());
                    if left.is_zero() {
                        return false;
                    }
                    self.quiet.wait_timeout(state, left).0
                }
            };
        }
    }

    /// Waits until nothing is queued and nothing runs.
    pub(crate) fn wait_idle(&self, until: Option<Nanos>) -> bool {
        {
            let mut state = self.state.lock();
            state.watchers += 1;
            state.arm_unread(&self.poller);
        }
        let idle = self.wait_for(until, State::is_idle);
        self.state.lock().watchers -= 1;
        idle
    }

    /// The counters that every model has.
    pub(crate) fn stats(&self) -> Stats {
        let state = self.state.lock();
        let mut stats = state.stats;
        stats.cancelled += state.killed;
        stats.threads = state.workers.started;
        stats
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("workers", &self.config.workers)
            .finish_non_exhaustive()
    }
}
