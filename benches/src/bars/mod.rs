//! The ratio bars: questions of the form "is ours at most k times as slow as theirs?".
//!
//! # Protocol
//! Each figure is taken in a fresh process (`lab figure BENCH SUBJECT`). The driver goes
//! round all subjects of all benches again and again, so that a disturbance of the machine
//! meets everybody, and a ratio is the median over the rounds of the quotient of two
//! neighbours in time: what slows a whole round down falls out of it.

mod driver;
mod spawn_outside;
mod trait_cost;

pub use self::driver::{Options, run};

use std::time::Duration;

/// Takes one figure: nanoseconds a job.
type Measure = fn(cpus: usize, jobs: u64) -> anyhow::Result<f64>;

/// Somebody who is measured.
#[derive(Clone, Copy)]
pub struct Subject {
    /// The name in the records.
    pub name: &'static str,
    /// Jobs of a sample.
    jobs: u64,
    measure: Measure,
}

impl Subject {
    /// Runs this many jobs and returns the nanoseconds that they took together.
    ///
    /// # Errors
    /// Where the subject's threads could not be started, or it lost a job.
    ///
    /// # Blocking
    /// Until every job has run.
    pub fn nanoseconds(&self, cpus: usize, jobs: u64) -> anyhow::Result<f64> {
        // In portions: the jobs of one stand in memory at once.
        let mut left = jobs;
        let mut sum = 0.0;
        while left > 0 {
            let portion = left.min(self.jobs);
            sum += (self.measure)(cpus, portion)? * portion as f64;
            left -= portion;
        }
        Ok(sum)
    }
}

/// A claim that one subject is at most so many times as slow as another.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// Whose figure is above the line.
    pub ours: &'static str,
    /// Whose figure is below the line.
    pub theirs: &'static str,
    /// The largest quotient that is right.
    pub at_most: f64,
}

/// A question, those who are asked, and what the answer should be.
#[derive(Clone, Copy)]
pub struct Bench {
    /// The name in the records.
    pub name: &'static str,
    /// Who is measured.
    pub subjects: &'static [Subject],
    /// What is claimed.
    pub bars: &'static [Bar],
}

/// Every question.
pub const BENCHES: &[Bench] = &[spawn_outside::BENCH, trait_cost::BENCH];

/// A sample that takes longer counts as hung.
const LIMIT: Duration = Duration::from_secs(60);

/// Takes one figure in this process.
///
/// # Errors
/// Where there is no such bench or subject (the text lists the valid ones), or it fails.
///
/// # Blocking
/// Until every job has run.
pub fn figure(bench: &str, subject: &str, cpus: usize, quick: bool) -> anyhow::Result<f64> {
    let names = |names: Vec<&str>| names.join(", ");
    let Some(bench) = BENCHES.iter().find(|one| one.name == bench) else {
        let valid = names(BENCHES.iter().map(|one| one.name).collect());
        anyhow::bail!("unknown bench '{bench}'; valid: {valid}");
    };
    let Some(subject) = bench.subjects.iter().find(|one| one.name == subject) else {
        let valid = names(bench.subjects.iter().map(|one| one.name).collect());
        anyhow::bail!(
            "unknown subject '{subject}' of {}; valid: {valid}",
            bench.name
        );
    };
    let jobs = if quick {
        subject.jobs.div_ceil(10)
    } else {
        subject.jobs
    };
    (subject.measure)(cpus, jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_names_subjects_of_its_bench() {
        for bench in BENCHES {
            let names: Vec<_> = bench.subjects.iter().map(|subject| subject.name).collect();
            for bar in bench.bars {
                assert!(
                    names.contains(&bar.ours) && names.contains(&bar.theirs),
                    "{bar:?}"
                );
            }
        }
    }

    #[test]
    fn unknown_names_are_answered_with_the_valid_ones() {
        let text = figure("nothing", "x", 1, true)
            .expect_err("unknown")
            .to_string();
        assert!(text.contains("spawn_outside_24B, trait_cost"), "{text}");
        let text = figure("spawn_outside_24B", "x", 1, true)
            .expect_err("unknown")
            .to_string();
        assert!(
            text.contains("pool-basic, pool-basic-crossbeam, textbook, threadpool"),
            "{text}"
        );
    }
}
