//! The chart of one question: a point for each subject, and its interval through it.
//!
//! A bar would have to start at zero, which a logarithmic axis doesn't have; a point with its
//! interval is right on both. The axis is logarithmic where the figures are a factor of
//! [`FAR_APART`] or more from each other, and starts at zero otherwise.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use record::{Row, table};

use crate::ink;

/// What a drawing onto a string can't fail with.
pub(crate) const INFALLIBLE: &str = "invariant: a string takes every drawing";

/// The factor from which on a linear axis would press the small figures into one place.
pub(crate) const FAR_APART: f64 = 12.0;

/// How wide a drawing is, and so how it is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// Names stand beside what they name.
    Wide,
    /// Names stand above it.
    Narrow,
}

impl Width {
    pub(crate) const BOTH: [Self; 2] = [Self::Wide, Self::Narrow];

    /// Pixels.
    pub(crate) const fn pixels(self) -> u32 {
        match self {
            Self::Wide => 1000,
            Self::Narrow => 350,
        }
    }

    /// How many ticks an axis has room for.
    const fn ticks(self) -> usize {
        match self {
            Self::Wide => 8,
            Self::Narrow => 4,
        }
    }

    /// The class of the page's style.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }

    /// Where the plot begins.
    pub(crate) const fn left(self) -> i32 {
        match self {
            Self::Wide => 190,
            Self::Narrow => 22,
        }
    }
}

/// Text of a size, a colour and an anchor.
pub(crate) fn text(colour: RGBColor, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", 17)
        .into_font()
        .color(&colour)
        .pos(Pos::new(horizontal, VPos::Center))
}

/// Draws onto a string.
pub(crate) fn svg(
    width: u32,
    height: u32,
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>),
) -> String {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        draw(&root);
        root.present().expect(INFALLIBLE);
    }
    text
}

/// Draws the rows of one bench, ground and metric.
pub(crate) fn draw(rows: &[&Row], width: Width) -> String {
    let (line, axis) = match width {
        Width::Wide => (30, 34),
        Width::Narrow => (42, 34),
    };
    let height = line * u32::try_from(rows.len()).unwrap_or(u32::MAX) + axis + 8;
    let ends = rows.iter().filter_map(|row| {
        let median = row.median?;
        let (low, high) = row.interval.map_or((median, median), |i| (i.low, i.high));
        Some((low, high))
    });
    let (low, high) = ends.fold((f64::INFINITY, 0.0_f64), |(low, high), (a, b)| {
        (low.min(a), high.max(b))
    });
    svg(width.pixels(), height, |root| {
        if low > 0.0 && high / low >= FAR_APART {
            let (low, high) = (low / 1.4, high * 1.4);
            let ticks = ticks(rows, low, high, width.ticks());
            let range = (low..high).log_scale().with_key_points(ticks);
            plot(root, rows, range, width);
        } else {
            let end = if high > 0.0 { high * 1.06 } else { 1.0 };
            plot(root, rows, 0.0..end, width);
        }
    })
}

/// A tick's figure, without zeros that say nothing.
pub(crate) fn tick_label(row: &Row, value: f64) -> String {
    let label = table::figure(row, Some(value));
    let Some((whole, rest)) = label.split_once('.') else {
        return label;
    };
    let unit = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let digits = rest[..rest.len() - unit.len()].trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    format!("{whole}{point}{digits}{unit}")
}

/// The ticks of a logarithmic axis of these rows' figures.
pub(crate) fn ticks(rows: &[&Row], low: f64, high: f64, room: usize) -> Vec<f64> {
    let is_bytes = rows.first().is_some_and(|row| row.unit.starts_with('B'));
    if is_bytes {
        binary_ticks(low, high, room)
    } else {
        logarithmic_ticks(low, high, room)
    }
}

/// Powers of two, as far apart as there is room for.
fn binary_ticks(low: f64, high: f64, room: usize) -> Vec<f64> {
    let powers = low.log2().floor() as i32..=high.log2().ceil() as i32;
    let of = |every: i32| -> Vec<f64> {
        let chosen = powers.clone().filter(|power| power % every == 0);
        let ticks = chosen.map(|power| 2_f64.powi(power));
        ticks.filter(|tick| (low..=high).contains(tick)).collect()
    };
    let mut fitting = [1, 2, 5, 10].into_iter().map(of);
    fitting
        .find(|ticks| ticks.len() <= room)
        .unwrap_or_else(|| of(20))
}

/// Ones, twos and fives of each power of ten, or as few of them as there is room for.
fn logarithmic_ticks(low: f64, high: f64, room: usize) -> Vec<f64> {
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let of = |digits: &[f64], every: usize| -> Vec<f64> {
        let ticks = powers
            .clone()
            .step_by(every)
            .flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power)));
        ticks.filter(|tick| (low..=high).contains(tick)).collect()
    };
    let choices = [
        (&[1.0, 2.0, 5.0][..], 1),
        (&[1.0, 3.0], 1),
        (&[1.0], 1),
        (&[1.0], 2),
    ];
    let mut fitting = choices.iter().map(|(digits, every)| of(digits, *every));
    fitting
        .find(|ticks| ticks.len() <= room)
        .unwrap_or_else(|| of(&[1.0], 3))
}

fn plot<X>(root: &DrawingArea<SVGBackend<'_>, Shift>, rows: &[&Row], range: X, width: Width)
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
{
    let count = rows.len() as f64;
    let right = match width {
        Width::Wide => 130,
        Width::Narrow => 14,
    };
    let mut chart = ChartBuilder::on(root)
        .margin_left(width.left())
        .margin_right(right)
        .margin_top(6)
        .x_label_area_size(30)
        .build_cartesian_2d(range, count..0.0)
        .expect(INFALLIBLE);
    let name_of_tick = |value: &f64| {
        let row = rows.first().expect("invariant: a chart has rows");
        tick_label(row, *value)
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .y_labels(0)
        .x_labels(width.ticks())
        .light_line_style(TRANSPARENT)
        .bold_line_style(ink::GRID)
        .axis_style(ink::GRID)
        .x_label_style(("sans-serif", 15).into_font().color(&ink::FAINT))
        .x_label_formatter(&name_of_tick)
        .draw()
        .expect(INFALLIBLE);
    let (left, _) = root.get_pixel_range();
    let left = left.start + width.left();
    let end = i32::try_from(width.pixels()).unwrap_or(i32::MAX);
    for (place, row) in rows.iter().enumerate() {
        let down = place as f64 + if width == Width::Wide { 0.5 } else { 0.72 };
        let colour = ink::of(&row.subject);
        let shown = row.median.map_or("no figure".to_owned(), |_| {
            let noisy = if row.noise.is_some() { "~ " } else { "" };
            format!("{noisy}{}", table::figure(row, row.median))
        });
        let y = chart.backend_coord(&(row.median.unwrap_or(1.0), down)).1;
        let (name, figure) = match width {
            Width::Wide => (((left - 14, y), HPos::Right), ((end - 6, y), HPos::Right)),
            Width::Narrow => (
                ((left, y - 20), HPos::Left),
                ((end - 14, y - 20), HPos::Right),
            ),
        };
        for (label, (at, anchor), colour) in [
            (row.subject.clone(), name, ink::TEXT),
            (shown, figure, ink::FAINT),
        ] {
            root.draw(&Text::new(label, at, text(colour, anchor)))
                .expect(INFALLIBLE);
        }
        let Some(median) = row.median else { continue };
        if let Some(interval) = row.interval {
            let ends = [(interval.low, down), (interval.high, down)];
            chart
                .draw_series(LineSeries::new(ends, colour.stroke_width(3)))
                .expect(INFALLIBLE);
        }
        chart
            .draw_series([Circle::new((median, down), 6, colour.filled())])
            .expect(INFALLIBLE);
    }
}

#[cfg(test)]
mod tests {
    use record::metric::TIME;

    use super::*;

    #[test]
    fn every_subject_has_its_name_its_point_and_its_figure() {
        let rows = [
            Row::measured("fib", &TIME, "rayon", "host", vec![10.0, 11.0, 12.0]),
            Row::measured(
                "fib",
                &TIME,
                "one-to-one",
                "host",
                vec![900.0, 950.0, 2000.0],
            ),
            Row::missing("fib", &TIME, "tokio", "host", "killed after 10 s"),
        ];
        let rows: Vec<&Row> = rows.iter().collect();
        for width in Width::BOTH {
            let svg = draw(&rows, width);
            for part in ["rayon", "one-to-one", "tokio", "no figure", "~ 950.0 ns"] {
                assert!(svg.contains(part), "{part} in {svg}");
            }
            assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
        }
    }

    #[test]
    fn ticks_fit_and_there_is_more_than_one() {
        assert_eq!(logarithmic_ticks(1.5, 30.0, 8), [2.0, 5.0, 10.0, 20.0]);
        assert_eq!(logarithmic_ticks(1.0, 1e4, 8).len(), 5);
        for (low, high) in [(0.1, 1.3), (7.0, 170.0), (1.0, 1e6), (3e2, 8e9)] {
            let ticks = logarithmic_ticks(low, high, 4);
            assert!((2..=4).contains(&ticks.len()), "{ticks:?}");
        }
    }

    #[test]
    fn a_tick_loses_no_digit_that_counts() {
        use record::metric::{MEMORY, RATIO};
        let label = |metric, value| tick_label(&Row::missing("b", metric, "m", "host", ""), value);
        let all = [(0.5, "0.5x"), (1.0, "1x"), (10.0, "10x"), (1.25, "1.25x")];
        for (value, expected) in all {
            assert_eq!(label(&RATIO, value), expected);
        }
        assert_eq!(label(&TIME, 1.5e6), "1.5 ms");
        assert_eq!(label(&TIME, 200.0), "200 ns");
        assert_eq!(label(&MEMORY, 2048.0), "2 KiB");
    }

    #[test]
    fn bytes_have_ticks_of_their_own() {
        assert_eq!(binary_ticks(900.0, 70_000.0, 8).first(), Some(&1024.0));
        assert_eq!(binary_ticks(80.0, 1e7, 4), [1024.0, 32_768.0, 1_048_576.0]);
    }

    #[test]
    fn figures_of_nothing_are_drawn_too() {
        let zero = Row::measured("b", &TIME, "m", "host", vec![0.0, 0.0]);
        let missing = Row::missing("b", &TIME, "m", "host", "not run");
        assert_eq!(draw(&[&zero], Width::Wide).matches("<circle").count(), 1);
        assert!(draw(&[&missing], Width::Narrow).contains("no figure"));
    }
}
