//! The chart of a question that was asked at several parameters: a line for each subject, from left to
//! right as the parameter grows.
//!
//! The parameter's axis is logarithmic, the figure's as in a [chart](crate::chart) of points. Each
//! line's name stands at its end, moved up or down where others are in its place; on a narrow page the
//! names stand below. Colours come round after eight lines, so the ninth has another mark.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use record::{Row, table};

use crate::chart::{FAR_APART, INFALLIBLE, Width, svg, text, tick_label, ticks};
use crate::section::distinct;
use crate::{bench, ink};

/// Pixels between two names.
const NAME: i32 = 21;

/// One subject.
struct Line<'a> {
    subject: &'a str,
    colour: RGBColor,
    mark: usize,
    /// By the parameter, those without a figure left out.
    points: Vec<(f64, &'a Row, f64)>,
}

/// Draws the rows of one part, ground and metric.
pub(crate) fn draw(rows: &[&Row], width: Width) -> String {
    let lines = lines(rows);
    let count = i32::try_from(lines.len()).unwrap_or(i32::MAX);
    let (plot_height, below) = match width {
        Width::Wide => (330.max(count * NAME + 50), 0),
        Width::Narrow => (250, count * (NAME + 3) + 8),
    };
    let height = plot_height + 52 + below;
    let points = || lines.iter().flat_map(|line| &line.points);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let (first, last) = range(&mut points().map(|(x, ..)| *x));
    let (low, high) = range(&mut points().flat_map(|(_, row, median)| {
        let interval = row.interval;
        [
            interval.map_or(*median, |i| i.low),
            interval.map_or(*median, |i| i.high),
        ]
    }));
    let frame = Frame {
        lines: &lines,
        rows,
        width,
        bottom: 52 + below,
    };
    svg(width.pixels(), height.cast_unsigned(), |root| {
        // Where nobody has a figure there is a plot of nothing, and the names.
        let x = if first > 0.0 && last > first {
            (first, last)
        } else {
            (1.0, last.max(10.0))
        };
        let room = match width {
            Width::Wide => 8,
            Width::Narrow => 4,
        };
        let x = (x.0 / 1.12..x.1 * 1.12)
            .log_scale()
            .with_key_points(frame.parameters(x, room));
        if low > 0.0 && high / low >= FAR_APART {
            let (low, high) = (low / 1.3, high * 1.3);
            let ticks = ticks(rows, low, high, 6);
            frame.plot(root, x, (low..high).log_scale().with_key_points(ticks), low);
        } else {
            let end = if high > 0.0 { high * 1.06 } else { 1.0 };
            frame.plot(root, x, 0.0..end, 0.0);
        }
    })
}

fn lines<'a>(rows: &[&'a Row]) -> Vec<Line<'a>> {
    let subjects = distinct(rows, |row| &row.subject);
    let colours = ink::apart(&subjects);
    let line = |(place, subject): (usize, &&'a str)| {
        let own = rows.iter().filter(|row| row.subject == *subject);
        let mut points: Vec<_> = own
            .filter_map(|row| Some((bench::split(&row.bench).1?, *row, row.median?)))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (colour, mark) = colours[place];
        Line {
            subject,
            colour,
            mark,
            points,
        }
    };
    subjects.iter().enumerate().map(line).collect()
}

/// What a plot is made of, whatever its axes.
struct Frame<'a> {
    lines: &'a [Line<'a>],
    rows: &'a [&'a Row],
    width: Width,
    /// Pixels below the plot: the axis and, on a narrow page, the names.
    bottom: i32,
}

impl Frame<'_> {
    /// The parameters, or as few round numbers as there is room for.
    fn parameters(&self, (first, last): (f64, f64), room: usize) -> Vec<f64> {
        let mut all: Vec<f64> = self
            .lines
            .iter()
            .flat_map(|line| &line.points)
            .map(|(x, ..)| *x)
            .collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        let every = all.len().div_ceil(room).max(1);
        // Two of them may be too near to each other for two labels.
        let decades = (last / first).log10().max(0.1);
        let mut apart: Vec<f64> = Vec::new();
        for x in all.into_iter().step_by(every) {
            let gap = decades / room as f64 * 0.7;
            if apart
                .last()
                .is_none_or(|before| (x / before).log10() >= gap)
            {
                apart.push(x);
            }
        }
        apart
    }

    fn plot<X, Y>(&self, root: &DrawingArea<SVGBackend<'_>, Shift>, x: X, y: Y, least: f64)
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
    {
        let (left, right) = match self.width {
            Width::Wide => (84, 300),
            Width::Narrow => (70, 14),
        };
        let mut chart = ChartBuilder::on(root)
            .margin_left(6)
            .margin_right(right)
            .margin_top(10)
            .margin_bottom(self.bottom - 30)
            .x_label_area_size(30)
            .y_label_area_size(left)
            .build_cartesian_2d(x, y)
            .expect(INFALLIBLE);
        let row = self.rows.first().expect("invariant: a chart has rows");
        let figure = |value: &f64| tick_label(row, *value);
        let parameter = |value: &f64| bench::parameter_label(&row.bench, *value);
        let small = ("sans-serif", 15).into_font().color(&ink::FAINT);
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(ink::GRID)
            .axis_style(ink::GRID)
            .label_style(small)
            .y_labels(6)
            .x_labels(8)
            .x_label_formatter(&parameter)
            .y_label_formatter(&figure)
            .draw()
            .expect(INFALLIBLE);
        let (columns, lines) = chart.plotting_area().get_pixel_range();
        let what = bench::parameter(&row.bench);
        let middle = i32::midpoint(columns.start, columns.end);
        let label = Text::new(
            what,
            (middle, lines.end + 38),
            text(ink::FAINT, HPos::Center),
        );
        root.draw(&label).expect(INFALLIBLE);
        for line in self.lines {
            let path = line.points.iter().map(|(x, _, median)| (*x, *median));
            chart
                .draw_series(LineSeries::new(path, line.colour.stroke_width(2)))
                .expect(INFALLIBLE);
            for (x, row, median) in &line.points {
                if let Some(interval) = row.interval.filter(|i| i.low < i.high) {
                    let ends = [(*x, interval.low.max(least)), (*x, interval.high)];
                    chart
                        .draw_series([PathElement::new(ends, line.colour.stroke_width(1))])
                        .expect(INFALLIBLE);
                }
                mark(root, chart.backend_coord(&(*x, *median)), line);
            }
        }
        let ends: Vec<Option<(i32, i32)>> = self
            .lines
            .iter()
            .map(|line| {
                line.points
                    .last()
                    .map(|(x, _, median)| chart.backend_coord(&(*x, *median)))
            })
            .collect();
        match self.width {
            Width::Wide => {
                self.names_at_the_ends(root, &ends, columns.end, (lines.start, lines.end))
            }
            Width::Narrow => self.names_below(root, lines.end + 58),
        }
    }

    fn names_at_the_ends(
        &self,
        root: &DrawingArea<SVGBackend<'_>, Shift>,
        ends: &[Option<(i32, i32)>],
        right: i32,
        (top, bottom): (i32, i32),
    ) {
        let wanted: Vec<i32> = ends
            .iter()
            .map(|end| end.map_or(bottom, |(_, y)| y))
            .collect();
        let places = apart(&wanted, top, bottom);
        for ((line, end), place) in self.lines.iter().zip(ends).zip(places) {
            if let Some(end) = end {
                let way = [(end.0 + 6, end.1), (right + 8, place), (right + 18, place)];
                root.draw(&PathElement::new(way, ink::GRID))
                    .expect(INFALLIBLE);
            }
            mark(root, (right + 26, place), line);
            let name = Text::new(
                line.label(),
                (right + 38, place),
                text(ink::TEXT, HPos::Left),
            );
            root.draw(&name).expect(INFALLIBLE);
        }
    }

    fn names_below(&self, root: &DrawingArea<SVGBackend<'_>, Shift>, top: i32) {
        let mut y = top;
        for line in self.lines {
            mark(root, (20, y), line);
            let name = Text::new(line.label(), (34, y), text(ink::TEXT, HPos::Left));
            root.draw(&name).expect(INFALLIBLE);
            y += NAME + 3;
        }
    }
}

impl Line<'_> {
    /// The name, and the figure at the line's end.
    fn label(&self) -> String {
        match self.points.last() {
            None => format!("{}: no figure", self.subject),
            Some((_, row, median)) => {
                let noisy = if row.noise.is_some() { "~ " } else { "" };
                format!(
                    "{}: {noisy}{}",
                    self.subject,
                    table::figure(row, Some(*median))
                )
            }
        }
    }
}

/// The mark of a line: lines of the same colour have different ones.
fn mark(root: &DrawingArea<SVGBackend<'_>, Shift>, at: (i32, i32), line: &Line<'_>) {
    let colour = line.colour;
    let drawn = match line.mark {
        0 => root.draw(&Circle::new(at, 4, colour.filled())),
        1 => root.draw(&TriangleMarker::new(at, 6, colour.filled())),
        2 => {
            let corners = [(at.0 - 4, at.1 - 4), (at.0 + 4, at.1 + 4)];
            root.draw(&Rectangle::new(corners, colour.filled()))
        }
        _ => root.draw(&Cross::new(at, 4, colour.stroke_width(2))),
    };
    drawn.expect(INFALLIBLE);
}

/// Moves places so that no two names overlap, and keeps their order.
fn apart(wanted: &[i32], top: i32, bottom: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|at| wanted[*at]);
    let mut places = vec![0; wanted.len()];
    let mut free = top;
    for at in &order {
        places[*at] = wanted[*at].max(free);
        free = places[*at] + NAME;
    }
    let mut limit = bottom;
    for at in order.iter().rev() {
        places[*at] = places[*at].min(limit);
        limit = places[*at] - NAME;
    }
    places
}

#[cfg(test)]
mod tests {
    use record::metric::TIME;

    use super::*;

    #[test]
    fn every_subject_is_a_line_with_its_name() {
        let mut rows = Vec::new();
        for (place, subject) in ["thread", "rayon", "fork", "a", "b", "c", "d", "e", "f", "g"]
            .iter()
            .enumerate()
        {
            for (parameter, time) in [(1_u32, 10.0), (100, 20.0), (10_000, 300.0)] {
                let bench = format!("create/time/{parameter}");
                let time = time * (place as f64 + 1.0);
                rows.push(Row::measured(
                    bench,
                    &TIME,
                    *subject,
                    "host",
                    vec![time, time * 1.3],
                ));
            }
        }
        rows.push(Row::missing(
            "create/time/1",
            &TIME,
            "none",
            "host",
            "not run",
        ));
        let rows: Vec<&Row> = rows.iter().collect();
        for width in Width::BOTH {
            let svg = draw(&rows, width);
            for part in ["thread: ", "none: no figure", "10k", "units at once"] {
                assert!(svg.contains(part), "{part} in {svg}");
            }
            assert!(svg.matches("<polyline").count() >= 10, "{svg}");
        }
    }

    #[test]
    fn names_keep_out_of_each_others_way() {
        let places = apart(&[100, 100, 101, 40, 300], 0, 310);
        assert_eq!(places, [100, 121, 142, 40, 300]);
        let low = apart(&[300, 300, 300], 0, 310);
        assert_eq!(low, [268, 289, 310]);
    }

    #[test]
    fn nobody_with_a_figure_is_drawn_too() {
        let rows = [1, 2].map(|n| Row::missing(format!("b/{n}"), &TIME, "m", "host", "not run"));
        let rows: Vec<&Row> = rows.iter().collect();
        assert!(draw(&rows, Width::Wide).contains("no figure"));
        let zero = [1, 2].map(|n| Row::measured(format!("b/{n}"), &TIME, "m", "host", vec![0.0]));
        let rows: Vec<&Row> = zero.iter().collect();
        assert!(draw(&rows, Width::Narrow).contains("m: 0.0 ns"));
    }
}
