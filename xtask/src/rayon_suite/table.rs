//! The two sides beside each other.

use std::collections::BTreeMap;

use super::verdicts::{Verdict, Verdicts};

/// Passed, failed (in any way), ignored.
type Row = [usize; 3];

/// Tests by the package and kind that their program belongs to.
fn rows(verdicts: &Verdicts) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::<_, Row>::new();
    for ((program, _), verdict) in &verdicts.0 {
        // "rayon: tests/chars" counts under "rayon: tests".
        let kind = program.split('/').next().unwrap_or(program);
        let column = match verdict {
            Verdict::Passed => 0,
            Verdict::Ignored => 2,
            Verdict::Failed | Verdict::TimedOut | Verdict::Crashed => 1,
        };
        for name in [kind, "total"] {
            rows.entry(name.to_owned()).or_default()[column] += 1;
        }
    }
    rows
}

/// The counts of both sides, a line a kind of test.
pub(super) fn table(original: &Verdicts, ours: &Verdicts) -> String {
    let (original, ours) = (rows(original), rows(ours));
    let mut names: Vec<_> = original.keys().chain(ours.keys()).collect();
    names.sort_by_key(|name| (*name == "total", *name));
    names.dedup();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut text = format!(
        "{:width$}  {:^22}  {:^22}\n{:width$}  {:>6} {:>6} {:>8}  {:>6} {:>6} {:>8}\n",
        "", "original", "ours", "", "passed", "failed", "ignored", "passed", "failed", "ignored"
    );
    for name in names {
        let [a, b, c] = original.get(name).copied().unwrap_or_default();
        let [d, e, f] = ours.get(name).copied().unwrap_or_default();
        text.push_str(&format!(
            "{name:width$}  {a:>6} {b:>6} {c:>8}  {d:>6} {e:>6} {f:>8}\n"
        ));
    }
    text
}

/// Every test that passes on the original and doesn't on ours, and how it ends there.
pub(super) fn lost(original: &Verdicts, ours: &Verdicts) -> Vec<(String, String)> {
    original
        .0
        .iter()
        .filter(|(_, verdict)| **verdict == Verdict::Passed)
        .filter_map(|(key, _)| {
            let how = match ours.0.get(key) {
                Some(Verdict::Passed) => return None,
                Some(verdict) => verdict.to_string(),
                None => "missing".to_owned(),
            };
            Some((format!("{}: {}", key.0, key.1), how))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides() -> (Verdicts, Verdicts) {
        let (mut original, mut ours) = (Verdicts::default(), Verdicts::default());
        for (program, test, theirs, mine) in [
            ("p: tests/a", "good", Verdict::Passed, Some(Verdict::Passed)),
            (
                "p: tests/b",
                "slow",
                Verdict::Passed,
                Some(Verdict::TimedOut),
            ),
            ("p: tests/b", "gone", Verdict::Passed, None),
            (
                "p: unit tests",
                "bad",
                Verdict::Failed,
                Some(Verdict::Failed),
            ),
            (
                "p: unit tests",
                "off",
                Verdict::Ignored,
                Some(Verdict::Ignored),
            ),
        ] {
            original.set(program, test, theirs);
            if let Some(mine) = mine {
                ours.set(program, test, mine);
            }
        }
        (original, ours)
    }

    #[test]
    fn what_fails_on_both_is_not_lost() {
        let (original, ours) = sides();
        let pair = |name: &str, how: &str| (name.to_owned(), how.to_owned());
        assert_eq!(
            lost(&original, &ours),
            [
                pair("p: tests/b: gone", "missing"),
                pair("p: tests/b: slow", "timed out")
            ]
        );
    }

    #[test]
    fn every_kind_has_a_line_and_the_total_is_the_last() {
        let (original, ours) = sides();
        let table = table(&original, &ours);
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[2], ["p:", "tests", "3", "0", "0", "1", "1", "0"]);
        assert_eq!(
            lines[3],
            ["p:", "unit", "tests", "0", "1", "1", "0", "1", "1"]
        );
        assert_eq!(lines[4], ["total", "3", "1", "1", "1", "2", "1"]);
        assert_eq!(lines.len(), 5);
    }
}
