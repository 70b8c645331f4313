//! The flight recorder: what each worker did lately, for a trace viewer.
//!
//! Each worker has a ring of events of a fixed size, written by it alone. Recording is off by one
//! relaxed load an event; a `join` that makes no job has no event at all.
//!
//! # Protocol
//! A worker writes an event's two words and then moves `next`. A reader copies the ring and
//! looks at `next` before and after: what was overwritten meanwhile is left out.

use std::{
    fmt,
    io::{self, Write},
    time::Duration,
};

use exec_core::{
    Ground, StdGround,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Event {
    JobStart,
    JobEnd,
    StolenStart,
    StolenEnd,
    ParkStart,
    ParkEnd,
    /// It took something from the worker that the argument names.
    Steal,
}

const EVENTS: [Event; 7] = [
    Event::JobStart,
    Event::JobEnd,
    Event::StolenStart,
    Event::StolenEnd,
    Event::ParkStart,
    Event::ParkEnd,
    Event::Steal,
];

/// One worker's events, the newest `capacity` of them.
pub(crate) struct Ring {
    /// Two words an event: nanoseconds, and the event with its argument.
    words: Box<[[AtomicU64; 2]]>,
    /// Events ever written.
    next: AtomicU64,
    /// The first event of the current recording.
    from: AtomicU64,
}

impl Ring {
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(16, 1 << 24).next_power_of_two();
        Self {
            words: (0..capacity)
                .map(|_| [AtomicU64::new(0), AtomicU64::new(0)])
                .collect(),
            next: AtomicU64::new(0),
            from: AtomicU64::new(0),
        }
    }

    /// Owner: notes an event.
    pub(crate) fn write(&self, event: Event, argument: usize) {
        let next = self.next.load(Relaxed);
        let [time, what] = &self.words[next as usize & (self.words.len() - 1)];
        time.store(StdGround.now().0, Relaxed);
        what.store(event as u64 | ((argument as u64) << 8), Relaxed);
        // ORDERING: pairs with the Acquire of `read`: the words are written.
        self.next.store(next + 1, Release);
    }

    /// A new recording begins: what is here is not part of it.
    pub(crate) fn begin(&self) {
        self.from.store(self.next.load(Relaxed), Relaxed);
    }

    /// Copies the events of the recording that are still here.
    fn read(&self) -> Vec<(u64, Event, usize)> {
        let size = self.words.len() as u64;
        let end = self.next.load(Acquire);
        let begin = self.from.load(Relaxed).max(end.saturating_sub(size));
        let copied: Vec<[u64; 2]> = (begin..end)
            .map(|at| {
                let [time, what] = &self.words[(at & (size - 1)) as usize];
                [time.load(Relaxed), what.load(Acquire)]
            })
            .collect();
        // The event after the last one may be half written over the oldest one copied.
        let gone = (self.next.load(Acquire) + 1).saturating_sub(size);
        copied
            .into_iter()
            .skip(gone.saturating_sub(begin) as usize)
            .filter_map(|[time, what]| {
                let event = *EVENTS.get(what as usize & 0xff)?;
                Some((time, event, (what >> 8) as usize))
            })
            .collect()
    }
}

/// Something that took time, or a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    worker: usize,
    name: &'static str,
    start_ns: u64,
    /// `None` for a moment.
    length_ns: Option<u64>,
    /// The worker that was stolen from.
    victim: Option<usize>,
}

/// What a pool recorded; see [`ThreadPool::stop_recording`](crate::ThreadPool::stop_recording).
#[derive(Clone)]
pub struct Recording {
    spans: Vec<Span>,
    workers: usize,
}

impl Recording {
    pub(crate) fn of<'a>(rings: impl Iterator<Item = Option<&'a Ring>>) -> Self {
        let mut recording = Self {
            spans: Vec::new(),
            workers: 0,
        };
        for (worker, ring) in rings.enumerate() {
            recording.workers = worker + 1;
            if let Some(ring) = ring {
                recording.add(worker, &ring.read());
            }
        }
        recording
    }

    /// Makes spans of one worker's events: they nest, so a stack finds each end its start.
    fn add(&mut self, worker: usize, events: &[(u64, Event, usize)]) {
        let mut open: Vec<(u64, &'static str)> = Vec::new();
        let last = events.last().map_or(0, |&(time, ..)| time);
        let mut span = |start_ns, name, length_ns, victim| {
            self.spans.push(Span {
                worker,
                name,
                start_ns,
                length_ns,
                victim,
            });
        };
        for &(time, event, argument) in events {
            match event {
                Event::JobStart => open.push((time, "job")),
                Event::StolenStart => open.push((time, "stolen half")),
                Event::ParkStart => open.push((time, "park")),
                Event::JobEnd | Event::StolenEnd | Event::ParkEnd => {
                    // A start that the ring has lost leaves an end alone.
                    if let Some((start, name)) = open.pop() {
                        span(start, name, Some(time.saturating_sub(start)), None);
                    }
                }
                Event::Steal => span(time, "steal", None, Some(argument)),
            }
        }
        for (start, name) in open {
            span(start, name, Some(last.saturating_sub(start)), None);
        }
    }

    /// How many spans and moments there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The longest job of each worker.
    pub fn longest_jobs(&self) -> Vec<Duration> {
        let mut longest = vec![Duration::ZERO; self.workers];
        for span in self.spans.iter().filter(|span| span.name != "park") {
            let length = Duration::from_nanos(span.length_ns.unwrap_or(0));
            longest[span.worker] = longest[span.worker].max(length);
        }
        longest
    }

    /// Writes it in the trace format of Chrome, which Perfetto and `chrome://tracing` open.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_chrome_trace(&self, mut to: impl Write) -> io::Result<()> {
        write!(to, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        for worker in 0..self.workers {
            let comma = if worker == 0 { "" } else { "," };
            write!(
                to,
                "{comma}\n{{\"ph\":\"M\",\"pid\":1,\"tid\":{worker},\"name\":\"thread_name\",\
                 \"args\":{{\"name\":\"worker {worker}\"}}}}"
            )?;
        }
        for span in &self.spans {
            let Span {
                worker,
                name,
                start_ns,
                ..
            } = span;
            write!(
                to,
                ",\n{{\"pid\":1,\"tid\":{worker},\"name\":\"{name}\",\"ts\":{}",
                micros(*start_ns)
            )?;
            match span.length_ns {
                Some(length) => write!(to, ",\"ph\":\"X\",\"dur\":{}", micros(length))?,
                None => write!(to, ",\"ph\":\"i\",\"s\":\"t\"")?,
            }
            if let Some(victim) = span.victim {
                write!(to, ",\"args\":{{\"from\":{victim}}}")?;
            }
            write!(to, "}}")?;
        }
        writeln!(to, "\n]}}")?;
        to.flush()
    }
}

/// The format's unit, microseconds, with three places.
fn micros(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000, ns % 1_000)
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("workers", &self.workers)
            .field("spans", &self.spans.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Recording, Ring};

    #[test]
    fn a_ring_keeps_the_newest() {
        let ring = Ring::new(16);
        for job in 0..20 {
            ring.write(Event::JobStart, job);
            ring.write(Event::JobEnd, job);
        }
        ring.write(Event::JobStart, 20);
        let recording = Recording::of([Some(&ring)].into_iter());
        // Of 41 events the last 15 are sure not to be overwritten: seven jobs, and one that runs.
        assert_eq!(recording.len(), 8);
        ring.begin();
        assert!(Recording::of([Some(&ring)].into_iter()).is_empty());
    }

    #[test]
    fn a_trace_is_one_object_with_a_span_a_line() {
        let ring = Ring::new(16);
        ring.write(Event::JobStart, 0);
        ring.write(Event::Steal, 3);
        ring.write(Event::JobEnd, 0);
        let mut text = Vec::new();
        Recording::of([None, Some(&ring)].into_iter())
            .write_chrome_trace(&mut text)
            .expect("a vector takes everything");
        let text = String::from_utf8(text).expect("text");
        assert!(text.starts_with("{\"displayTimeUnit\"") && text.trim_end().ends_with("]}"));
        assert_eq!(text.matches("\"name\":\"job\"").count(), 1);
        assert!(text.contains("\"args\":{\"from\":3}"));
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
