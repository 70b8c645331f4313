//! What the workers did lately: the flight recorder.
//!
//! Off, it costs a job one relaxed load. Each worker has a ring, which takes memory when recording
//! begins for the first time.

use alloc::format;

use exec_core::{Threads, sync::atomic::Ordering::Relaxed};
use flight_recorder::{Event, Recording};

use crate::{shared::Shared, worker::Worker};

/// Names of moments, by the argument of [`Event::Mark`].
const MARKS: [&str; 1] = ["rescue"];
/// A job was taken from behind a worker that is held up.
pub(crate) const RESCUE: u64 = 0;

impl<T: Threads> Shared<T> {
    /// Whether workers note what they do.
    #[inline]
    pub(crate) fn is_recording(&self) -> bool {
        // ORDERING: a switch; a worker that sees it late notes less.
        self.recording.load(Relaxed)
    }

    pub(crate) fn start_recording(&self, capacity: usize) {
        for remote in &self.remotes {
            remote.ring.begin(capacity);
        }
        self.recording.store(true, Relaxed);
    }

    pub(crate) fn stop_recording(&self) -> Recording {
        self.recording.store(false, Relaxed);
        let mut recording = Recording::new();
        for (index, remote) in self.used().iter().enumerate() {
            let name = match index {
                n if n < self.workers => format!("worker {n}"),
                n if n == self.workers => "guest".into(),
                n => format!("spare {}", n - self.workers - 1),
            };
            recording.lane(name, remote.ring.read(), &MARKS);
        }
        recording
    }
}

impl<T: Threads> Worker<T> {
    /// Notes an event, when the runtime records.
    #[inline]
    pub(crate) fn note(&self, event: Event, argument: impl FnOnce() -> u64) {
        if self.shared.is_recording() {
            let at = self.shared.now().0;
            self.remote().ring.write(at, event, argument());
        }
    }

    /// Notes that another worker was woken, when one was.
    #[inline]
    pub(crate) fn note_wake(&self, woken: Option<usize>) {
        if let Some(woken) = woken {
            self.note(Event::Wake, || woken as u64);
        }
    }
}
