//! What one fresh process says about one measured run.
//!
//! Every sample of a figure is a process of its own, so that one run's heap, threads and
//! caches don't become the next one's. The process prints one line of JSON, which the
//! command that started it reads.

use serde::{Deserialize, Serialize};

use crate::line;

/// The line that a sample process prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Wall time of one run, in nanoseconds; the mean where `runs` is above 1.
    pub time_ns: f64,
    /// Voluntary context switches of the whole process a run.
    pub voluntary: f64,
    /// Involuntary context switches of the whole process a run.
    pub involuntary: f64,
    /// How many runs the figures are the mean of: short ones are repeated.
    pub runs: u64,
    /// The answer of the last run.
    pub checksum: u64,
    /// The answer of the serial reference.
    pub expected: u64,
    /// The share of the machine's CPUs that others used meanwhile, 0 to 1, where it is known.
    #[serde(default)]
    pub foreign: Option<f64>,
    /// The CPUs' frequency in MHz right after the run, where it is known.
    #[serde(default)]
    pub mhz: Option<f64>,
}

impl Sample {
    /// Whether the answer is the serial reference's.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.checksum == self.expected
    }

    /// Gives the line, without a newline.
    #[must_use]
    pub fn to_line(&self) -> String {
        line::of(self)
    }

    /// Reads the last line of a process's output that is a sample.
    #[must_use]
    pub fn from_output(output: &str) -> Option<Self> {
        line::last(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sample_line_is_read() {
        let sample = Sample {
            time_ns: 1.5,
            voluntary: 2.0,
            involuntary: 0.0,
            runs: 4,
            checksum: 7,
            expected: 7,
            foreign: Some(0.5),
            mhz: None,
        };
        let output = format!("warming up\n{}\nbye\n", sample.to_line());
        assert_eq!(Sample::from_output(&output), Some(sample));
    }

    #[test]
    fn other_output_is_no_sample() {
        assert_eq!(Sample::from_output("{}\nkilled\n"), None);
    }

    #[test]
    fn a_checksum_survives_in_all_its_bits() {
        let sample = Sample {
            time_ns: 0.0,
            voluntary: 0.0,
            involuntary: 0.0,
            runs: 1,
            checksum: u64::MAX,
            expected: 1,
            foreign: None,
            mhz: None,
        };
        let read = Sample::from_output(&sample.to_line()).expect("a sample");
        assert_eq!(read.checksum, u64::MAX);
        assert!(!read.is_right());
    }
}
