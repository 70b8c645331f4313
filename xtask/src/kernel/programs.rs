//! The program `lab`: programs of the comparison under one model, a line each.
//!
//! ```text
//! lab model=one-to-one workload=fib param=15 ns=123 voluntary=4 involuntary=5 checksum=610
//! ```
//!
//! The expected checksum is computed by whoever reads, so the guest can't vouch for itself.

use record::{Model, Sample};
use workloads::Workload;

use super::labs;
use crate::qemu::{Boot, End};

/// The command line that runs programs under a model; `input` is the file that wordcount reads.
pub(crate) fn command_line(
    model: Model,
    programs: &[(Workload, u64)],
    cpus: u32,
    input: &str,
) -> String {
    let joined = |word: fn(&(Workload, u64)) -> String| {
        let words: Vec<_> = programs.iter().map(word).collect();
        words.join(",")
    };
    let names = joined(|(workload, _)| workload.to_string());
    let params = joined(|(_, param)| param.to_string());
    let file = match programs.iter().any(|(workload, _)| workload.reads_input()) {
        true => format!(" /{input}"),
        false => String::new(),
    };
    format!("init=/lab {model} {names} {params} {cpus}{file}")
}

/// What a boot says of a program; the error is the note of its row.
pub(crate) fn sample(boot: &Boot, program: Workload, expected: u64) -> Result<Sample, String> {
    let last_words = || labs::last_words(&boot.console).unwrap_or("it said nothing");
    let found = boot.console.lines().find_map(|line| {
        let (workload, sample) = parse(line, expected)?;
        (workload == program).then_some(sample)
    });
    match (found, boot.end) {
        (_, End::TimedOut(limit)) => Err(format!(
            "killed after {} s: {}",
            limit.as_secs(),
            last_words()
        )),
        (Some(sample), End::Success) => Ok(sample),
        (None, End::Success) => Err(format!("no figure: {}", last_words())),
        (_, end) => Err(format!("{end}: {}", last_words())),
    }
}

/// Reads a line.
fn parse(line: &str, expected: u64) -> Option<(Workload, Sample)> {
    let mut words = line.trim().split(' ');
    if words.next() != Some("lab") {
        return None;
    }
    let fields: Vec<(&str, &str)> = words
        .map(|word| word.split_once('='))
        .collect::<Option<_>>()?;
    let field = |name: &str| Some(fields.iter().find(|(key, _)| *key == name)?.1);
    let number = |name: &str| -> Option<u64> { field(name)?.parse().ok() };
    let sample = Sample {
        time_ns: number("ns")? as f64,
        voluntary: number("voluntary")? as f64,
        involuntary: number("involuntary")? as f64,
        runs: 1,
        checksum: number("checksum")?,
        expected,
        // The guest sees neither the machine's other work nor its clock.
        foreign: None,
        mhz: None,
    };
    Some((field("workload")?.parse().ok()?, sample))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LINE: &str =
        "lab model=one-to-one workload=fib param=15 ns=123 voluntary=4 involuntary=5 checksum=610";

    fn boot(console: &str, end: End) -> Boot {
        Boot {
            console: console.into(),
            end,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn the_programs_line_is_read() {
        let other = LINE
            .replace("fib", "mixed")
            .replace("123", "1")
            .replace("610", "7");
        let console = format!("kernel: 2 processors\n{other}\n{LINE}\nkernel: init exited\n");
        let boot = boot(&console, End::Success);
        let sample = sample(&boot, Workload::Fib, 610).expect("a figure");
        assert_eq!(
            (sample.time_ns, sample.voluntary, sample.involuntary),
            (123.0, 4.0, 5.0)
        );
        assert!(sample.is_right());
        let wrong = super::sample(&boot, Workload::Fib, 611).expect("a figure");
        assert!(!wrong.is_right());
    }

    #[test]
    fn a_truncated_line_is_no_figure() {
        assert_eq!(parse("lab model=one-to-one workload=fib ns=12", 0), None);
        assert_eq!(parse("label ns=1", 0), None);
    }

    #[test]
    fn ends_become_notes() {
        let note =
            |console, end| sample(&boot(console, end), Workload::Fib, 0).expect_err("no figure");
        assert_eq!(
            note("panic at x:1\n", End::Panic),
            "the kernel panicked: panic at x:1"
        );
        assert_eq!(note("", End::Success), "no figure: it said nothing");
        let limit = Duration::from_secs(20);
        assert_eq!(note("up\n", End::TimedOut(limit)), "killed after 20 s: up");
        let console = "lab: no model\nkernel: init exited with status 2\n";
        assert_eq!(
            note(console, End::Failed),
            "the first program failed: lab: no model"
        );
    }

    #[test]
    fn only_wordcount_gets_the_text() {
        let line =
            |programs: &[(Workload, u64)]| command_line(Model::OneToOne, programs, 2, "input");
        assert_eq!(line(&[(Workload::Fib, 4)]), "init=/lab one-to-one fib 4 2");
        assert_eq!(
            line(&[(Workload::Fib, 4), (Workload::Wordcount, 8)]),
            "init=/lab one-to-one fib,wordcount 4,8 2 /input"
        );
    }
}
