//! The chart of a recording: a lane for each processor and one for each thread, in the trace format
//! that Perfetto opens.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use flight_recorder::{Entry, Event, Recording};
use kernel_bridge::kernel::schedule::{STATES, ThreadInfo};
use kernel_bridge::kernel::syscall::Errno;
use kernel_bridge::kernel::trace;

/// Where [`STATES`] has the running threads.
const RUNNING: u64 = 2;
/// Where it has those that have ended.
const TERMINATED: u64 = 5;

/// A thread went into a state.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// When, by the machine's clock.
    pub at_ns: u64,
    /// The thread's number.
    pub tid: u64,
    /// The state, by its place in [`STATES`].
    pub state: u64,
}

/// What each processor has recorded.
fn recorded() -> Vec<Vec<Step>> {
    (0..)
        .map_while(trace::read)
        .map(|words| words.into_iter().filter_map(step).collect())
        .collect()
}

/// In the order of their times.
fn merged(cpus: &[Vec<Step>]) -> Vec<Step> {
    let mut all = cpus.concat();
    all.sort_by_key(|step| step.at_ns);
    all
}

/// Everything that the kernel has recorded, in the order of the times.
#[must_use]
pub fn steps() -> Vec<Step> {
    merged(&recorded())
}

/// Makes the chart of some threads, by number and name, in this order: their states, up to their ends,
/// below what each processor ran of them.
#[must_use]
pub fn of_threads(threads: &[(u64, String)]) -> Recording {
    let mut recording = Recording::new();
    let mut cpus = recorded();
    for steps in &mut cpus {
        steps.retain(|step| threads.iter().any(|(tid, _)| *tid == step.tid));
    }
    let all = merged(&cpus);
    let end = all.last().map_or(0, |last| last.at_ns);
    for (cpu, steps) in cpus
        .iter()
        .enumerate()
        .filter(|(_, steps)| !steps.is_empty())
    {
        recording.lane(format!("cpu {cpu}"), running(steps, end), &[]);
    }
    for (tid, name) in threads {
        let own: Vec<Step> = all
            .iter()
            .filter(|step| step.tid == *tid)
            .copied()
            .collect();
        recording.lane(name.clone(), states(&own, end), &STATES);
    }
    recording
}

/// Makes the chart of all that the kernel has recorded. `threads` gives names to those that are in it.
#[must_use]
pub fn chart(threads: &[ThreadInfo]) -> Recording {
    let mut recording = Recording::new();
    let cpus = recorded();
    let all = merged(&cpus);
    let end = all.last().map_or(0, |last| last.at_ns);
    for (cpu, steps) in cpus.iter().enumerate() {
        recording.lane(format!("cpu {cpu}"), running(steps, end), &[]);
    }
    let mut by_thread: BTreeMap<u64, Vec<Step>> = BTreeMap::new();
    for step in all {
        by_thread.entry(step.tid).or_default().push(step);
    }
    for (tid, steps) in by_thread {
        let known = threads.iter().find(|info| u64::from(info.tid) == tid);
        let name = match known {
            Some(info) => format!("thread {tid} {} of process {}", info.name(), info.pid),
            None => format!("thread {tid}"),
        };
        recording.lane(name, states(&steps, end), &STATES);
    }
    recording
}

fn step(words: [u64; 2]) -> Option<Step> {
    let entry = Entry::from_words(words)?;
    Some(Step {
        at_ns: entry.at_ns,
        tid: entry.argument >> 8,
        state: entry.argument & 0xff,
    })
}

/// Which thread a processor ran: a job whose number is the thread's, the last one up to `end`.
fn running(steps: &[Step], end: u64) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut current = None;
    for step in steps {
        let begins = step.state == RUNNING;
        if current.is_some() && (begins || current == Some(step.tid)) {
            entries.push(Entry::new(step.at_ns, Event::JobEnd, 0));
            current = None;
        }
        if begins {
            entries.push(Entry::new(step.at_ns, Event::JobStart, step.tid));
            current = Some(step.tid);
        }
    }
    if current.is_some() {
        entries.push(Entry::new(end, Event::JobEnd, 0));
    }
    entries
}

/// One thread's states, each up to the next; the last one up to the end of the recording.
fn states(steps: &[Step], end: u64) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        if step.state == TERMINATED {
            continue;
        }
        let until = steps.get(index + 1).map_or(end, |next| next.at_ns);
        entries.push(Entry::new(step.at_ns, Event::StateStart, step.state));
        entries.push(Entry::new(until, Event::StateEnd, 0));
    }
    entries
}

/// Sends a chart over the second serial line.
///
/// # Errors
/// `EIO` where the machine has none.
pub fn send(recording: &Recording) -> Result<(), Errno> {
    let mut line = Line {
        bytes: Vec::new(),
        error: None,
    };
    let formatted = recording.format_chrome_trace(&mut line);
    line.flush();
    match line.error {
        None => {
            formatted.expect("invariant: only the line can fail");
            Ok(())
        }
        Some(error) => Err(error),
    }
}

/// Sends a chart, where the machine has a second serial line, and says so on the console in a line
/// `chart NAME SPANS`.
pub fn tell(name: &str, recording: &Recording) {
    if send(recording).is_ok() {
        crate::println!("chart {name} {}", recording.len());
    }
}

/// Collects what is written to the line, so that it goes out in few calls.
struct Line {
    bytes: Vec<u8>,
    error: Option<Errno>,
}

impl Line {
    fn flush(&mut self) {
        if self.error.is_none() {
            self.error = trace::send(&self.bytes).err();
        }
        self.bytes.clear();
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes.extend_from_slice(text.as_bytes());
        if self.bytes.len() >= 512 {
            self.flush();
        }
        if self.error.is_some() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}
