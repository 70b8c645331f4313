//! Instructions of the basic operations, counted exactly, and their bars.
//!
//! The program `measure` runs on one processor that counts: one instruction is one nanosecond of its
//! clocks. It prints a line `measure NAME OPERATIONS INSTRUCTIONS` for each operation. Two boots
//! must print the same figures, to the instruction; else something in the guest depends on the
//! host's time, and no figure could be trusted.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::Images;
use crate::initrd;
use crate::qemu::{End, Engine, Machine};

/// The operations and the most instructions that each may take.
const BARS: &[(&str, u64)] = &[
    ("null-syscall", 90),
    ("yield-switch", 200),
    ("create-join", 1100),
    ("futex-round-trip", 650),
    ("mailbox-message", 900),
    ("fork-exit-wait", 25_000),
];

/// How long one boot may take.
const LIMIT: Duration = Duration::from_mins(2);

/// What one operation costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    /// The operation.
    pub(crate) name: String,
    /// How often it was done.
    pub(crate) operations: u64,
    /// Instructions for all of them.
    pub(crate) instructions: u64,
    /// The most instructions that one may take, where that is laid down.
    pub(crate) bar: Option<u64>,
}

impl Figure {
    /// Whether one operation takes no more than its bar.
    pub(crate) fn within_bar(&self) -> bool {
        self.bar
            .is_none_or(|bar| self.instructions <= bar * self.operations)
    }

    /// Instructions of one operation.
    pub(crate) fn each(&self) -> f64 {
        self.instructions as f64 / self.operations as f64
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<20} {:>10.1} instructions", self.name, self.each())?;
        match self.bar {
            Some(bar) => write!(f, ", at most {bar}"),
            None => Ok(()),
        }
    }
}

/// Boots `measure` twice and returns the figures.
///
/// # Errors
/// Where a boot fails, the two differ, or an operation with a bar is missing.
pub(super) fn figures(program: &Path, images: &Images) -> anyhow::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let archive = dir.path().join("initrd.cpio");
    initrd::write(&archive, &images.entries()?)?;
    let machine = Machine::new(program, &images.kernel)
        .initrd(&archive)
        .append("init=/measure")
        .engine(Engine::Counted)
        .timeout(LIMIT);
    let mut runs = Vec::new();
    for _ in 0..2 {
        let boot = machine.run()?;
        if boot.end != End::Success {
            bail!("{}\n{}", boot.end, boot.console);
        }
        runs.push(parse(&boot.console)?);
    }
    let second = runs.pop().expect("invariant: two runs");
    let first = runs.pop().expect("invariant: two runs");
    if first != second {
        bail!(
            "two counted runs differ:\n{}{}",
            table(&first),
            table(&second)
        );
    }
    for (name, _) in BARS {
        if !first.iter().any(|figure| figure.name == *name) {
            bail!("the program measured no '{name}'");
        }
    }
    Ok(first)
}

/// One line a figure.
pub(super) fn table(figures: &[Figure]) -> String {
    figures.iter().fold(String::new(), |mut text, figure| {
        writeln!(text, "{figure}").expect("invariant: writing to a string never fails");
        text
    })
}

fn parse(console: &str) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for line in console.lines() {
        let Some(rest) = line.strip_prefix("measure ") else {
            continue;
        };
        let words: Vec<_> = rest.split_whitespace().collect();
        let [name, operations, instructions] = words[..] else {
            bail!("not a figure: {line}");
        };
        let number = |word: &str| {
            word.parse::<u64>()
                .with_context(|| format!("not a figure: {line}"))
        };
        let operations = number(operations)?;
        if operations == 0 {
            bail!("not a figure: {line}");
        }
        figures.push(Figure {
            name: name.to_owned(),
            operations,
            instructions: number(instructions)?,
            bar: BARS
                .iter()
                .find(|(bar, _)| *bar == name)
                .map(|(_, most)| *most),
        });
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_held_to_its_bar_exactly() {
        let figures = parse("kernel: up\nmeasure null-syscall 100 9000\nmeasure other 1 5\n")
            .expect("figures");
        assert_eq!(figures.len(), 2);
        assert!(figures[0].within_bar(), "90 is allowed");
        assert!(figures[1].within_bar(), "there is no bar");
        let figures = parse("measure null-syscall 100 9001\n").expect("figures");
        assert!(!figures[0].within_bar());
    }

    #[test]
    fn nonsense_is_no_figure() {
        for line in [
            "measure a 1",
            "measure a b c",
            "measure a 0 7",
            "measure a 1 2 3",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
