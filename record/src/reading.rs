//! What one fresh process, or one boot, says about one case of an experiment.
//!
//! A case has several figures at once (time, memory, context switches), each named by its
//! [`Metric`]. The process prints them as one line of JSON; the kernel, which has no
//! JSON, prints `reading BENCH SUBJECT METRIC=NUMBER …`.

use serde::{Deserialize, Serialize};

use crate::{Conditions, Metric, Row, line, metric};

/// The figures of one run of one case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Each figure: the metric's name, and the number in its unit.
    pub figures: Vec<(String, f64)>,
    /// The answer of what was measured, in 64 bits, where it has one: all subjects of a bench must
    /// have the same.
    #[serde(default)]
    pub answer: Option<u64>,
    /// What a reader has to know, for instance a limit that made the case smaller.
    #[serde(default)]
    pub note: Option<String>,
    /// The share of the machine's CPUs that others used meanwhile, 0 to 1, where it is known.
    #[serde(default)]
    pub foreign: Option<f64>,
    /// The CPUs' frequency in MHz right after the run, where it is known.
    #[serde(default)]
    pub mhz: Option<f64>,
}

impl Reading {
    /// Adds a figure.
    #[must_use]
    pub fn with(mut self, metric: &Metric, number: f64) -> Self {
        self.figures.push((metric.name.to_owned(), number));
        self
    }

    /// Adds a figure where there is one.
    #[must_use]
    pub fn with_known(self, metric: &Metric, number: Option<f64>) -> Self {
        match number {
            Some(number) => self.with(metric, number),
            None => self,
        }
    }

    /// Says what the answer was.
    #[must_use]
    pub fn with_answer(mut self, answer: u64) -> Self {
        self.answer = Some(answer);
        self
    }

    /// Says what a reader has to know.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Gives the line, without a newline.
    #[must_use]
    pub fn to_line(&self) -> String {
        line::of(self)
    }

    /// Reads the last line of a process's output that is a reading.
    #[must_use]
    pub fn from_output(output: &str) -> Option<Self> {
        line::last(output)
    }

    /// Reads a line of the kernel: the bench, the subject and the figures.
    #[must_use]
    pub fn from_guest_line(line: &str) -> Option<(String, String, Self)> {
        let mut words = line.trim().strip_prefix("reading ")?.split(' ');
        let (bench, subject) = (words.next()?.to_owned(), words.next()?.to_owned());
        let figure = |word: &str| {
            let (name, number) = word.split_once('=')?;
            Some((name.to_owned(), number.parse().ok()?))
        };
        let figures = words.map(figure).collect::<Option<Vec<_>>>()?;
        let reading = Self {
            figures,
            ..Self::default()
        };
        Some((bench, subject, reading))
    }
}

/// Turns the readings of one case into rows, one a metric.
///
/// A reading without a figure that the others have leaves a sample out; a name that no metric has
/// becomes a row that says so.
#[must_use]
pub fn rows(bench: &str, subject: &str, ground: &str, readings: &[Reading]) -> Vec<Row> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in readings.iter().flat_map(|reading| &reading.figures) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let known = |seen: fn(&Reading) -> Option<f64>| -> Vec<f64> {
        readings.iter().filter_map(seen).collect()
    };
    let conditions = Conditions::of(&known(|r| r.foreign), &known(|r| r.mhz));
    let note = readings
        .iter()
        .rev()
        .find_map(|reading| reading.note.as_ref());
    let row = |name: &str| {
        let Some(metric) = metric::named(name) else {
            let why = format!("no metric is named '{name}'");
            return Row::missing(bench, &metric::TIME, subject, ground, why);
        };
        let figures = readings.iter().flat_map(|reading| &reading.figures);
        let of_this = figures.filter(|(other, _)| other == name);
        let samples = of_this.map(|(_, number)| *number).collect();
        let row = Row::measured(bench, metric, subject, ground, samples);
        let row = if conditions == Conditions::default() {
            row
        } else {
            row.with_conditions(conditions)
        };
        match note {
            Some(note) => row.with_note(note),
            None => row,
        }
    };
    names.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{TIME, VOLUNTARY_SWITCHES};

    #[test]
    fn a_line_is_read_among_others() {
        let reading = Reading::default().with(&TIME, 12.5).with_note("10 of 100");
        let output = format!("warming up\n{}\nbye\n", reading.to_line());
        assert_eq!(Reading::from_output(&output), Some(reading));
        assert_eq!(Reading::from_output("{}\nkilled"), None);
    }

    #[test]
    fn the_kernels_line_is_read() {
        let line = "reading create/time/1 thread time=1219 voluntary_switches=2\r";
        let (bench, subject, reading) = Reading::from_guest_line(line).expect("a reading");
        assert_eq!((&*bench, &*subject), ("create/time/1", "thread"));
        let expected = Reading::default()
            .with(&TIME, 1219.0)
            .with(&VOLUNTARY_SWITCHES, 2.0);
        assert_eq!(reading, expected);
        assert_eq!(Reading::from_guest_line("reading a b time"), None);
        assert_eq!(Reading::from_guest_line("kernel: up"), None);
    }

    #[test]
    fn each_metric_is_a_row() {
        let reading = |time| {
            Reading::default()
                .with(&TIME, time)
                .with(&VOLUNTARY_SWITCHES, 2.0)
        };
        let readings = [reading(3.0), reading(1.0), reading(2.0)];
        let rows = rows("create/time/1", "thread", "host", &readings);
        let medians: Vec<_> = rows.iter().map(|row| (&*row.metric, row.median)).collect();
        assert_eq!(
            medians,
            [("time", Some(2.0)), ("voluntary_switches", Some(2.0))]
        );
    }

    #[test]
    fn a_name_that_is_no_metric_is_told() {
        let odd = Reading {
            figures: vec![("speed".into(), 1.0)],
            ..Reading::default()
        };
        let rows = rows("b", "s", "host", &[odd]);
        assert_eq!(rows[0].note.as_deref(), Some("no metric is named 'speed'"));
    }
}
