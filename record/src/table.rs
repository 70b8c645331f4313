//! The terminal table: one line a subject, its side figures as columns of that line.
//!
//! # What becomes a line, what a column
//! Context switches, CPU time, system calls and instructions explain a figure rather than being one: they
//! are columns beside the time. Every other metric is a line of its own. A subject that has
//! only side figures (the kernel under icount) still has its line. Columns that no row
//! fills are left out, and so is the note column when nobody has a note.
//!
//! The ratio is to the best median of the same bench, ground and metric: a guest that an
//! emulator runs isn't compared with the host by the clock. Who can't be told from the best, since
//! their intervals overlap, is called a tie; a row that is noisy says so in its note.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use crate::{Report, Row, metric};

/// Figures that explain a line and so become its columns, with their headings.
const SIDE: [(&str, &str); metric::SIDE.len()] = [
    (metric::CPU_TIME.name, "CPU time"),
    (metric::SYSTEM_CALLS.name, "system calls"),
    (metric::VOLUNTARY_SWITCHES.name, "voluntary"),
    (metric::INVOLUNTARY_SWITCHES.name, "involuntary"),
    (metric::INSTRUCTIONS.name, "instructions"),
];

/// One line: a subject's headline row, if it has one, and its side rows.
struct Line<'a> {
    bench: &'a str,
    ground: &'a str,
    subject: &'a str,
    headline: Option<&'a Row>,
    side: [Option<&'a Row>; SIDE.len()],
}

/// Renders the rows of a report as a table, without colours and without a final newline.
///
/// The width is the terminal's where there is one.
#[must_use]
pub fn render(report: &Report) -> String {
    let lines = lines(&report.rows);
    let with_side: [bool; SIDE.len()] =
        std::array::from_fn(|i| lines.iter().any(|line| line.side[i].is_some()));
    let with_note = lines.iter().any(|line| line.note().is_some());

    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    let side_headings = SIDE
        .iter()
        .zip(with_side)
        .filter(|(_, with)| *with)
        .map(|((_, heading), _)| *heading);
    let mut heading = vec![
        "bench", "ground", "subject", "metric", "median", "95 %", "ratio",
    ];
    heading.extend(side_headings);
    if with_note {
        heading.push("note");
    }
    table.set_header(heading);

    let mut previous = None;
    for line in &lines {
        let here = (line.bench, line.ground);
        let first = previous.replace(here) != Some(here);
        let mut cells = vec![
            Cell::new(if first { line.bench } else { "" }),
            Cell::new(if first { line.ground } else { "" }),
            Cell::new(line.subject),
            Cell::new(line.headline.map_or("", |row| &row.metric)),
            number(line.headline.map(|row| figure(row, row.median))),
            number(line.headline.map(interval)),
            number(line.headline.map(|row| ratio(row, &report.rows))),
        ];
        for (side, _) in line.side.iter().zip(with_side).filter(|(_, with)| *with) {
            cells.push(number(side.map(|row| figure(row, row.median))));
        }
        if with_note {
            cells.push(Cell::new(line.note().unwrap_or_default()));
        }
        table.add_row(cells);
    }
    table.to_string()
}

impl<'a> Line<'a> {
    /// Why the headline is noisy, and its note, or the first note of a side row.
    fn note(&self) -> Option<String> {
        let rows = self
            .headline
            .into_iter()
            .chain(self.side.into_iter().flatten());
        let note = rows.filter_map(|row| row.note.clone()).next();
        let noise = self.headline.and_then(|row| row.noise.as_deref());
        let noise = noise.map(|reason| format!("noisy: {reason}"));
        noise
            .into_iter()
            .chain(note)
            .reduce(|noise, note| noise + "; " + &note)
    }
}

fn lines(rows: &[Row]) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let is_side = |row: &Row| SIDE.iter().any(|(name, _)| *name == row.metric);
    for row in rows.iter().filter(|row| !is_side(row)) {
        lines.push(Line {
            bench: &row.bench,
            ground: &row.ground,
            subject: &row.subject,
            headline: Some(row),
            side: [None; SIDE.len()],
        });
    }
    for row in rows {
        let Some(column) = SIDE.iter().position(|(name, _)| *name == row.metric) else {
            continue;
        };
        let same = |line: &Line<'_>| {
            (line.bench, line.ground, line.subject) == (&row.bench, &row.ground, &row.subject)
        };
        match lines.iter_mut().find(|line| same(line)) {
            Some(line) => line.side[column] = Some(row),
            None => {
                let mut side = [None; SIDE.len()];
                side[column] = Some(row);
                lines.push(Line {
                    bench: &row.bench,
                    ground: &row.ground,
                    subject: &row.subject,
                    headline: None,
                    side,
                });
            }
        }
    }
    // Lines of one bench and ground stand together, in the order in which each bench,
    // each ground and each subject was met first.
    let bench_order = order(rows, |row| &row.bench);
    let ground_order = order(rows, |row| &row.ground);
    lines.sort_by_key(|line| {
        let place = |order: &[&str], name: &str| order.iter().position(|met| *met == name);
        (
            place(&bench_order, line.bench),
            place(&ground_order, line.ground),
        )
    });
    lines
}

fn order<'a>(rows: &'a [Row], name: impl Fn(&'a Row) -> &'a str) -> Vec<&'a str> {
    let mut met: Vec<&str> = Vec::new();
    for row in rows {
        let name = name(row);
        if !met.contains(&name) {
            met.push(name);
        }
    }
    met
}

fn number(text: Option<String>) -> Cell {
    Cell::new(text.unwrap_or_default()).set_alignment(CellAlignment::Right)
}

/// How many times a row's median is worse than the best of its bench, ground and metric, and whether
/// it shares the first place.
#[must_use]
pub fn ratio(row: &Row, rows: &[Row]) -> String {
    if row.unit == metric::RATIO.unit {
        // It is a quotient already.
        return String::new();
    }
    let Some(best) = row.best(rows) else {
        return "–".to_owned();
    };
    match (row.median, best.median) {
        (Some(median), Some(most)) if median > 0.0 && most > 0.0 => {
            let times = if row.lower_is_better {
                median / most
            } else {
                most / median
            };
            let tie = if is_tie(row, rows) { " tie" } else { "" };
            format!("{times:.2}x{tie}")
        }
        _ => "–".to_owned(),
    }
}

/// Whether a row shares the first place: it can't be told from the best one, or it is the best one
/// and another can't be told from it.
#[must_use]
pub fn is_tie(row: &Row, rows: &[Row]) -> bool {
    let Some(best) = row.best(rows).filter(|best| row.ties(best)) else {
        return false;
    };
    let is_other = |other: &&Row| row.rivals(other) && other.subject != best.subject;
    row.subject != best.subject || rows.iter().filter(is_other).any(|other| other.ties(best))
}

/// Writes both ends of a row's interval for a reader, or a dash.
#[must_use]
pub fn interval(row: &Row) -> String {
    let Some(interval) = row.interval else {
        return "–".to_owned();
    };
    let (low, high) = (
        figure(row, Some(interval.low)),
        figure(row, Some(interval.high)),
    );
    if low == high {
        return low;
    }
    // The unit is said once where both ends have it.
    match (low.rsplit_once(' '), high.rsplit_once(' ')) {
        (Some((low, unit)), Some((_, same))) if unit == same => format!("{low}–{high}"),
        _ => format!("{low}–{high}"),
    }
}

/// Writes a figure for a reader: times in the unit that fits, counts in groups of three.
#[must_use]
pub fn figure(row: &Row, value: Option<f64>) -> String {
    let Some(value) = value else {
        return "–".to_owned();
    };
    match row.unit.as_str() {
        "ns" => nanoseconds(value),
        "x" => format!("{value:.3}x"),
        unit @ ("B" | "B/s") => bytes(value, unit),
        _ if (value.fract() == 0.0 || value.abs() >= 1e4) && value.abs() < 1e15 => grouped(value),
        // A switch in a hundred units is one, and not none.
        _ if value.abs() < 0.1 => format!("{value:.4}"),
        _ => format!("{value:.2}"),
    }
}

fn nanoseconds(ns: f64) -> String {
    match ns.abs() {
        below if below < 1e3 => format!("{ns:.1} ns"),
        below if below < 1e6 => format!("{:.2} µs", ns / 1e3),
        below if below < 1e9 => format!("{:.2} ms", ns / 1e6),
        _ => format!("{:.2} s", ns / 1e9),
    }
}

fn bytes(value: f64, unit: &str) -> String {
    const PREFIXES: [&str; 5] = ["", "Ki", "Mi", "Gi", "Ti"];
    let (mut value, mut at) = (value, 0);
    while value.abs() >= 1024.0 && at + 1 < PREFIXES.len() {
        value /= 1024.0;
        at += 1;
    }
    let digits = usize::from(at > 0);
    format!("{value:.digits$} {}{unit}", PREFIXES[at])
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Machine;
    use crate::metric::{INSTRUCTIONS, INVOLUNTARY_SWITCHES, TIME, VOLUNTARY_SWITCHES};

    fn report(rows: Vec<Row>) -> Report {
        Report {
            rows,
            ..Report::new("0".into(), Machine::default())
        }
    }

    #[test]
    fn a_line_has_its_switches_and_its_ratio() {
        let text = render(&report(vec![
            Row::measured("fib", &TIME, "slow", "host", vec![3_000_000.0]),
            Row::measured("fib", &VOLUNTARY_SWITCHES, "slow", "host", vec![1_234.0]),
            Row::measured("fib", &INVOLUNTARY_SWITCHES, "slow", "host", vec![56.0]),
            Row::measured("fib", &TIME, "fast", "host", vec![1_500_000.0]),
        ]));
        let slow = text
            .lines()
            .find(|line| line.contains("slow"))
            .expect("its line");
        for part in ["3.00 ms", "2.00x", "1,234", "56"] {
            assert!(slow.contains(part), "{part} in {slow}");
        }
        let fast = text
            .lines()
            .find(|line| line.contains("fast"))
            .expect("its line");
        assert!(fast.contains("1.00x"), "{fast}");
        assert!(
            !text.contains("instructions"),
            "an empty column is left out:\n{text}"
        );
        assert!(!text.contains("note"), "and so is an empty note:\n{text}");
    }

    #[test]
    fn a_missing_subject_stays_in_the_table() {
        let text = render(&report(vec![
            Row::measured("fib", &TIME, "fast", "host", vec![1.0]),
            Row::missing("fib", &TIME, "gone", "host", "killed after 10 s"),
        ]));
        let gone = text
            .lines()
            .find(|line| line.contains("gone"))
            .expect("its line");
        assert!(
            gone.contains("killed after 10 s") && gone.contains('–'),
            "{gone}"
        );
    }

    #[test]
    fn grounds_are_not_compared_by_the_clock() {
        let text = render(&report(vec![
            Row::measured("fib", &TIME, "m", "host", vec![1.0]),
            Row::measured("fib", &TIME, "m", "kernel", vec![100.0]),
        ]));
        assert_eq!(text.matches("1.00x").count(), 2, "{text}");
    }

    #[test]
    fn ties_are_called_ties() {
        let rows = vec![
            Row::measured("fib", &TIME, "first", "host", vec![10.0, 10.1, 10.2]),
            Row::measured("fib", &TIME, "second", "host", vec![10.2, 10.3, 10.4]),
            Row::measured("fib", &TIME, "third", "host", vec![20.0, 20.1, 20.2]),
        ];
        let ratios: Vec<String> = rows.iter().map(|row| ratio(row, &rows)).collect();
        assert_eq!(ratios, ["1.00x tie", "1.02x tie", "1.99x"]);
        assert_eq!(interval(&rows[0]), "10.0–10.2 ns");
        // Without the rival the first place is nobody else's.
        assert_eq!(
            ratio(&rows[0], &[rows[0].clone(), rows[2].clone()]),
            "1.00x"
        );
    }

    #[test]
    fn a_noisy_row_says_so() {
        let noisy = Row::measured("fib", &TIME, "m", "host", vec![1.0, 2.0, 3.0]);
        let text = render(&report(vec![noisy.with_note("cold")]));
        assert!(text.contains("noisy: spread 100 %; cold"), "{text}");
    }

    #[test]
    fn side_figures_alone_make_a_line() {
        let text = render(&report(vec![Row::measured(
            "fib",
            &INSTRUCTIONS,
            "m",
            "kernel",
            vec![1_068.0],
        )]));
        assert!(text.contains("1,068"), "{text}");
    }

    #[test]
    fn more_is_better_turns_the_ratio() {
        let rate = crate::Metric::higher("rate", "1/s");
        let text = render(&report(vec![
            Row::measured("b", &rate, "half", "host", vec![50.0]),
            Row::measured("b", &rate, "full", "host", vec![100.0]),
        ]));
        let half = text
            .lines()
            .find(|line| line.contains("half"))
            .expect("its line");
        assert!(half.contains("2.00x"), "{half}");
    }

    #[test]
    fn a_quotient_has_no_ratio_of_its_own() {
        let rows = [2.0, 4.0].map(|x| Row::measured("b", &metric::RATIO, "a / b", "host", vec![x]));
        let text = render(&report(rows.to_vec()));
        assert!(text.contains("4.000x") && !text.contains("2.00x"), "{text}");
    }

    #[test]
    fn interleaved_benches_are_brought_together() {
        let text = render(&report(vec![
            Row::measured("a", &TIME, "m1", "host", vec![1.0]),
            Row::measured("b", &TIME, "m2", "host", vec![1.0]),
            Row::measured("a", &TIME, "m3", "host", vec![1.0]),
        ]));
        let at = |name: &str| text.find(name).expect("in the table");
        assert!(at("m1") < at("m3") && at("m3") < at("m2"), "{text}");
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(nanoseconds(12.34), "12.3 ns");
        assert_eq!(nanoseconds(12_340.0), "12.34 µs");
        assert_eq!(nanoseconds(2.5e9), "2.50 s");
        assert_eq!(bytes(512.0, "B"), "512 B");
        assert_eq!(bytes(1536.0, "B"), "1.5 KiB");
        assert_eq!(bytes(3e9, "B/s"), "2.8 GiB/s");
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!(grouped(100.0), "100");
        assert_eq!(grouped(-1000.0), "-1,000");
    }
}
