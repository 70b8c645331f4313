//! What stands together on the page: the sections, their parts, and the charts of each.
//!
//! # How rows are put together
//! A bench belongs to its [`Experiment`], which its name says; one that has a [`Topic`] and no
//! experiment is a program of [`Experiment::Models`]; any other is a section of its own. Benches that
//! differ in the number at their end are one part, and where two of them or more have the same metric
//! on the same ground, they are one chart with a line for each subject.

use record::{Experiment, Row, metric};

use crate::bench;
use crate::topic::Topic;

/// One question and everything that answers it.
pub(crate) struct Section<'a> {
    pub(crate) name: &'a str,
    pub(crate) question: &'a str,
    pub(crate) text: &'a str,
    pub(crate) parts: Vec<Part<'a>>,
}

/// Benches that differ in their parameter only.
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    pub(crate) topic: Option<&'a Topic>,
    rows: Vec<&'a Row>,
}

/// One chart: what it is called, and its rows.
pub(crate) struct Figure<'a> {
    /// The part or the bench, the ground, and the metric.
    pub(crate) name: String,
    pub(crate) rows: Vec<&'a Row>,
    /// Whether the rows are lines over a parameter.
    pub(crate) is_curve: bool,
}

/// Puts the rows together, in the order in which each thing was met first.
pub(crate) fn of<'a>(rows: &'a [Row], topics: &'a [Topic]) -> Vec<Section<'a>> {
    let mut sections: Vec<Section<'a>> = Vec::new();
    for row in rows {
        let part_name = bench::part(&row.bench);
        let topic = topics.iter().find(|topic| topic.is_of(&row.bench));
        let experiment = match (Experiment::of_bench(&row.bench), topic) {
            (Some(experiment), _) => Some(experiment),
            (None, Some(_)) => Some(Experiment::Models),
            (None, None) => None,
        };
        let name = experiment.map_or(part_name, |one| one.name());
        let at = find_or_add(
            &mut sections,
            |section| section.name == name,
            || Section {
                name,
                question: experiment.map_or(part_name, |one| one.question()),
                text: experiment.map_or("", |one| one.text()),
                parts: Vec::new(),
            },
        );
        let parts = &mut sections[at].parts;
        let at = find_or_add(
            parts,
            |part| part.name == part_name,
            || Part {
                name: part_name,
                topic,
                rows: Vec::new(),
            },
        );
        parts[at].rows.push(row);
    }
    sections
}

fn find_or_add<T>(
    list: &mut Vec<T>,
    is_it: impl FnMut(&T) -> bool,
    new: impl FnOnce() -> T,
) -> usize {
    list.iter().position(is_it).unwrap_or_else(|| {
        list.push(new());
        list.len() - 1
    })
}

impl Section<'_> {
    /// Whether there is more to list than the section itself.
    pub(crate) fn has_several_parts(&self) -> bool {
        self.parts.len() > 1
    }
}

impl<'a> Part<'a> {
    /// The name without the section's.
    pub(crate) fn short_name(&self, section: &Section<'_>) -> &'a str {
        let rest = self.name.strip_prefix(section.name);
        rest.and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(self.name)
    }

    /// The bench, where the part is but one.
    pub(crate) fn only_bench(&self) -> Option<&'a str> {
        let benches = distinct(&self.rows, |row| &row.bench);
        (benches.len() == 1).then(|| benches[0])
    }

    /// The charts of the part, those of one ground together.
    pub(crate) fn figures(&self) -> Vec<Figure<'a>> {
        let mut figures = Vec::new();
        for ground in distinct(&self.rows, |row| &row.ground) {
            let here: Vec<&'a Row> = only(&self.rows, |row| row.ground == ground);
            let metrics = distinct(&here, |row| &row.metric);
            for name in metrics
                .iter()
                .copied()
                .filter(|name| self.has_chart(name, &metrics))
            {
                let rows = only(&here, |row| row.metric == name);
                let benches = distinct(&rows, |row| &row.bench);
                let numbered = benches
                    .iter()
                    .filter(|bench| bench::split(bench).1.is_some());
                if numbered.count() >= 2 {
                    figures.push(Figure {
                        name: format!("{} {ground} {name}", self.name),
                        rows,
                        is_curve: true,
                    });
                    continue;
                }
                for bench in benches {
                    figures.push(Figure {
                        name: format!("{bench} {ground} {name}"),
                        rows: only(&rows, |row| row.bench == bench),
                        is_curve: false,
                    });
                }
            }
        }
        figures
    }

    /// Whether a metric is a chart: it is asked for, or it explains no other one of these.
    fn has_chart(&self, name: &str, all: &[&str]) -> bool {
        let is_side = metric::explains;
        let is_asked = |topic: &Topic| topic.charted.iter().any(|charted| charted == name);
        !is_side(name) || self.topic.is_some_and(is_asked) || all.iter().all(|other| is_side(other))
    }
}

fn only<'a>(rows: &[&'a Row], keep: impl Fn(&Row) -> bool) -> Vec<&'a Row> {
    rows.iter().copied().filter(|row| keep(row)).collect()
}

/// The names that rows have, each once, in the order of their coming.
pub(crate) fn distinct<'a>(rows: &[&'a Row], name: impl Fn(&'a Row) -> &'a String) -> Vec<&'a str> {
    let mut met: Vec<&str> = Vec::new();
    for row in rows {
        let name = name(row).as_str();
        if !met.contains(&name) {
            met.push(name);
        }
    }
    met
}

#[cfg(test)]
mod tests {
    use record::Metric;
    use record::metric::{CPU_TIME, SYSTEM_CALLS, TIME};

    use super::*;

    fn row(bench: &str, metric: &Metric) -> Row {
        Row::measured(bench, metric, "thread", "host", vec![1.0])
    }

    fn figures(rows: &[Row]) -> Vec<(String, bool)> {
        let sections = of(rows, &[]);
        let parts = sections.iter().flat_map(|section| &section.parts);
        let figures = parts.flat_map(Part::figures);
        figures
            .map(|figure| (figure.name, figure.is_curve))
            .collect()
    }

    #[test]
    fn sections_are_experiments_programs_and_whatever_else_there_is() {
        let rows = [
            "fib/18",
            "create/time/1",
            "words",
            "create/memory/1",
            "mixed/100",
        ]
        .map(|bench| row(bench, &TIME));
        let topics = [Topic::new("fib", "?"), Topic::new("mixed", "?")];
        let sections = of(&rows, &topics);
        let names: Vec<_> = sections
            .iter()
            .map(|section| (section.name, section.parts.len()))
            .collect();
        assert_eq!(names, [("models", 2), ("create", 2), ("words", 1)]);
        assert_eq!(sections[1].question, Experiment::Create.question());
    }

    #[test]
    fn two_parameters_are_a_curve_and_one_is_not() {
        let rows =
            ["create/time/1", "create/time/100", "create/memory/1"].map(|bench| row(bench, &TIME));
        let expected = [
            ("create/time host time", true),
            ("create/memory/1 host time", false),
        ];
        assert_eq!(
            figures(&rows),
            expected.map(|(name, is)| (name.to_owned(), is))
        );
    }

    #[test]
    fn what_explains_a_figure_has_no_chart_unless_it_stands_alone() {
        let rows = [
            row("create/time/1", &TIME),
            row("create/time/1", &CPU_TIME),
            row("create/calls/1", &SYSTEM_CALLS),
        ];
        let names: Vec<_> = figures(&rows).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "create/time/1 host time",
                "create/calls/1 host system_calls"
            ]
        );
    }
}
