//! The one schema for every figure this project writes, and its terminal table.
//!
//! A [`Report`] says which revision was measured, on which [`Machine`], and holds one
//! [`Row`] for every question asked: *bench* × *subject* × *ground* × *metric*. A subject
//! that is missing, failed or hung still has its row, with `median: null` and a note that
//! says why, so a reader never has to guess whether a gap means "not run" or "forgotten".
//!
//! A median never stands alone: beside it are its [`Interval`], what the machine was like
//! ([`Conditions`]), and whether the row is noisy. Subjects whose intervals overlap tie.
//!
//! ```
//! use record::{Report, Row, metric};
//!
//! let mut report = Report::new("0abc123".into(), record::Machine::default());
//! report.rows.push(Row::measured("fib32", &metric::NS_PER_JOIN, "rayon", "host", vec![7.1, 6.9, 7.0]));
//! report.rows.push(Row::missing("fib32", &metric::NS_PER_JOIN, "chili", "host", "does not build"));
//! assert_eq!(report.rows[0].median, Some(7.0));
//! println!("{}", record::table::render(&report));
//! ```

#![forbid(unsafe_code)]

mod csv;
pub mod effort;
pub mod experiment;
pub mod file;
pub mod interval;
mod line;
pub mod machine;
pub mod metric;
pub mod noise;
pub mod reading;
pub mod row;
pub mod sample;
pub mod stats;
pub mod subject;
pub mod table;

pub use effort::Effort;
pub use experiment::Experiment;
pub use file::{ReadError, Report, SCHEMA};
pub use interval::Interval;
pub use machine::Machine;
pub use metric::Metric;
pub use noise::Conditions;
pub use reading::Reading;
pub use row::Row;
pub use sample::Sample;
pub use subject::{Ground, Model, Peer, UnknownName, way};
