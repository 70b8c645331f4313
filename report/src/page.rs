//! The page: what was asked, the chart, the table, and where it all comes from.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use record::experiment::OVERHEAD;
use record::table::figure;
use record::{Ground, Interval, Machine, Report, Row, metric};

use crate::chart::{self, Width};
use crate::race::Race;
use crate::section::{self, Figure, Part, Section, distinct};
use crate::topic::Topic;
use crate::{bench, curve, ink, table};

/// What becomes one HTML file.
#[derive(Clone, Debug)]
pub struct Page {
    report: Report,
    title: String,
    commands: Vec<String>,
    topics: Vec<Topic>,
    races: Vec<Race>,
    notes: Vec<String>,
}

impl Page {
    /// The page of these figures.
    #[must_use]
    pub fn new(report: Report) -> Self {
        Self {
            report,
            title: "Every model on the same work".to_owned(),
            commands: Vec::new(),
            topics: Vec::new(),
            races: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Heads the page with something else than "Every model on the same work".
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds a command that the figures come from.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    /// Adds what a bench asks; one that has no topic has its name for a question.
    #[must_use]
    pub fn topic(mut self, topic: Topic) -> Self {
        self.topics.push(topic);
        self
    }

    /// Adds a race.
    #[must_use]
    pub fn race(mut self, race: Race) -> Self {
        self.races.push(race);
        self
    }

    /// Adds a remark about the whole run.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Gives the page as text.
    #[must_use]
    pub fn to_html(&self) -> String {
        let sections = section::of(&self.report.rows, &self.topics);
        let style = format!("{}{}", include_str!("page.css"), ink::style());
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    // Else a browser asks a server for one.
                    link rel="icon" href="data:,";
                    title { (self.title) }
                    style { (PreEscaped(style)) }
                }
                body { main {
                    h1 { (self.title) }
                    @if self.report.interrupted {
                        p.partial role="note" { "Partial: somebody ended this run before it was complete." }
                    }
                    (origin(&self.report, &self.commands))
                    @for note in &self.notes { p { (note) } }
                    (self.contents(&sections))
                    @for section in &sections { (self.section(section)) }
                    @if !self.races.is_empty() { (self.race_section()) }
                    (legend(&self.report.rows))
                } }
            }
        }
        .into_string()
    }

    fn contents(&self, sections: &[Section<'_>]) -> Markup {
        html! {
            nav aria-label="contents" { ul {
                @for section in sections { li {
                    a href={ "#" (anchor(section.name)) } { (section.question) }
                    @if section.has_several_parts() { ul {
                        @for part in &section.parts { li {
                            a href={ "#" (anchor(part.name)) } { (part.short_name(section)) }
                        } }
                    } }
                } }
                @if !self.races.is_empty() { li { a href="#race" { (RACE) } } }
                li { a href="#legend" { (LEGEND) } }
            } }
        }
    }

    fn section(&self, section: &Section<'_>) -> Markup {
        html! {
            section id=(anchor(section.name)) {
                h2 {
                    (section.question)
                    @if section.question != section.name { " " small { (section.name) } }
                }
                @if !section.text.is_empty() { p { (section.text) } }
                @for part in &section.parts { (self.part(section, part)) }
            }
        }
    }

    fn part(&self, section: &Section<'_>, part: &Part<'_>) -> Markup {
        html! {
            // A section of one part has its heading.
            @if part.name != section.name {
                h3 id=(anchor(part.name)) {
                    @match part.topic {
                        Some(topic) => { (topic.question) " " small { (part.only_bench().unwrap_or(part.name)) } }
                        None => (part.only_bench().unwrap_or(part.name)),
                    }
                }
            }
            @if let Some(topic) = part.topic { @if !topic.text.is_empty() { p { (topic.text) } } }
            @for shown in part.figures() { (self.figure(part, &shown)) }
        }
    }

    fn figure(&self, part: &Part<'_>, shown: &Figure<'_>) -> Markup {
        let rows = &shown.rows;
        let first = rows.first().expect("invariant: a figure has rows");
        let benches = distinct(rows, |row| &row.bench);
        // What only explains is in the tables of what it explains.
        let is_side = metric::explains(&first.metric);
        let has_table = !is_side || part.figures().len() == 1;
        html! {
            figure {
                figcaption { (caption(shown, first, part)) }
                @for width in Width::BOTH {
                    div class=(width.class()) role="img" aria-label=(shown.name) data-chart=(shown.name) {
                        @if shown.is_curve { (PreEscaped(curve::draw(rows, width))) }
                        @else { (PreEscaped(chart::draw(rows, width))) }
                    }
                }
            }
            @if has_table { details {
                summary { "the figures" @if rows.iter().any(|row| row.note.is_some()) { ", with notes" } }
                @if shown.is_curve { (table::draw_medians(rows)) }
                @for bench in &benches {
                    @let own: Vec<&Row> = rows.iter().copied().filter(|row| row.bench == *bench).collect();
                    @if shown.is_curve { h4 { (bench) } }
                    (table::draw(&own, &self.report.rows))
                }
            } }
        }
    }

    fn race_section(&self) -> Markup {
        html! {
            section id="race" {
                h2 { (RACE) }
                p {
                    "One run of each model, from its flight recorder, one above another on one time axis that \
                     begins with the first thing that each recorded. A lane is coloured as far as its worker ran \
                     jobs, grey as far as it slept; what is left was neither. Recording takes time of its own: \
                     the figures above were measured without it."
                }
                @for race in &self.races {
                    figure {
                        figcaption { (race.bench) }
                        @for width in Width::BOTH {
                            div class=(width.class()) role="img" aria-label=(format!("{}: lanes over time", race.bench))
                                data-chart=(format!("{} race", race.bench)) {
                                (PreEscaped(race.draw(width)))
                            }
                        }
                    }
                    details { summary { "the lanes" } div.scroll tabindex="0" { table {
                        thead { tr { @for heading in ["lane", "ran jobs", "slept", "jobs", "steals", "wakes"] {
                            th scope="col" { (heading) }
                        } } }
                        tbody { @for (model, trace) in &race.runs { @for lane in &trace.lanes { tr {
                            th scope="row" { (model) ", " (lane.name) }
                            @for cell in race.cells(trace, lane) { td { (cell) } }
                        } } } }
                    } } }
                }
            }
        }
    }
}

/// The headings of what is no section.
const RACE: &str = "What did the workers do meanwhile?";
const LEGEND: &str = "How to read this";

/// What a chart shows.
fn caption(shown: &Figure<'_>, row: &Row, part: &Part<'_>) -> String {
    let place = match row.ground.parse() {
        Ok(Ground::Host) => "on this system".to_owned(),
        Ok(Ground::Kernel) => "in our kernel, in an emulator".to_owned(),
        Err(_) => format!("on {}", row.ground),
    };
    let sense = if row.lower_is_better { "less" } else { "more" };
    let metric = row.metric.replace("p99_9", "p99.9").replace('_', " ");
    let (_, parameter) = bench::split(&row.bench);
    let at = match parameter.filter(|_| !shown.is_curve && part.only_bench().is_none()) {
        Some(number) => format!(" at {}", bench::parameter_label(&row.bench, number)),
        None => String::new(),
    };
    format!("{metric}{at} {place}; {sense} is better")
}

fn origin(report: &Report, commands: &[String]) -> Markup {
    let Machine {
        cpu,
        cores,
        kernel,
        rustc,
        memory_mib,
    } = &report.machine;
    html! {
        dl {
            dt { "revision" } dd { code { (report.git) } }
            dt { "machine" } dd { (cpu) ", " (cores) " CPUs, " (memory_mib) " MiB" }
            dt { "system" } dd { (kernel) }
            dt { "compiler" } dd { (rustc) }
            @if !commands.is_empty() {
                dt { "commands" } dd { @for command in commands { code.command { (command) } } }
            }
        }
    }
}

/// How the figures are to be read.
fn legend(rows: &[Row]) -> Markup {
    // What only explains may be exact, and then two of it are enough.
    let is_side = |row: &&Row| metric::explains(&row.metric);
    let clocked = rows
        .iter()
        .filter(|row| row.interval.is_some() && !is_side(row));
    let fewest = clocked.map(|row| row.samples.len()).min();
    html! {
        footer {
            h2 id="legend" { (LEGEND) }
            ul {
                li { "A point is the median of the samples, each from a fresh process or a fresh boot, \
                      taken in turns with those of the others. The line through it, “95 %” in the table, \
                      is the bootstrap's confidence interval of the median." }
                @if let Some(samples) = fewest.filter(|samples| Interval::coverage(*samples) < 0.95) {
                    li { "Some rows have " (samples) " samples only: their interval has the true median with "
                         (format!("{:.0} %", Interval::coverage(samples) * 100.0)) " at the most." }
                }
                li { "The ratio is to the best median. Who can't be told from the best, since the intervals \
                      overlap, is called a tie." }
                li { "“~” and “noisy” mark figures that another run may well not repeat: others used more than \
                      5 % of the machine, or the interval is wider than 10 % of the median. The interval of up to five \
                      samples has all of them, so that one which was disturbed is enough. Bytes, calls and \
                      instructions are counted, and noisy only where the counts differ." }
                li { "The axis is logarithmic where figures lie a factor of 12 or more apart." }
                li { "Benches that differ in the number at their end only are lines of one chart, over that \
                      number; the figure beside a name is that of the line's end." }
                @if let Some(overhead) = overhead(rows) { li { (overhead) } }
                li { "MHz is what the system says after the run; a virtual machine may not know." }
            }
        }
    }
}

/// What measuring adds to a region, where that was measured.
fn overhead(rows: &[Row]) -> Option<String> {
    let time = |subject: &str| {
        let is_it = |row: &&Row| row.bench == OVERHEAD && row.subject == subject;
        let row = rows.iter().find(is_it)?;
        row.median.map(|_| figure(row, row.median))
    };
    let (empty, reads) = (time("empty-region")?, time("two-clock-reads")?);
    Some(format!(
        "Between the two looks at the clock around a measured region there is nothing but the work: an empty \
         region measures as {empty}, two looks alone as {reads}."
    ))
}

/// A bench's name as the end of an address.
fn anchor(bench: &str) -> String {
    let keep = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '-'
        }
    };
    format!("bench-{}", bench.chars().map(keep).collect::<String>())
}

#[cfg(test)]
mod tests {
    use record::metric::{TIME, VOLUNTARY_SWITCHES};

    use super::*;
    use crate::Trace;

    fn page() -> Page {
        let mut report = Report::new("0abc".into(), Machine::default());
        for (ground, subject) in [
            ("host", "rayon"),
            ("host", "tokio"),
            ("kernel", "one-to-one"),
        ] {
            report.rows.push(Row::measured(
                "fib/18",
                &TIME,
                subject,
                ground,
                vec![1.0, 2.0, 3.0],
            ));
            report.rows.push(Row::measured(
                "fib/18",
                &VOLUNTARY_SWITCHES,
                subject,
                ground,
                vec![7.0],
            ));
        }
        Page::new(report)
            .command("cargo xtask compare --models '<all>'")
            .topic(Topic::new("fib", "What does a fork-join cost?").text("Two jobs a call."))
            .race(Race::new("fib/18").run("rayon", Trace::default()))
    }

    #[test]
    fn each_ground_has_its_chart_and_the_race_is_there() {
        let html = page().to_html();
        for chart in ["fib/18 host time", "fib/18 kernel time", "fib/18 race"] {
            let marked = format!("data-chart=\"{chart}\"");
            assert_eq!(html.matches(&marked).count(), 2, "{chart} for both widths");
        }
        assert!(!html.contains("data-chart=\"fib/18 host voluntary_switches\""));
        assert!(html.contains("&lt;all&gt;"), "words are escaped");
    }

    #[test]
    fn a_side_figure_is_charted_where_its_topic_says_so() {
        let page = page();
        let topic = Topic::new("fib", "?").chart(VOLUNTARY_SWITCHES.name);
        let html = Page {
            topics: vec![topic],
            ..page
        }
        .to_html();
        assert!(html.contains("data-chart=\"fib/18 host voluntary_switches\""));
    }

    #[test]
    fn nothing_is_fetched_and_nothing_runs() {
        let html = page().to_html();
        // The namespace of SVG is a name, which nobody fetches.
        let html = html.replace("http://www.w3.org/2000/svg", "");
        for word in ["<script", "http:", "https:", "@import", "url(", "src="] {
            assert!(!html.contains(word), "{word}");
        }
    }

    #[test]
    fn what_measuring_adds_is_told_where_it_is_known() {
        let mut page = page();
        assert!(!page.to_html().contains("two looks alone"));
        for (subject, time) in [("empty-region", 31.0), ("two-clock-reads", 30.0)] {
            let row = Row::measured(OVERHEAD, &TIME, subject, "host", vec![time]);
            page.report.rows.push(row);
        }
        let html = page.to_html();
        assert!(
            html.contains("measures as 31.0 ns, two looks alone as 30.0 ns"),
            "{html}"
        );
    }

    #[test]
    fn few_samples_are_said_to_be_few() {
        let html = page().to_html();
        assert!(
            html.contains("3 samples only") && html.contains("75 % at the most"),
            "{html}"
        );
    }
}
