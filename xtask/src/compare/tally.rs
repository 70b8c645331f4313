//! The figures of one ground while they come in, until they are rows.
//!
//! # States of a subject
//! *Running*: samples are added. *Out*: it hung, failed or answered wrongly; the reason is
//! kept, its earlier samples are dropped (a model that hangs in one run of seven has no
//! trustworthy figure) and it isn't started again.

use record::{Conditions, Ground, Row, Sample, metric};

/// Who is measured on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) bench: String,
    pub(crate) subject: String,
}

/// Everything about one subject.
#[derive(Debug)]
struct Entry {
    key: Key,
    samples: Vec<Sample>,
    instructions: Vec<f64>,
    out: Option<String>,
}

/// The figures of one ground.
#[derive(Debug)]
pub(crate) struct Tally {
    ground: Ground,
    entries: Vec<Entry>,
    /// What was answered wrongly, one sentence each.
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    /// Starts without subjects.
    pub(crate) fn new(ground: Ground) -> Self {
        Self {
            ground,
            entries: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// Adds a sample; a wrong answer puts the subject out.
    pub(crate) fn add(&mut self, key: &Key, sample: Sample) {
        if sample.is_right() {
            self.entry(key).samples.push(sample);
        } else {
            let what = format!("{:#x} instead of {:#x}", sample.checksum, sample.expected);
            self.wrong.push(format!(
                "{} under {} ({}): {what}",
                key.bench, key.subject, self.ground
            ));
            self.put_out(key, format!("wrong answer: {what}"));
        }
    }

    /// Adds an exact instruction count.
    pub(crate) fn add_instructions(&mut self, key: &Key, count: f64) {
        self.entry(key).instructions.push(count);
    }

    /// Gives a subject up, for a reason. The first reason stays.
    pub(crate) fn put_out(&mut self, key: &Key, reason: impl Into<String>) {
        self.entry(key).out.get_or_insert(reason.into());
    }

    /// Gives a subject up that has no figure yet; another one keeps what it has.
    pub(crate) fn end(&mut self, key: &Key, reason: impl Into<String>) {
        if self.entry(key).samples.is_empty() {
            self.put_out(key, reason);
        }
    }

    /// Whether the subject has been given up.
    pub(crate) fn is_out(&self, key: &Key) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.key == *key && entry.out.is_some())
    }

    /// Turns everything into rows.
    pub(crate) fn into_rows(self) -> Vec<Row> {
        let ground = self.ground.name();
        self.entries
            .into_iter()
            .flat_map(|entry| entry.into_rows(ground))
            .collect()
    }

    fn entry(&mut self, key: &Key) -> &mut Entry {
        let at = self
            .entries
            .iter()
            .position(|entry| entry.key == *key)
            .unwrap_or_else(|| {
                let (samples, instructions) = (Vec::new(), Vec::new());
                self.entries.push(Entry {
                    key: key.clone(),
                    samples,
                    instructions,
                    out: None,
                });
                self.entries.len() - 1
            });
        &mut self.entries[at]
    }
}

impl Entry {
    fn into_rows(self, ground: &str) -> Vec<Row> {
        let (bench, subject) = (self.key.bench, self.key.subject);
        if let Some(reason) = self.out {
            return vec![Row::missing(bench, &metric::TIME, subject, ground, reason)];
        }
        let known = |seen: fn(&Sample) -> Option<f64>| -> Vec<f64> {
            self.samples.iter().filter_map(seen).collect()
        };
        let conditions = Conditions::of(&known(|s| s.foreign), &known(|s| s.mhz));
        let row = |metric, samples| {
            let row = Row::measured(&bench, metric, &subject, ground, samples);
            if conditions == Conditions::default() {
                // Nobody could look.
                row
            } else {
                row.with_conditions(conditions)
            }
        };
        let of = |figure: fn(&Sample) -> f64| self.samples.iter().map(figure).collect::<Vec<f64>>();
        let mut rows = vec![
            row(&metric::TIME, of(|sample| sample.time_ns)),
            row(&metric::VOLUNTARY_SWITCHES, of(|sample| sample.voluntary)),
            row(
                &metric::INVOLUNTARY_SWITCHES,
                of(|sample| sample.involuntary),
            ),
        ];
        if let Some(first) = self.instructions.first() {
            let agree = self.instructions.iter().all(|count| count == first);
            let row = row(&metric::INSTRUCTIONS, self.instructions.clone());
            // Else something in the guest depends on the host's time.
            rows.push(if agree {
                row
            } else {
                row.with_note("NOT EXACT: two counts differ")
            });
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            bench: "fib/20".into(),
            subject: "one-to-one".into(),
        }
    }

    fn sample(time_ns: f64, checksum: u64) -> Sample {
        Sample {
            time_ns,
            voluntary: 1.0,
            involuntary: 2.0,
            runs: 1,
            checksum,
            expected: 7,
            foreign: None,
            mhz: None,
        }
    }

    #[test]
    fn samples_become_three_rows() {
        let mut tally = Tally::new(Ground::Host);
        for time_ns in [3.0, 1.0, 2.0] {
            tally.add(&key(), sample(time_ns, 7));
        }
        let rows = tally.into_rows();
        let medians: Vec<_> = rows
            .iter()
            .map(|row| (row.metric.as_str(), row.median))
            .collect();
        assert_eq!(
            medians,
            [
                ("time", Some(2.0)),
                ("voluntary_switches", Some(1.0)),
                ("involuntary_switches", Some(2.0))
            ]
        );
    }

    #[test]
    fn what_the_machine_did_stands_in_every_row() {
        let mut tally = Tally::new(Ground::Host);
        for foreign in [0.1, 0.3, 0.2] {
            let seen = Sample {
                foreign: Some(foreign),
                mhz: Some(2_000.0),
                ..sample(1.0, 7)
            };
            tally.add(&key(), seen);
        }
        for row in tally.into_rows() {
            let conditions = row.conditions.expect("conditions");
            assert_eq!(
                (conditions.foreign, conditions.mhz),
                (Some(0.2), Some(2_000.0))
            );
            assert!(row.noise.is_some(), "{row:?}");
        }
    }

    #[test]
    fn a_wrong_answer_fails_and_takes_the_figures_with_it() {
        let mut tally = Tally::new(Ground::Host);
        tally.add(&key(), sample(1.0, 7));
        tally.add(&key(), sample(1.0, 8));
        assert!(tally.is_out(&key()));
        assert_eq!(tally.wrong.len(), 1);
        let rows = tally.into_rows();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].median, None);
        assert_eq!(
            rows[0].note.as_deref(),
            Some("wrong answer: 0x8 instead of 0x7")
        );
    }

    #[test]
    fn the_first_reason_stays() {
        let mut tally = Tally::new(Ground::Kernel);
        assert!(!tally.is_out(&key()));
        tally.put_out(&key(), "killed after 10 s");
        tally.put_out(&key(), "later");
        assert_eq!(
            tally.into_rows()[0].note.as_deref(),
            Some("killed after 10 s")
        );
    }

    #[test]
    fn an_end_before_its_turn_is_told_and_a_figure_is_kept() {
        let other = Key {
            subject: "rayon".into(),
            ..key()
        };
        let mut tally = Tally::new(Ground::Host);
        tally.add(&key(), sample(1.0, 7));
        tally.end(&key(), "not run: interrupted");
        tally.end(&other, "not run: interrupted");
        let rows = tally.into_rows();
        assert_eq!(rows[0].median, Some(1.0));
        let last = rows.last().expect("its row");
        assert_eq!((&*last.subject, last.median), ("rayon", None));
        assert_eq!(last.note.as_deref(), Some("not run: interrupted"));
    }

    #[test]
    fn instructions_stand_beside_the_time() {
        let mut tally = Tally::new(Ground::Kernel);
        tally.add(&key(), sample(1.0, 7));
        tally.add_instructions(&key(), 1068.0);
        tally.add_instructions(&key(), 1068.0);
        let rows = tally.into_rows();
        let row = rows
            .iter()
            .find(|row| row.metric == "instructions")
            .expect("its row");
        assert_eq!((row.median, row.note.as_deref()), (Some(1068.0), None));
    }

    #[test]
    fn counts_that_differ_are_said_to() {
        let mut tally = Tally::new(Ground::Kernel);
        tally.add_instructions(&key(), 1068.0);
        tally.add_instructions(&key(), 1069.0);
        let rows = tally.into_rows();
        let row = rows
            .iter()
            .find(|row| row.metric == "instructions")
            .expect("its row");
        assert!(
            row.note
                .as_deref()
                .is_some_and(|note| note.contains("NOT EXACT"))
        );
    }
}
