//! What somebody says about the work: as flags, or asked on a terminal.

use std::time::Duration;

use dialoguer::{Confirm, Input, Select};

/// How many things wait at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Waits {
    /// No more than there can be threads.
    Few,
    /// Thousands.
    Many,
}

/// What the work is like and what it has to reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Wishes {
    /// A job may crash, hang or eat all memory, and must not take the rest along
    #[arg(long)]
    pub(crate) isolation: bool,
    /// Jobs compute most of the time
    #[arg(long)]
    pub(crate) cpu_bound: bool,
    /// One job divides itself: fork-join, sorting, searching
    #[arg(long)]
    pub(crate) parallel: bool,
    /// How many things wait at the same time, for a network or a timer
    #[arg(long, value_name = "HOW-MANY")]
    pub(crate) waits: Option<Waits>,
    /// Jobs call what blocks: files, databases, locks
    #[arg(long)]
    pub(crate) blocking: bool,
    /// The slowest in a hundred must answer within this, beside jobs that compute: 500us, 2ms, 1s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) latency_target: Option<Duration>,
}

impl Wishes {
    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Asks for everything.
    ///
    /// # Errors
    /// Where the terminal can't be read.
    pub(crate) fn ask() -> Result<Self, dialoguer::Error> {
        // With the line's end: else the "es" of a "yes" would answer the next question.
        let yes = |prompt: &str| {
            let question = Confirm::new().with_prompt(prompt).default(false);
            question.wait_for_newline(true).interact()
        };
        let isolation = yes("May a job crash or hang, and must the rest go on?")?;
        let cpu_bound = yes("Do jobs compute most of the time?")?;
        let parallel = yes("Does one job divide itself (fork-join, sorting, searching)?")?;
        let waits = Select::new()
            .with_prompt("How many things wait at the same time?")
            .items(["nothing waits", "few", "thousands"])
            .default(0)
            .interact()?;
        let blocking = yes("Do jobs call what blocks (files, databases, locks)?")?;
        let target: String = Input::new()
            .with_prompt(
                "Within what must the slowest in a hundred answer (500us, 2ms; empty: no matter)?",
            )
            .allow_empty(true)
            .validate_with(|text: &String| match text.trim() {
                "" => Ok(()),
                text => duration(text).map(drop),
            })
            .interact_text()?;
        Ok(Self {
            isolation,
            cpu_bound,
            parallel,
            waits: [None, Some(Waits::Few), Some(Waits::Many)][waits],
            blocking,
            latency_target: duration(target.trim()).ok(),
        })
    }
}

/// Reads a time with its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time; write it like 500us, 2ms or 1s");
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    let unit = match &text[digits.len()..] {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return Err(wrong()),
    };
    match Duration::try_from_secs_f64(number * unit) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("500us"), Ok(Duration::from_micros(500)));
        assert_eq!(duration("1.5ms"), Ok(Duration::from_micros(1_500)));
        for wrong in ["", "5", "ms", "-1s", "0ms", "1h", "1e400s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
