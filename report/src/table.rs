//! The tables under a chart: one a bench, with everything that is known of each row, and for a curve one
//! more with the medians alone.

use maud::{Markup, html};
use record::{Row, metric, table};

use crate::bench;
use crate::section::distinct;

/// Metrics that explain a row and so become its columns, unless they are charted.
const SIDE: [(&str, &str); metric::SIDE.len() + metric::BESIDE.len()] = [
    (metric::SERIAL.name, "without a model"),
    (metric::ONE_WORKER.name, "one worker"),
    (metric::SPEED_UP_BOUND.name, "bound"),
    (metric::EFFICIENCY.name, "efficiency"),
    (metric::WALK.name, "walk alone"),
    (metric::CPU_TIME.name, "CPU time"),
    (metric::SYSTEM_CALLS.name, "system calls"),
    (metric::VOLUNTARY_SWITCHES.name, "voluntary switches"),
    (metric::INVOLUNTARY_SWITCHES.name, "involuntary switches"),
    (metric::INSTRUCTIONS.name, "instructions"),
];

/// The table of one question's rows; `all` are those that the side figures are looked up in.
pub(crate) fn draw(rows: &[&Row], all: &[Row]) -> Markup {
    let side = |row: &Row, name: &str| {
        all.iter().find(|other| {
            (&other.bench, &other.ground, &other.subject) == (&row.bench, &row.ground, &row.subject)
                && other.metric == name
                && row.metric != name
        })
    };
    let columns: Vec<_> = SIDE
        .iter()
        .filter(|(name, _)| rows.iter().any(|row| side(row, name).is_some()))
        .collect();
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr {
                    th scope="col" { "subject" }
                    th scope="col" { "median" }
                    th scope="col" { "95 %" }
                    th scope="col" { "ratio" }
                    @for (_, heading) in &columns { th scope="col" { (heading) } }
                    th scope="col" { "others' load" }
                    th scope="col" { "MHz" }
                    th.words scope="col" { "note" }
                } }
                tbody { @for row in rows { tr {
                    th scope="row" { (row.subject) }
                    td { (table::figure(row, row.median)) }
                    td { (table::interval(row)) }
                    td { (table::ratio(row, all)) }
                    @for (name, _) in &columns {
                        td { @if let Some(side) = side(row, name) { (table::figure(side, side.median)) } }
                    }
                    td { (known(row.conditions.and_then(|c| c.foreign), |share| format!("{:.0} %", share * 100.0))) }
                    td { (known(row.conditions.and_then(|c| c.mhz), |mhz| format!("{mhz:.0}"))) }
                    td.words {
                        @if let Some(noise) = &row.noise { span.noisy { "noisy: " (noise) } " " }
                        @if let Some(note) = &row.note { (note) }
                    }
                } } }
            }
        }
    }
}

/// The medians of a curve: a line for each subject, a column for each parameter.
pub(crate) fn draw_medians(rows: &[&Row]) -> Markup {
    let benches = distinct(rows, |row| &row.bench);
    let subjects = distinct(rows, |row| &row.subject);
    let cell = |subject: &str, bench: &str| {
        let is_it = |row: &&&Row| row.subject == subject && row.bench == bench;
        let Some(row) = rows.iter().find(is_it) else {
            return String::new();
        };
        let noisy = if row.noise.is_some() { "~ " } else { "" };
        format!("{noisy}{}", table::figure(row, row.median))
    };
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr {
                    th scope="col" { "subject" }
                    @for bench in &benches {
                        @let (_, parameter) = bench::split(bench);
                        th scope="col" { (known(parameter, |number| bench::parameter_label(bench, number))) }
                    }
                } }
                tbody { @for subject in subjects { tr {
                    th scope="row" { (subject) }
                    @for bench in &benches { td { (cell(subject, bench)) } }
                } } }
            }
        }
    }
}

fn known(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}

#[cfg(test)]
mod tests {
    use record::metric::{TIME, VOLUNTARY_SWITCHES};

    use super::*;

    #[test]
    fn medians_stand_under_their_parameters() {
        let rows = [("b/1", "m"), ("b/1024", "m"), ("b/1024", "n")]
            .map(|(bench, subject)| Row::measured(bench, &TIME, subject, "host", vec![2.0]));
        let html = draw_medians(&rows.iter().collect::<Vec<_>>()).into_string();
        assert_eq!(html.matches("2.0 ns").count(), 3, "{html}");
        assert!(
            html.contains(">1024<") && html.contains("<td></td>"),
            "{html}"
        );
    }

    #[test]
    fn a_row_has_its_side_figures_and_its_doubts() {
        let all = [
            Row::measured("fib", &TIME, "m", "host", vec![1.0, 2.0, 3.0]).with_note("<cold>"),
            Row::measured("fib", &VOLUNTARY_SWITCHES, "m", "host", vec![1_234.0]),
        ];
        let html = draw(&[&all[0]], &all).into_string();
        for part in ["1,234", "noisy: spread 100 %", "&lt;cold&gt;", "2.0 ns"] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("instructions"), "{html}");
    }
}
