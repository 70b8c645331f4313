//! Figures and traces as one page: charts, tables and the race of the models.
//!
//! A [`Page`] is one HTML file that needs nothing beside it: no script, no font, no network. The
//! charts are drawn by `plotters` as SVG when the file is written, each twice, for a wide and for
//! a narrow window; the page's style shows the one that fits and gives both their light and dark
//! colours.
//!
//! ```
//! use record::{Machine, Report, Row, metric};
//! use report::{Page, Topic};
//!
//! let mut figures = Report::new("0abc123".into(), Machine::default());
//! figures.rows.push(Row::measured("fib/18", &metric::TIME, "rayon", "host", vec![7.1, 6.9, 7.0]));
//! let page = Page::new(figures)
//!     .command("cargo xtask compare --workloads fib")
//!     .topic(Topic::new("fib", "What does a fork-join cost?"));
//! let html = page.to_html();
//! assert!(html.starts_with("<!DOCTYPE html>") && html.contains("What does a fork-join cost?"));
//! ```

#![forbid(unsafe_code)]

mod bench;
mod chart;
mod command;
mod curve;
mod ink;
mod page;
mod race;
mod section;
mod table;
mod topic;
pub mod trace;

pub use command::quoted;
pub use page::Page;
pub use race::Race;
pub use topic::Topic;
pub use trace::{Lane, Trace};
