//! The race: what the workers of several models did, one above another on one time axis.
//!
//! A lane is an area: how much of each moment, a few pixels wide, its worker ran jobs, from the
//! bottom, and slept, from the top. What is left between was neither: it looked for work, or the
//! system had taken its CPU. So a million jobs take no more room in the file than ten.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use record::table;

use crate::chart::{INFALLIBLE, Width, svg, text};
use crate::ink;
use crate::trace::{self, Lane, Trace};

/// Pixels that become one moment.
const MOMENT: i32 = 2;

/// One program under several models.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Race {
    pub(crate) bench: String,
    pub(crate) runs: Vec<(String, Trace)>,
}

impl Race {
    /// A race of nobody yet.
    #[must_use]
    pub fn new(bench: impl Into<String>) -> Self {
        Self {
            bench: bench.into(),
            runs: Vec::new(),
        }
    }

    /// Adds a model's run.
    #[must_use]
    pub fn run(mut self, model: impl Into<String>, trace: Trace) -> Self {
        self.runs.push((model.into(), trace));
        self
    }

    /// How long the longest run took, in microseconds.
    fn length(&self) -> f64 {
        let lengths = self.runs.iter().filter_map(|(_, trace)| trace.ends());
        lengths.map(|(start, end)| end - start).fold(1.0, f64::max)
    }

    pub(crate) fn draw(&self, width: Width) -> String {
        const HEADING: i32 = 30;
        let lane_height = match width {
            Width::Wide => 26,
            Width::Narrow => 40,
        };
        let lanes = |trace: &Trace| i32::try_from(trace.lanes.len()).unwrap_or(i32::MAX);
        let height: i32 = self
            .runs
            .iter()
            .map(|(_, trace)| HEADING + lanes(trace) * lane_height)
            .sum();
        let (left, right) = (width.left(), width.pixels().cast_signed() - 14);
        let axis = height + 8;
        let length = self.length();
        svg(width.pixels(), axis.cast_unsigned() + 34, |root| {
            let ticks = if width == Width::Wide { 6 } else { 3 };
            for tick in 0..=ticks {
                let x = left + (right - left) * tick / ticks;
                let time = length * f64::from(tick) / f64::from(ticks);
                let anchor = match tick {
                    0 => HPos::Left,
                    _ if tick == ticks => HPos::Right,
                    _ => HPos::Center,
                };
                let line = PathElement::new([(x, HEADING), (x, axis)], ink::GRID);
                root.draw(&line).expect(INFALLIBLE);
                let label = Text::new(time_label(time), (x, axis + 14), text(ink::FAINT, anchor));
                root.draw(&label).expect(INFALLIBLE);
            }
            let mut y = 0;
            for (model, trace) in &self.runs {
                let (start, end) = trace.ends().unwrap_or_default();
                let heading = format!("{model}: {}", time_label(end - start));
                root.draw(&Text::new(
                    heading,
                    (0, y + HEADING / 2),
                    text(ink::TEXT, HPos::Left),
                ))
                .expect(INFALLIBLE);
                y += HEADING;
                for lane in &trace.lanes {
                    let (name, top) = match width {
                        Width::Wide => (((left - 14, y + 11), HPos::Right), y),
                        Width::Narrow => (((left, y + 8), HPos::Left), y + 18),
                    };
                    let bottom = y + lane_height - 4;
                    root.draw(&Text::new(
                        lane.name.clone(),
                        name.0,
                        text(ink::FAINT, name.1),
                    ))
                    .expect(INFALLIBLE);
                    let moment = |x: i32| {
                        let at =
                            |x: i32| start + length * f64::from(x - left) / f64::from(right - left);
                        (at(x), at(x + MOMENT))
                    };
                    let area = |spans: &[(f64, f64)], from: i32, to: i32| {
                        let mut points = vec![(left, from)];
                        for x in (left..right).step_by(MOMENT as usize) {
                            let (begin, end) = moment(x);
                            let share = trace::share(spans, begin, end);
                            let level = from + (f64::from(to - from) * share).round() as i32;
                            points.extend([(x, level), (x + MOMENT, level)]);
                        }
                        points.push((right, from));
                        thin(&points)
                    };
                    let ground =
                        Rectangle::new([(left, bottom), (right, bottom + 1)], ink::GRID.filled());
                    root.draw(&ground).expect(INFALLIBLE);
                    for (spans, from, to, colour) in [
                        (&lane.asleep, top, bottom, ink::ASLEEP),
                        (&lane.busy, bottom, top, ink::of(model)),
                    ] {
                        let shape = Polygon::new(area(spans, from, to), colour.filled());
                        root.draw(&shape).expect(INFALLIBLE);
                    }
                    y += lane_height;
                }
            }
        })
    }

    /// What a lane's run amounts to, for the table: its cells.
    pub(crate) fn cells(&self, trace: &Trace, lane: &Lane) -> [String; 5] {
        let (start, end) = trace.ends().unwrap_or_default();
        let percent = |spans| format!("{:.0} %", trace::share(spans, start, end) * 100.0);
        [
            percent(&lane.busy),
            percent(&lane.asleep),
            lane.jobs.to_string(),
            lane.steals.to_string(),
            lane.wakes.to_string(),
        ]
    }
}

/// A time in microseconds for a reader.
fn time_label(us: f64) -> String {
    let row = record::Row::missing("", &record::metric::TIME, "", "", "");
    table::figure(&row, Some(us * 1e3))
}

/// Leaves out points between two that are level with them.
fn thin(points: &[(i32, i32)]) -> Vec<(i32, i32)> {
    let mut thin: Vec<(i32, i32)> = Vec::new();
    for &point in points {
        if let [.., before, last] = thin[..]
            && before.1 == last.1
            && last.1 == point.1
        {
            thin.pop();
        }
        thin.push(point);
    }
    thin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(busy: Vec<(f64, f64)>) -> Trace {
        let lane = Lane {
            name: "worker 0".into(),
            busy,
            ..Lane::default()
        };
        Trace { lanes: vec![lane] }
    }

    #[test]
    fn runs_stand_above_each_other_on_one_axis() {
        let race = Race::new("fib/15")
            .run("rayon", trace(vec![(5.0, 10.0)]))
            .run("tokio", trace(vec![(100.0, 300.0)]));
        assert_eq!(race.length(), 200.0);
        for width in Width::BOTH {
            let svg = race.draw(width);
            assert_eq!(svg.matches("worker 0").count(), 2, "{svg}");
            assert_eq!(svg.matches("<polygon").count(), 4, "{svg}");
            assert!(svg.contains("200.00 µs"), "{svg}");
        }
    }

    #[test]
    fn a_million_jobs_take_little_room() {
        let busy = (0..1_000_000)
            .map(|n| (f64::from(n), f64::from(n) + 0.5))
            .collect();
        let svg = Race::new("b").run("m", trace(busy)).draw(Width::Wide);
        assert!(svg.len() < 40_000, "{}", svg.len());
    }

    #[test]
    fn an_empty_trace_is_drawn() {
        let svg = Race::new("b")
            .run("m", Trace::default())
            .draw(Width::Narrow);
        assert!(svg.contains("m: 0.0 ns"), "{svg}");
    }

    #[test]
    fn level_points_are_left_out() {
        assert_eq!(
            thin(&[(0, 1), (1, 1), (2, 1), (2, 5), (3, 5)]),
            [(0, 1), (2, 1), (2, 5), (3, 5)]
        );
    }
}
