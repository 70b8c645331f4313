//! The report as a JSON file: how it is written, read and refused.
//!
//! The file holds `{"schema":1,"git":…,"machine":{…},"interrupted":false,"rows":[…]}`. The schema number is
//! checked before anything else, so that a later layout is named as such and isn't
//! misread. Unknown fields are ignored: an older reader can show a newer file of the same
//! schema.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Machine, Row, machine};

/// The number of the layout that this crate reads and writes.
pub const SCHEMA: u32 = 1;

/// Everything that one run of a command has measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The number of the layout; always [`SCHEMA`].
    pub schema: u32,
    /// The revision that was measured.
    pub git: String,
    /// The machine that it was measured on.
    pub machine: Machine,
    /// Whether somebody ended the run before it was complete.
    #[serde(default)]
    pub interrupted: bool,
    /// The figures, in the order of measuring.
    pub rows: Vec<Row>,
}

/// Why a report could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file could not be read.
    #[error("could not read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not JSON, or a field is missing or of another type.
    #[error("not a report")]
    Json(#[from] serde_json::Error),
    /// The file has another layout.
    #[error("report has schema {0}; this program reads schema {SCHEMA}")]
    Schema(u64),
    /// A row contradicts itself.
    #[error("{0}")]
    Row(String),
}

impl Report {
    /// Starts a report without rows.
    #[must_use]
    pub fn new(git: String, machine: Machine) -> Self {
        Self {
            schema: SCHEMA,
            git,
            machine,
            interrupted: false,
            rows: Vec::new(),
        }
    }

    /// Starts a report without rows about this checkout on this machine.
    ///
    /// # Blocking
    /// Runs `git` and `rustc` and waits for them.
    #[must_use]
    pub fn here() -> Self {
        Self::new(machine::git_revision(), Machine::detect())
    }

    /// Reads a report from JSON text.
    ///
    /// # Errors
    /// [`ReadError::Json`], [`ReadError::Schema`] and [`ReadError::Row`].
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Versioned {
            schema: u64,
        }
        let Versioned { schema } = serde_json::from_str(text)?;
        if schema != u64::from(SCHEMA) {
            return Err(ReadError::Schema(schema));
        }
        let report: Self = serde_json::from_str(text)?;
        report
            .rows
            .iter()
            .try_for_each(Row::check)
            .map_err(ReadError::Row)?;
        Ok(report)
    }

    /// Gives the report as JSON text that ends in a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .expect("invariant: a report has string keys and finite numbers only");
        text.push('\n');
        text
    }

    /// Reads a report from a file.
    ///
    /// # Errors
    /// [`ReadError::File`] names the file; the others are those of [`Report::from_json`].
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let text = fs::read_to_string(path).map_err(|source| ReadError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::from_json(&text)
    }

    /// Writes the report to a file, which is complete or untouched: the text goes to a
    /// neighbour file first, which then takes the name.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        replace(path, self.to_json().as_bytes())
    }
}

/// Writes a file that is complete or untouched.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let mut file = fs::File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Conditions;
    use crate::metric::NS_PER_JOIN;

    fn sample() -> Report {
        let mut report = Report::new(
            "0abc".into(),
            Machine {
                cpu: "test".into(),
                cores: 2,
                ..Machine::default()
            },
        );
        report.rows.push(
            Row::measured(
                "fib32",
                &NS_PER_JOIN,
                "pool-workstealing",
                "host",
                vec![2.5, 2.0],
            )
            .with_conditions(Conditions::of(&[0.01], &[])),
        );
        report.rows.push(Row::missing(
            "fib32",
            &NS_PER_JOIN,
            "chili",
            "host",
            "does not build",
        ));
        report
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let value: serde_json::Value = serde_json::from_str(&sample().to_json()).unwrap();
        let expected = serde_json::json!({
            "schema": 1,
            "git": "0abc",
            "machine": {"cpu": "test", "cores": 2, "kernel": "", "rustc": "", "memory_mib": 0},
            "interrupted": false,
            "rows": [
                {"bench": "fib32", "metric": "ns_per_join", "subject": "pool-workstealing", "ground": "host",
                 "unit": "ns", "lower_is_better": true, "median": 2.25, "min": 2.0,
                 "interval": {"low": 2.0, "high": 2.5}, "conditions": {"foreign": 0.01, "mhz": null},
                 "noise": "spread 22 %", "samples": [2.5, 2.0], "note": null},
                {"bench": "fib32", "metric": "ns_per_join", "subject": "chili", "ground": "host",
                 "unit": "ns", "lower_is_better": true, "median": null, "min": null,
                 "interval": null, "conditions": null, "noise": null, "samples": [], "note": "does not build"},
            ],
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let report = sample();
        report.write(&path).unwrap();
        assert_eq!(Report::read(&path).unwrap(), report);
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "no partial file is left: {files:?}");
    }

    #[test]
    fn an_older_file_without_intervals_is_read() {
        let mut value: serde_json::Value = serde_json::from_str(&sample().to_json()).unwrap();
        let row = value["rows"][0].as_object_mut().unwrap();
        for field in ["interval", "conditions", "noise"] {
            assert!(row.remove(field).is_some(), "{field}");
        }
        let report = Report::from_json(&value.to_string()).unwrap();
        assert_eq!(report.rows[0].interval, None);
        assert_eq!(report.rows[0].median, Some(2.25));
    }

    #[test]
    fn another_schema_is_named_before_its_layout_matters() {
        let error = Report::from_json(r#"{"schema":2,"lines":[]}"#).unwrap_err();
        assert!(matches!(error, ReadError::Schema(2)), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Report::read(Path::new("/nonexistent/report.json")).unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/report.json"),
            "{error}"
        );
    }

    #[test]
    fn a_row_without_figure_and_note_is_refused() {
        let text = sample().to_json().replace("\"does not build\"", "null");
        let error = Report::from_json(&text).unwrap_err();
        assert!(matches!(error, ReadError::Row(_)), "{error}");
    }

    #[test]
    fn text_that_is_no_report_is_refused() {
        assert!(matches!(Report::from_json("{"), Err(ReadError::Json(_))));
        assert!(matches!(
            Report::from_json(r#"{"schema":1}"#),
            Err(ReadError::Json(_))
        ));
    }
}
