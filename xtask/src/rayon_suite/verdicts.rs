//! What a test program has said about each of its tests.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::sources;

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed,
    Ignored,
    /// It was still running when its process was killed at the limit.
    TimedOut,
    /// Its process ended without a word about it.
    Crashed,
}

const WORDS: [(Verdict, &str); 5] = [
    (Verdict::Passed, "passed"),
    (Verdict::Failed, "failed"),
    (Verdict::Ignored, "ignored"),
    (Verdict::TimedOut, "timed out"),
    (Verdict::Crashed, "crashed"),
];

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, word) = WORDS
            .iter()
            .find(|(verdict, _)| verdict == self)
            .expect("invariant: every verdict has a word");
        f.write_str(word)
    }
}

/// A test: its program as the table shows it, and its name in there.
pub(super) type Key = (String, String);

/// All tests of a side.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdicts(pub(super) BTreeMap<Key, Verdict>);

impl Verdicts {
    /// Notes how a test has ended.
    pub(super) fn set(&mut self, program: &str, test: &str, verdict: Verdict) {
        self.0
            .insert((program.to_owned(), test.to_owned()), verdict);
    }

    /// How many have passed.
    pub(super) fn passed(&self) -> usize {
        self.0
            .values()
            .filter(|verdict| **verdict == Verdict::Passed)
            .count()
    }

    /// Only the programs whose name contains `part`.
    pub(super) fn filter(mut self, part: Option<&str>) -> Self {
        if let Some(part) = part {
            self.0.retain(|(program, _), _| program.contains(part));
        }
        self
    }

    /// Keeps them for a later run, a line a test.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let lines: String = self
            .0
            .iter()
            .map(|((program, test), verdict)| format!("{program}\t{test}\t{verdict}\n"))
            .collect();
        sources::write(path, &lines)
    }

    /// Reads what [`write`](Self::write) has kept.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("can't read {}: run without --ours first", path.display()))?;
        let mut verdicts = Self::default();
        for line in text.lines() {
            let mut parts = line.split('\t');
            let (Some(program), Some(test), Some(word)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if let Some((verdict, _)) = WORDS.iter().find(|(_, known)| *known == word) {
                verdicts.set(program, test, *verdict);
            }
        }
        Ok(verdicts)
    }
}

/// Reads libtest's and rustdoc's `test NAME ... WORD` lines.
pub(super) fn parse(output: &str) -> Vec<(String, Verdict)> {
    output
        .lines()
        .filter_map(|line| {
            let (name, word) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
            let verdict = match word.split([' ', ',']).next()? {
                "ok" => Verdict::Passed,
                "FAILED" => Verdict::Failed,
                "ignored" => Verdict::Ignored,
                _ => return None,
            };
            // What libtest adds to the name of a test that is special.
            let name = [" - should panic", " - compile fail", " - compile"]
                .iter()
                .find_map(|added| name.strip_suffix(added))
                .unwrap_or(name);
            Some((name.to_owned(), verdict))
        })
        .collect()
}

/// Reads the names of the lines `NAME: test` that `--list --format terse` prints.
pub(super) fn parse_list(output: &str) -> Vec<String> {
    output
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_libtest_and_rustdoc_are_read() {
        let output = "\nrunning 4 tests\ntest a::b ... ok\ntest a::c - should panic ... ok\n\
                      test src/lib.rs - docs::lib_4 (line 2) - compile fail ... FAILED\n\
                      test d ... ignored, too slow\ntest e has been running for over 60 seconds\n\
                      test result: ok. 2 passed; 0 failed\n";
        assert_eq!(
            parse(output),
            [
                ("a::b".to_owned(), Verdict::Passed),
                ("a::c".to_owned(), Verdict::Passed),
                (
                    "src/lib.rs - docs::lib_4 (line 2)".to_owned(),
                    Verdict::Failed
                ),
                ("d".to_owned(), Verdict::Ignored),
            ]
        );
        assert_eq!(
            parse_list("a::b: test\na::c: test\n\n2 tests, 0 benchmarks\n"),
            ["a::b", "a::c"]
        );
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("verdicts.tsv");
        let mut verdicts = Verdicts::default();
        for (index, (verdict, _)) in WORDS.iter().enumerate() {
            verdicts.set("program one", &format!("test {index}"), *verdict);
        }
        verdicts.write(&path).expect("written");
        assert_eq!(Verdicts::read(&path).expect("read"), verdicts);
        assert_eq!(verdicts.passed(), 1);
        assert_eq!(verdicts.filter(Some("two")), Verdicts::default());
    }
}
