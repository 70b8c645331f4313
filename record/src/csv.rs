//! The report as a table of comma-separated values, for a spreadsheet or a notebook.
//!
//! One line a row, and in each line what else belongs to the run: who reads the file has no other place
//! to look. A figure that is missing is an empty field, and the note says why.

use std::io;
use std::path::Path;

use crate::{Report, Row};

/// The heading.
const COLUMNS: [&str; 17] = [
    "bench",
    "subject",
    "ground",
    "metric",
    "unit",
    "lower_is_better",
    "median",
    "min",
    "low",
    "high",
    "samples",
    "foreign",
    "mhz",
    "noise",
    "note",
    "git",
    "interrupted",
];

impl Report {
    /// Gives the report as comma-separated values, with a heading.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let lines = self.rows.iter().map(|row| self.fields(row));
        let heading = COLUMNS.map(str::to_owned);
        let written = std::iter::once(heading)
            .chain(lines)
            .try_for_each(|fields| writer.write_record(fields));
        written.expect("invariant: memory takes every line, and all are as long");
        let bytes = writer.into_inner().expect("invariant: memory takes all");
        String::from_utf8(bytes).expect("invariant: it was text")
    }

    /// Writes them to a file, which is complete or untouched.
    ///
    /// # Errors
    /// What the system said.
    pub fn write_csv(&self, path: &Path) -> io::Result<()> {
        crate::file::replace(path, self.to_csv().as_bytes())
    }

    fn fields(&self, row: &Row) -> [String; COLUMNS.len()] {
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        [
            row.bench.clone(),
            row.subject.clone(),
            row.ground.clone(),
            row.metric.clone(),
            row.unit.clone(),
            row.lower_is_better.to_string(),
            number(row.median),
            number(row.min),
            number(row.interval.map(|interval| interval.low)),
            number(row.interval.map(|interval| interval.high)),
            row.samples.len().to_string(),
            number(row.conditions.and_then(|conditions| conditions.foreign)),
            number(row.conditions.and_then(|conditions| conditions.mhz)),
            text(&row.noise),
            text(&row.note),
            self.git.clone(),
            self.interrupted.to_string(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Machine;
    use crate::metric::TIME;

    #[test]
    fn every_row_is_a_line_that_can_be_read_back() {
        let mut report = Report::new("0abc".into(), Machine::default());
        report.interrupted = true;
        let note = "killed, after \"10 s\"";
        report.rows.push(Row::measured(
            "fib/18",
            &TIME,
            "rayon",
            "host",
            vec![1.5, 2.5],
        ));
        report
            .rows
            .push(Row::missing("fib/18", &TIME, "tokio", "host", note));
        let text = report.to_csv();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
        let lines: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(lines.len(), 2);
        let cell = |line: usize, name: &str| {
            let column = COLUMNS.iter().position(|column| *column == name).unwrap();
            lines[line][column].to_owned()
        };
        assert_eq!(cell(0, "median"), "2");
        assert_eq!(
            (cell(1, "median"), cell(1, "note")),
            (String::new(), note.to_owned())
        );
        assert_eq!(cell(1, "interrupted"), "true");
    }
}
