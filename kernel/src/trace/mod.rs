//! The flight recorder: which thread went into which state, when, on which CPU.
//!
//! # Protocol
//! While the switch is on, each step of a thread's life is an entry in the ring of the CPU that makes
//! it: a start of a state, whose argument is the thread's tid above eight bits of the state. A program
//! reads the rings, makes a chart of them in the format of the shared crate, and sends it over the
//! second serial line: the kernel only keeps what only it can know.
//!
//! # Who owns what
//! A ring, [`Cpu::ring`](crate::arch::cpu::Cpu), is written by its own CPU and read by all. `LINE`
//! is the second serial line, under its lock.

use alloc::vec::Vec;
use flight_recorder::{Entry, Event};
use kcore::{Errno, SpinLock, State, Steps};

use crate::{
    arch::{clock, cpu, uart::Uart},
    proc::{table, thread::Thread},
};

/// Entries of a CPU's ring.
const CAPACITY: usize = 8192;

/// The steps that are not recorded.
pub(crate) static STEPS: Steps = Steps::new();
static LINE: SpinLock<Uart> = SpinLock::new(Uart(0x2f8));

/// Opens the line, if the machine has it.
pub(crate) fn init() {
    LINE.lock().init();
}

/// Begins a recording.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn begin() -> Result<(), Errno> {
    for cpu in cpu::all() {
        cpu.ring.try_begin(CAPACITY).map_err(|_| Errno::ENOMEM)?;
    }
    let own = cpu::current();
    table::for_all(|thread| {
        let state = thread.state();
        // What runs on other CPUs is theirs to tell, at its next step.
        if state != State::Running || core::ptr::eq(thread, own) {
            write(thread, state);
        }
    });
    STEPS.record(true);
    Ok(())
}

/// Ends it; what was recorded stays.
pub(crate) fn end() {
    STEPS.record(false);
}

/// A thread has gone into a state, by a step that was not quiet.
pub(crate) fn note(thread: &Thread, state: State) {
    if STEPS.are_recorded() {
        write(thread, state);
    }
}

fn write(thread: &Thread, state: State) {
    let argument = u64::from(thread.tid()) << 8 | state as u64;
    let ring = &cpu::this().ring;
    ring.write(clock::now_ns(), Event::StateStart, argument);
}

/// What a CPU has recorded.
///
/// # Errors
/// `EINVAL` beyond the last CPU, `ENOMEM`.
pub(crate) fn read(cpu: u32) -> Result<Vec<Entry>, Errno> {
    let there = (cpu < cpu::count()).then(|| cpu::get(cpu));
    let ring = &there.ok_or(Errno::EINVAL)?.ring;
    ring.try_read().map_err(|_| Errno::ENOMEM)
}

/// Sends bytes over the second line; false if there is none.
pub(crate) fn send(bytes: &[u8]) -> bool {
    let line = LINE.lock();
    let there = line.is_there();
    if there {
        line.transmit(bytes);
    }
    there
}
