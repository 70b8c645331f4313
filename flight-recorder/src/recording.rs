//! Lanes of events, made into spans and moments.

use alloc::{borrow::Cow, format, string::String, vec::Vec};
use core::{fmt, time::Duration};

use crate::{
    chrome,
    event::{Entry, Event},
    ring::Ring,
};

/// What a span or moment is, beside its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It counts among the jobs of its lane; the number is 0 when it has none.
    Job(u64),
    /// The lane that was stolen from.
    From(u64),
    /// The lane that was woken.
    To(u64),
    Other,
}

/// Something that took time, or a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) lane: usize,
    pub(crate) name: Cow<'static, str>,
    pub(crate) start_ns: u64,
    /// `None` for a moment.
    pub(crate) length_ns: Option<u64>,
    pub(crate) kind: Kind,
}

/// What several lanes (threads, workers, CPUs) did.
#[derive(Clone, Default)]
pub struct Recording {
    spans: Vec<Span>,
    lanes: Vec<Cow<'static, str>>,
}

impl Recording {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// One with a lane `worker n` for each ring.
    pub fn of<'a>(rings: impl IntoIterator<Item = &'a Ring>) -> Self {
        let mut recording = Self::new();
        for (worker, ring) in rings.into_iter().enumerate() {
            recording.lane(format!("worker {worker}"), ring.read(), &[]);
        }
        recording
    }

    /// Adds a lane of events, in the order of their times, and returns its number. `names` are
    /// those of its states and marks; one that is not there is called `state`.
    ///
    /// A start that has no end lasts until the lane's last event; an end that has no start is left
    /// out, since a ring may have lost it.
    pub fn lane(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        events: impl IntoIterator<Item = Entry>,
        names: &[&'static str],
    ) -> usize {
        let lane = self.lanes.len();
        self.lanes.push(name.into());
        let state = |number: u64| {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            *names.get(number).unwrap_or(&"state")
        };
        let mut open: Vec<(u64, &'static str, Kind)> = Vec::new();
        let mut last = 0;
        let mut span = |start_ns, name, length_ns, kind| {
            self.spans.push(Span {
                lane,
                name: Cow::Borrowed(name),
                start_ns,
                length_ns,
                kind,
            });
        };
        for Entry {
            at_ns,
            event,
            argument,
        } in events
        {
            last = at_ns;
            match event {
                Event::JobStart => open.push((at_ns, "job", Kind::Job(argument))),
                Event::StolenStart => open.push((at_ns, "stolen half", Kind::Job(argument))),
                Event::ParkStart => open.push((at_ns, "park", Kind::Other)),
                Event::StateStart => open.push((at_ns, state(argument), Kind::Other)),
                Event::JobEnd | Event::StolenEnd | Event::ParkEnd | Event::StateEnd => {
                    if let Some((start, name, kind)) = open.pop() {
                        span(start, name, Some(at_ns.saturating_sub(start)), kind);
                    }
                }
                Event::Steal => span(at_ns, "steal", None, Kind::From(argument)),
                Event::Wake => span(at_ns, "wake", None, Kind::To(argument)),
                Event::Mark => span(at_ns, state(argument), None, Kind::Other),
            }
        }
        for (start, name, kind) in open {
            span(start, name, Some(last.saturating_sub(start)), kind);
        }
        lane
    }

    /// How many spans and moments there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The longest job of each lane.
    pub fn longest_jobs(&self) -> Vec<Duration> {
        let mut longest = alloc::vec![Duration::ZERO; self.lanes.len()];
        for span in &self.spans {
            if matches!(span.kind, Kind::Job(_)) {
                let length = Duration::from_nanos(span.length_ns.unwrap_or(0));
                longest[span.lane] = longest[span.lane].max(length);
            }
        }
        longest
    }

    /// The trace format of Chrome, which Perfetto and `chrome://tracing` open, as text.
    pub fn to_chrome_trace(&self) -> String {
        let mut text = String::new();
        self.format_chrome_trace(&mut text)
            .expect("invariant: a string takes everything");
        text
    }

    /// Writes it in the trace format of Chrome, where there is no `std`.
    ///
    /// # Errors
    /// What the writer says.
    pub fn format_chrome_trace(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{}", chrome::Trace(&self.lanes, &self.spans))
    }

    /// Writes it in the trace format of Chrome, which Perfetto and `chrome://tracing` open.
    ///
    /// # Errors
    /// What the writer says.
    #[cfg(feature = "std")]
    pub fn write_chrome_trace(&self, mut to: impl std::io::Write) -> std::io::Result<()> {
        write!(to, "{}", chrome::Trace(&self.lanes, &self.spans))?;
        to.flush()
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("lanes", &self.lanes.len())
            .field("spans", &self.spans.len())
            .finish()
    }
}
