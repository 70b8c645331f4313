//! The list of programs: their names, their sizes, their answers.
//!
//! # What makes a run comparable
//! Every program is a pure function of its parameter and its input: the same checksum comes
//! out whatever model runs it, in whatever order its jobs end. The serial reference computes
//! it in another way, without an executor.

use core::fmt;
use core::str::FromStr;

use exec_core::{Executor, Handle, JoinError};

use crate::{fib, mixed, ping_pong, spawn_join, wordcount};

/// A program that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Workload {
    /// n tiny jobs, each spawned and joined.
    SpawnJoin,
    /// Fork-join without cut-off: fib(n).
    Fib,
    /// Two tasks pass a token n times.
    PingPong,
    /// Counts the words of a text, map-reduce over n chunks.
    Wordcount,
    /// CPU jobs beside n sleeping tasks.
    Mixed,
}

/// How large a comparison is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A look: every run ends within a fraction of a second under every model.
    Quick,
    /// A measurement.
    Full,
}

/// A name that is no program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWorkload;

impl fmt::Display for UnknownWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown workload; valid:")?;
        Workload::NAMES
            .iter()
            .try_for_each(|name| write!(f, " {name}"))
    }
}

impl core::error::Error for UnknownWorkload {}

impl Workload {
    /// Every program, in the order of the tables.
    pub const ALL: &'static [Self] = &[
        Self::SpawnJoin,
        Self::Fib,
        Self::PingPong,
        Self::Wordcount,
        Self::Mixed,
    ];

    /// The names, in the same order.
    pub const NAMES: &'static [&'static str] =
        &["spawn-join", "fib", "ping-pong", "wordcount", "mixed"];

    /// The name on the command line and in the records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The parameter of a comparison of this size.
    ///
    /// It is the same for every model and on both grounds. One thread a job is what bounds
    /// it: fib(18) makes 4,180 joins.
    #[must_use]
    pub const fn default_param(self, size: Size) -> u64 {
        match (self, size) {
            (Self::SpawnJoin, Size::Quick) => 1_000,
            (Self::SpawnJoin, Size::Full) => 10_000,
            (Self::Fib, Size::Quick) => 15,
            (Self::Fib, Size::Full) => 18,
            (Self::PingPong, Size::Quick) => 1_000,
            (Self::PingPong, Size::Full) => 10_000,
            (Self::Wordcount, Size::Quick) => 16,
            (Self::Wordcount, Size::Full) => 64,
            (Self::Mixed, Size::Quick) => 100,
            (Self::Mixed, Size::Full) => 1_000,
        }
    }

    /// The largest parameter that the program takes.
    #[must_use]
    pub const fn max_param(self) -> u64 {
        match self {
            // fib(93) is the last that fits 64 bits; nobody waits for fib(60).
            Self::Fib => 60,
            Self::Mixed => 100_000,
            _ => 1_000_000_000,
        }
    }

    /// Runs the program under a model and returns its checksum.
    ///
    /// # Errors
    /// The first job's that could not be run.
    ///
    /// # Blocking
    /// Until everything that the program has started has ended.
    pub fn run<E: Executor + ?Sized>(
        self,
        handle: &Handle<E>,
        param: u64,
        text: &[u8],
    ) -> Result<u64, JoinError> {
        match self {
            Self::SpawnJoin => spawn_join::run(handle, param),
            Self::Fib => Ok(fib::run(handle, param)),
            Self::PingPong => ping_pong::run(handle, param),
            Self::Wordcount => Ok(wordcount::run(handle, param, text)),
            Self::Mixed => mixed::run(handle, param),
        }
    }

    /// Computes the checksum without an executor.
    #[must_use]
    pub fn serial(self, param: u64, text: &[u8]) -> u64 {
        match self {
            Self::SpawnJoin => spawn_join::serial(param),
            Self::Fib => fib::serial(param),
            Self::PingPong => ping_pong::serial(param),
            Self::Wordcount => wordcount::serial(text),
            Self::Mixed => mixed::serial(param),
        }
    }

    /// Whether the program reads a text.
    #[must_use]
    pub const fn reads_input(self) -> bool {
        matches!(self, Self::Wordcount)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Workload {
    type Err = UnknownWorkload;
    fn from_str(name: &str) -> Result<Self, UnknownWorkload> {
        Self::ALL
            .iter()
            .copied()
            .find(|one| one.name() == name)
            .ok_or(UnknownWorkload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        assert_eq!(Workload::ALL.len(), Workload::NAMES.len());
        for workload in Workload::ALL {
            assert_eq!(workload.name().parse(), Ok(*workload));
            assert!(workload.default_param(Size::Full) <= workload.max_param());
        }
        assert_eq!("sleep".parse::<Workload>(), Err(UnknownWorkload));
    }
}
