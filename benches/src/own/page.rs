//! The page of a lab of one's own.

use record::{Model, Report};
use report::{Page, Race, Trace};

use super::Lab;

/// What was recorded.
#[derive(Default)]
pub(super) struct Traces {
    races: Vec<Race>,
    /// Why something is missing, a sentence each.
    pub(super) missing: Vec<String>,
}

impl Traces {
    /// Adds the runs of a workload, if there are any.
    pub(super) fn add(&mut self, workload: &str, runs: Vec<(Model, Trace)>) {
        if runs.is_empty() {
            return;
        }
        let race = Race::new(workload);
        let race = runs
            .into_iter()
            .fold(race, |race, (model, trace)| race.run(model.name(), trace));
        self.races.push(race);
    }
}

/// Makes the page.
pub(super) fn page(lab: &Lab, report: Report, traces: Traces) -> Page {
    let page = Page::new(report).title(&lab.title).command(command_line());
    let page = traces.missing.into_iter().fold(page, Page::note);
    traces.races.into_iter().fold(page, Page::race)
}

/// The command as it was typed: the program's name, not where it lies.
fn command_line() -> String {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let program = std::path::Path::new(&program)
        .file_name()
        .unwrap_or_default();
    let words = std::iter::once(program.to_string_lossy().into_owned()).chain(words);
    words
        .map(|word| report::quoted(&word))
        .collect::<Vec<_>>()
        .join(" ")
}
