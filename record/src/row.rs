//! One answered, or honestly unanswered, question of a report.
//!
//! # States
//! A row is either **measured** (`samples` not empty, `median` and `min` derived from
//! them) or **missing** (`samples` empty, `median` and `min` null, `note` says why). The two
//! constructors make no third kind, and [`Row::check`] refuses one that was read.

use serde::{Deserialize, Serialize};

use crate::noise::{self, Conditions};
use crate::{Interval, Metric, metric, stats};

/// A figure for one bench, subject, ground and metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The question, for instance `fib32`; the parameter belongs to the name.
    pub bench: String,
    /// What was counted, for instance `ns_per_join`.
    pub metric: String,
    /// Who was measured: a model or a peer.
    pub subject: String,
    /// Where it ran: `host` or `kernel`.
    pub ground: String,
    /// The unit of the figures.
    pub unit: String,
    /// Whether a smaller figure wins.
    pub lower_is_better: bool,
    /// The middle sample; null when the subject has no figure.
    pub median: Option<f64>,
    /// The smallest sample; null when the subject has no figure.
    pub min: Option<f64>,
    /// Where the true median probably lies; null for fewer than two samples.
    #[serde(default)]
    pub interval: Option<Interval>,
    /// What the machine was like meanwhile; null where nobody looked.
    #[serde(default)]
    pub conditions: Option<Conditions>,
    /// Why the figure may be another one next time; null where nothing speaks for that.
    #[serde(default)]
    pub noise: Option<String>,
    /// Every sample in the order of measuring.
    pub samples: Vec<f64>,
    /// Why there is no figure, or what to know about it.
    pub note: Option<String>,
}

impl Row {
    /// Makes a row from samples; samples that are not finite are dropped and noted.
    ///
    /// Without any finite sample this is [`Row::missing`] with the note "no sample".
    #[must_use]
    pub fn measured(
        bench: impl Into<String>,
        metric: &Metric,
        subject: impl Into<String>,
        ground: impl Into<String>,
        samples: Vec<f64>,
    ) -> Self {
        let given = samples.len();
        let samples: Vec<f64> = samples.into_iter().filter(|s| s.is_finite()).collect();
        let dropped = given - samples.len();
        let mut row = Self::missing(bench, metric, subject, ground, "no sample");
        row.median = stats::median(&samples);
        row.min = stats::min(&samples);
        row.interval = Interval::of_median(&samples);
        row.judge();
        if !samples.is_empty() {
            row.note =
                (dropped > 0).then(|| format!("{dropped} of {given} samples were not numbers"));
        }
        row.samples = samples;
        row
    }

    /// Makes the row of a subject that has no figure; `note` says why.
    #[must_use]
    pub fn missing(
        bench: impl Into<String>,
        metric: &Metric,
        subject: impl Into<String>,
        ground: impl Into<String>,
        note: impl Into<String>,
    ) -> Self {
        Self {
            bench: bench.into(),
            metric: metric.name.into(),
            subject: subject.into(),
            ground: ground.into(),
            unit: metric.unit.into(),
            lower_is_better: metric.lower_is_better,
            median: None,
            min: None,
            interval: None,
            conditions: None,
            noise: None,
            samples: Vec::new(),
            note: Some(note.into()),
        }
    }

    /// Adds what the machine was like; a disturbed row becomes a noisy one.
    #[must_use]
    pub fn with_conditions(mut self, conditions: Conditions) -> Self {
        self.conditions = Some(conditions);
        self.judge();
        self
    }

    fn judge(&mut self) {
        // Others take time and CPUs from a clock, but nothing from a count.
        let clocked = !metric::is_counted(&self.metric);
        let conditions = self.conditions.filter(|_| clocked);
        self.noise = self
            .median
            .and_then(|median| noise::reason(median, self.interval, conditions));
    }

    /// Whether this row and another can't be told apart: their medians are equal, or their
    /// intervals overlap.
    #[must_use]
    pub fn ties(&self, other: &Self) -> bool {
        let overlap = self
            .interval
            .zip(other.interval)
            .is_some_and(|(mine, theirs)| mine.overlaps(theirs));
        overlap || (self.median.is_some() && self.median == other.median)
    }

    /// Whether another row answers the same question on the same ground.
    #[must_use]
    pub fn rivals(&self, other: &Self) -> bool {
        (&self.bench, &self.ground, &self.metric) == (&other.bench, &other.ground, &other.metric)
    }

    /// The best of the rows that answer the same question on the same ground.
    #[must_use]
    pub fn best<'a>(&self, rows: &'a [Self]) -> Option<&'a Self> {
        let rivals = rows
            .iter()
            .filter(|other| self.rivals(other) && other.median.is_some());
        let by_median = |a: &&Self, b: &&Self| {
            let figure = |row: &Self| row.median.unwrap_or(f64::NAN);
            figure(a).total_cmp(&figure(b))
        };
        if self.lower_is_better {
            rivals.min_by(by_median)
        } else {
            rivals.max_by(by_median)
        }
    }

    /// Adds a note to the row, after the one that it has.
    #[must_use]
    pub fn with_note(mut self, note: impl AsRef<str>) -> Self {
        let note = note.as_ref();
        self.note = Some(match self.note.take() {
            Some(first) => format!("{first}; {note}"),
            None => note.to_owned(),
        });
        self
    }

    /// Checks that a row that was read is measured or missing, never half of both.
    ///
    /// # Errors
    /// A sentence that names the row and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let name = format!(
            "{}/{}/{}/{}",
            self.bench, self.subject, self.ground, self.metric
        );
        if self.bench.is_empty() || self.subject.is_empty() || self.metric.is_empty() {
            return Err(format!(
                "row {name}: bench, subject and metric may not be empty"
            ));
        }
        match (self.median, self.min, &self.note) {
            (Some(median), Some(min), _) if min <= median && !self.samples.is_empty() => Ok(()),
            (Some(_), Some(_), _) if self.samples.is_empty() => {
                Err(format!("row {name}: has a median but no samples"))
            }
            (Some(_), Some(_), _) => Err(format!("row {name}: min is above the median")),
            (None, None, Some(_)) if self.samples.is_empty() => Ok(()),
            (None, None, Some(_)) => Err(format!("row {name}: has samples but no median")),
            (None, None, None) => Err(format!(
                "row {name}: has no figure and no note that says why"
            )),
            _ => Err(format!(
                "row {name}: median and min must both be there or both be null"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::TIME;

    #[test]
    fn measured_derives_its_figures() {
        let row = Row::measured("fib32", &TIME, "rayon", "host", vec![3.0, 1.0, 2.0]);
        assert_eq!(
            (row.median, row.min, row.note.as_deref()),
            (Some(2.0), Some(1.0), None)
        );
        assert_eq!(
            row.samples,
            [3.0, 1.0, 2.0],
            "samples keep the order of measuring"
        );
        row.check().expect("a measured row is valid");
    }

    #[test]
    fn missing_says_why() {
        let row = Row::missing("fib32", &TIME, "chili", "host", "does not build");
        assert_eq!((row.median, row.min), (None, None));
        row.check().expect("a missing row is valid");
    }

    #[test]
    fn no_finite_sample_is_missing_not_zero() {
        let row = Row::measured("fib32", &TIME, "rayon", "host", vec![f64::NAN]);
        assert_eq!(row.median, None);
        assert_eq!(row.note.as_deref(), Some("no sample"));
        row.check().expect("still valid");
    }

    #[test]
    fn dropped_samples_are_noted() {
        let row =
            Row::measured("b", &TIME, "s", "host", vec![1.0, f64::INFINITY]).with_note("warm");
        assert_eq!(
            row.note.as_deref(),
            Some("1 of 2 samples were not numbers; warm")
        );
    }

    #[test]
    fn a_wide_or_disturbed_row_is_noisy() {
        let wide = Row::measured("b", &TIME, "s", "host", vec![1.0, 2.0, 3.0]);
        assert_eq!(wide.noise.as_deref(), Some("spread 100 %"));
        let steady = Row::measured("b", &TIME, "s", "host", vec![100.0, 101.0, 102.0]);
        assert_eq!(steady.noise, None);
        let disturbed = steady.with_conditions(Conditions::of(&[0.3], &[2_000.0]));
        let noise = disturbed.noise.expect("noisy");
        assert!(noise.contains("30 % of the machine"), "{noise}");
    }

    #[test]
    fn what_is_counted_is_not_disturbed_by_others() {
        let busy = Conditions::of(&[0.9], &[]);
        let calls = Row::measured("b", &metric::SYSTEM_CALLS, "s", "host", vec![7.0, 7.0]);
        assert_eq!(calls.with_conditions(busy).noise, None);
        // But counts that differ do.
        let memory = Row::measured("b", &metric::MEMORY, "s", "host", vec![7.0, 9.0]);
        let noise = memory.with_conditions(busy).noise;
        assert_eq!(noise.as_deref(), Some("spread 25 %"));
    }

    #[test]
    fn what_cannot_be_told_apart_is_a_tie() {
        let row = |samples: &[f64]| Row::measured("b", &TIME, "s", "host", samples.to_vec());
        let fast = row(&[10.0, 11.0, 12.0]);
        assert!(fast.ties(&row(&[12.0, 13.0, 14.0])));
        assert!(!fast.ties(&row(&[13.0, 14.0, 15.0])));
        assert!(row(&[1.0]).ties(&row(&[1.0])) && !row(&[1.0]).ties(&row(&[2.0])));
        let missing = Row::missing("b", &TIME, "s", "host", "not run");
        assert!(!missing.ties(&missing));
    }

    #[test]
    fn halves_are_refused() {
        let good = Row::measured("b", &TIME, "s", "host", vec![1.0]);
        let cases = [
            Row {
                min: None,
                ..good.clone()
            },
            Row {
                samples: vec![],
                ..good.clone()
            },
            Row {
                median: None,
                min: None,
                ..good.clone()
            },
            Row {
                median: None,
                min: None,
                samples: vec![],
                note: None,
                ..good.clone()
            },
            Row {
                min: Some(2.0),
                ..good.clone()
            },
            Row {
                bench: String::new(),
                ..good
            },
        ];
        for row in cases {
            assert!(row.check().is_err(), "{row:?}");
        }
    }
}
