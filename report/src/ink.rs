//! The colours: what a chart draws with, and what the page makes of it.
//!
//! A chart is drawn once for light and dark. It draws with *inks*, colours that only stand for a
//! role; the page's style gives each its value by what stands in the SVG's attributes. The models
//! have colours of their own, which are told from both backgrounds.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// A colour that stands for a role, and what it is on a light and on a dark page.
struct Ink {
    stands_in: RGBColor,
    light: &'static str,
    dark: &'static str,
}

/// Text.
pub(crate) const TEXT: RGBColor = RGBColor(1, 1, 1);
/// Text and lines of less weight.
pub(crate) const FAINT: RGBColor = RGBColor(2, 2, 2);
/// Lines of the grid, and the ground of a lane.
pub(crate) const GRID: RGBColor = RGBColor(3, 3, 3);
/// A lane that sleeps.
pub(crate) const ASLEEP: RGBColor = RGBColor(4, 4, 4);

const INKS: [Ink; 4] = [
    Ink {
        stands_in: TEXT,
        light: "#1c2128",
        dark: "#e6e9ee",
    },
    Ink {
        stands_in: FAINT,
        light: "#59636e",
        dark: "#9aa4b0",
    },
    Ink {
        stands_in: GRID,
        light: "#e3e6ea",
        dark: "#30363d",
    },
    Ink {
        stands_in: ASLEEP,
        light: "#b9c1ca",
        dark: "#4b5561",
    },
];

/// Colours that are told from each other, and from white and black.
const SERIES: [RGBColor; 8] = [
    RGBColor(217, 119, 6),
    RGBColor(124, 92, 214),
    RGBColor(192, 79, 160),
    RGBColor(37, 129, 219),
    RGBColor(22, 148, 102),
    RGBColor(207, 70, 62),
    RGBColor(14, 148, 160),
    RGBColor(125, 138, 20),
];

/// The colour of a subject: that of its model wherever it is shown. Others, which are on no list,
/// have the one that their name gives them.
pub(crate) fn of(subject: &str) -> RGBColor {
    let name = subject.strip_suffix("-native").unwrap_or(subject);
    let listed = record::Model::NAMES.iter().position(|model| *model == name);
    let number = listed.unwrap_or_else(|| name.bytes().map(usize::from).sum());
    SERIES[number % SERIES.len()]
}

/// A colour and a mark for each of several subjects that share a chart: those of a model are its own,
/// the others have what is left, and where that is nothing the same colours with other marks.
pub(crate) fn apart(subjects: &[&str]) -> Vec<(RGBColor, usize)> {
    let mut given: Vec<(RGBColor, usize)> = Vec::new();
    let is_model = |subject: &str| record::Model::NAMES.contains(&subject);
    let (models, others): (Vec<_>, Vec<_>) =
        (0..subjects.len()).partition(|at| is_model(subjects[*at]));
    let mut all = vec![(TEXT, 0); subjects.len()];
    for at in models {
        all[at] = (of(subjects[at]), 0);
        given.push(all[at]);
    }
    for at in others {
        let first = SERIES
            .iter()
            .position(|colour| *colour == of(subjects[at]))
            .unwrap_or(0);
        let turn = |mark: usize| {
            (0..SERIES.len()).map(move |n| (SERIES[(first + n) % SERIES.len()], mark))
        };
        let mut choices = (0..4).flat_map(turn);
        all[at] = choices
            .find(|one| !given.contains(one))
            .unwrap_or((of(subjects[at]), 3));
        given.push(all[at]);
    }
    all
}

/// The rules that turn the inks into colours.
pub(crate) fn style() -> String {
    let mut style = String::new();
    let mut rules = |scheme: fn(&Ink) -> &'static str| {
        for ink in &INKS {
            let RGBColor(r, g, b) = ink.stands_in;
            let (name, value) = (format!("#{r:02X}{g:02X}{b:02X}"), scheme(ink));
            // Infallible: a string takes everything.
            let _ = write!(
                style,
                "svg [fill=\"{name}\"]{{fill:{value}}}svg [stroke=\"{name}\"]{{stroke:{value}}}"
            );
        }
        std::mem::take(&mut style)
    };
    let (light, dark) = (rules(|ink| ink.light), rules(|ink| ink.dark));
    format!("{light}@media (prefers-color-scheme:dark){{{dark}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_colour_of_its_own() {
        let mut colours: Vec<_> = record::Model::NAMES.iter().map(|name| of(name)).collect();
        colours.sort_by_key(|RGBColor(r, g, b)| (*r, *g, *b));
        colours.dedup();
        assert_eq!(colours.len(), record::Model::NAMES.len());
        assert_eq!(of("tokio"), of("tokio-native"));
    }

    #[test]
    fn who_shares_a_chart_looks_different() {
        let mut subjects = vec!["thread", "fork", "rayon-native"];
        subjects.extend(record::Model::NAMES);
        subjects.extend(["a", "b", "c", "d", "e", "f"]);
        let given = apart(&subjects);
        for (at, one) in given.iter().enumerate() {
            assert!(
                !given[..at].contains(one),
                "{} looks like another",
                subjects[at]
            );
        }
        assert_eq!(given[3], (of("one-to-one"), 0));
    }

    #[test]
    fn every_ink_has_both_its_values() {
        let style = style();
        for ink in &INKS {
            assert!(style.contains(ink.light) && style.contains(ink.dark));
        }
    }
}
