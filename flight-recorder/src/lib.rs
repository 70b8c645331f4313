//! A flight recorder for schedulers: what each thread did lately, as a trace.
//!
//! A [`Ring`] holds the newest events of one thread; a [`Recording`] is made of the events of
//! several lanes (threads, workers, CPUs), wherever they come from, and writes them in the trace
//! format that Perfetto opens. Whoever records keeps the switch: one relaxed load when it is off.
//!
//! # Examples
//! ```
//! use flight_recorder::{Event, Recording, Ring};
//!
//! let ring = Ring::new();
//! ring.begin(64);
//! ring.write(10, Event::JobStart, 0);
//! ring.write(25, Event::JobEnd, 0);
//! let mut recording = Recording::new();
//! recording.lane("worker 0", ring.read(), &[]);
//! assert_eq!(recording.longest_jobs()[0].as_nanos(), 15);
//! ```
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod chrome;
mod event;
mod recording;
mod ring;

pub use event::{Entry, Event};
pub use recording::Recording;
pub use ring::Ring;

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExamples;
