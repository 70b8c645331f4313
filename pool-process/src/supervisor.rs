//! The supervisor: the pool's one thread, which starts workers, reads what nobody else reads, kills
//! at deadlines and reaps.
//!
//! Workers are started by this thread and no other, since they ask to be killed when the *thread*
//! that has started them ends: that has to be one that lives as long as the pool.
//!
//! # Protocol
//! Again and again: look at every slot under the lock ([`plan`]), do what was found without it,
//! wait for events until the earliest deadline. A submission whose deadline is earlier, a handle
//! that kills, a joiner that has given a dead worker back, a shutdown ring the bell.
//!
//! # Why nothing is lost
//! What rings the bell has changed the state before; the bell stays rung until the next wait. An
//! event of a process that is no longer in its slot has another generation and is ignored.
//!
//! # Shutdown
//! When the pool closes, idle workers are told to end by the end of their socket, and killed where
//! they have not ended after a second; with `Now` all are killed at once, and what was queued is
//! cancelled. The thread ends when every slot is vacant: it leaves no process and no zombie.

use core::time::Duration;

use exec_core::{Ground, Nanos, StdGround, sync::Arc, unwind};

use crate::{
    channel::{Block, Received},
    error::JobError,
    poller::Event,
    process::Process,
    shared::{Reader, Shared},
    slot::{Phase, Reading, Verdict},
    state::{After, Closing, State},
};

/// How long a worker may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(1);

/// How many reads one worker gets before the others have their turn.
const READS: usize = 16;

/// What is to be done without the lock.
#[derive(Debug, Default)]
struct Plan {
    /// Slots whose process has ended.
    reap: Vec<(usize, Arc<Process>)>,
    /// Slots whose time is up, if there is no answer yet.
    overdue: Vec<(usize, Arc<Process>)>,
    /// A slot that wants a process.
    start: Option<usize>,
    ended: bool,
}

/// The thread.
pub(crate) fn main(shared: &Shared) {
    // Its end would be its workers', and a hang for every joiner. User code is caught before here.
    let abort = unwind::AbortOnDrop("the supervisor of a pool of processes failed");
    let mut events = Vec::new();
    loop {
        let mut after = After::default();
        let plan = plan(shared, &mut shared.state.lock(), &mut after);
        shared.perform(after);
        if plan.ended {
            break;
        }
        let busy = !plan.reap.is_empty() || !plan.overdue.is_empty() || plan.start.is_some();
        for (slot, process) in plan.reap {
            reap(shared, slot, &process);
        }
        for (slot, process) in plan.overdue {
            overdue(shared, slot, &process);
        }
        if let Some(slot) = plan.start {
            start(shared, slot);
        }
        // After work there may be more of it: a look at the events, no wait.
        let until = if busy {
            Nanos(0)
        } else {
            shared.state.lock().timer
        };
        shared.poller.wait(until, &mut events);
        for event in &events {
            take(shared, *event);
        }
    }
    shared.state.lock().ended = true;
    shared.quiet.notify_all();
    core::mem::forget(abort);
}

/// Looks at every slot.
fn plan(shared: &Shared, state: &mut State, after: &mut After) -> Plan {
    let now = StdGround.now();
    let mut plan = Plan::default();
    if state.closing == Closing::Now {
        state.unqueue_all(&JobError::Cancelled, after);
    }
    if state.closing != Closing::Open && state.queue.is_empty() {
        end_workers(state, now);
    }
    let mut timer = Nanos::MAX;
    for index in 0..state.slots.len() {
        let slot = &mut state.slots[index];
        let Some(process) = slot.process.clone() else {
            continue;
        };
        if slot.dead {
            if slot.reading != Reading::Joiner {
                plan.reap.push((index, process));
            }
            continue;
        }
        match slot.deadline {
            Some(at) if at <= now => match slot.phase {
                Phase::Busy if slot.reading != Reading::Joiner => {
                    state.set_reading(&shared.poller, index, Reading::Supervisor);
                    plan.overdue.push((index, process));
                }
                Phase::Busy => time_out(state, index),
                Phase::Starting => state.condemn(index, Verdict::TooSlow),
                Phase::Vacant | Phase::Idle | Phase::Ending => {
                    slot.deadline = None;
                    process.kill();
                }
            },
            Some(at) => timer = timer.min(at),
            None => {}
        }
    }
    let vacant = state
        .slots
        .iter()
        .position(|slot| slot.phase == Phase::Vacant);
    let starting = state
        .slots
        .iter()
        .filter(|slot| slot.phase == Phase::Starting)
        .count();
    let wanted =
        (state.closing == Closing::Open && shared.config.prefork) || state.queue.len() > starting;
    if let (Some(vacant), true) = (vacant, wanted) {
        if now >= state.not_before {
            plan.start = Some(vacant);
        } else {
            timer = timer.min(state.not_before);
        }
    }
    plan.ended =
        state.closing != Closing::Open && state.queue.is_empty() && state.workers.alive == 0;
    state.timer = timer;
    plan
}

/// Nothing is queued any more, and nothing will be.
fn end_workers(state: &mut State, now: Nanos) {
    for index in 0..state.slots.len() {
        let slot = &mut state.slots[index];
        match slot.phase {
            Phase::Vacant => {}
            Phase::Ending if state.closing != Closing::Now => {}
            Phase::Idle if state.closing != Closing::Now => {
                slot.phase = Phase::Ending;
                slot.verdict = Some(Verdict::Ended);
                slot.deadline = Some(now.saturating_add(GRACE));
                if let Some(process) = &slot.process {
                    process.channel.end_sending();
                }
                state.forget_idle(index);
            }
            // It may have to hand a call over, or run one.
            Phase::Busy if state.closing != Closing::Now => {}
            Phase::Idle | Phase::Busy | Phase::Starting | Phase::Ending => {
                state.condemn(index, Verdict::Ended);
            }
        }
    }
}

fn time_out(state: &mut State, index: usize) {
    let limit = state.slots[index].call.as_ref().and_then(|call| call.limit);
    state.condemn(index, Verdict::TimedOut(limit.unwrap_or_default()));
}

/// Does what an event asks for.
fn take(shared: &Shared, event: Event) {
    match event {
        Event::Writable { slot, generation } => shared.deliver_more(slot, generation),
        Event::Readable { slot, generation } => {
            let process = {
                let mut state = shared.state.lock();
                let here = &mut state.slots[slot];
                if here.generation != generation || here.reading != Reading::Armed {
                    return;
                }
                here.reading = Reading::Supervisor;
                here.process.clone()
            };
            let Some(process) = process else { return };
            read(shared, slot, &process);
            let mut state = shared.state.lock();
            let here = &mut state.slots[slot];
            if here.holds(&process) && here.reading == Reading::Supervisor {
                here.reading = Reading::Armed;
                if here.phase == Phase::Ending {
                    // Its end is known; nothing more comes from the socket but that.
                    state.set_reading(&shared.poller, slot, Reading::Nobody);
                }
            }
        }
        Event::Ended { slot, generation } => {
            let mut state = shared.state.lock();
            let here = &mut state.slots[slot];
            if here.generation != generation {
                return;
            }
            here.dead = true;
            if let Some(process) = &here.process {
                // A joiner that is blocked in the read returns, whoever else holds the socket.
                process.channel.end();
            }
        }
    }
}

/// Reads what is there, some of it where it is much.
fn read(shared: &Shared, slot: usize, process: &Arc<Process>) -> Received {
    for _ in 0..READS {
        let received = shared.read(slot, process, Block::No, Reader::Supervisor);
        if received != Received::Bytes {
            return received;
        }
    }
    Received::Bytes
}

/// A worker's time is up: a last look, and it is killed.
fn overdue(shared: &Shared, slot: usize, process: &Arc<Process>) {
    let call = shared.state.lock().slots[slot].call.clone();
    let _ = read(shared, slot, process);
    let mut state = shared.state.lock();
    let here = &mut state.slots[slot];
    if !here.holds(process) {
        return;
    }
    if here.reading == Reading::Supervisor {
        here.reading = Reading::Armed;
    }
    if here.phase == Phase::Busy && call.is_some_and(|call| here.runs(&call)) {
        time_out(&mut state, slot);
    }
}

/// A process has ended: what it has said is read, its status taken, its slot made vacant.
fn reap(shared: &Shared, slot: usize, process: &Arc<Process>) {
    {
        let mut state = shared.state.lock();
        if !state.slots[slot].holds(process) || state.slots[slot].reading == Reading::Joiner {
            return;
        }
        state.slots[slot].reading = Reading::Supervisor;
    }
    while read(shared, slot, process) == Received::Bytes {}
    let ended = process.reap();
    let mut after = After::default();
    shared
        .state
        .lock()
        .lost(&shared.poller, slot, ended, StdGround.now(), &mut after);
    shared.perform(after);
}

/// Starts a process for a vacant slot.
fn start(shared: &Shared, slot: usize) {
    let started = Process::start(&shared.config.program, slot);
    let now = StdGround.now();
    let deadline = now.saturating_add(shared.config.start_timeout);
    let mut after = After::default();
    {
        let mut state = shared.state.lock();
        let done =
            started.and_then(|process| state.started(&shared.poller, slot, process, deadline));
        if let Err(error) = done {
            let why = format!(
                "a worker could not be started: {error}; raise `ulimit -u` and `ulimit -n`, or \
                 use fewer workers"
            );
            state.failed(why, now, &mut after);
        }
    }
    shared.perform(after);
}
