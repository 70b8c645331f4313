//! `cargo xtask kernel compare`: the programs of the comparison under each scheduling policy.
//!
//! # Protocol
//! For each policy, number of processors and model one boot that counts instructions runs all programs
//! one after the other. One instruction is one nanosecond of the guest's clock, so the times are exact
//! and the same whatever the host does; the context switches are the kernel's own accounting. Answers
//! are checked against the serial ones, computed here.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use kcore::sched::PolicyKind;
use record::Model;
use workloads::{Size, Workload};

use super::{Images, TESTED_CPUS};
use crate::initrd::{self, Entry};
use crate::progress::Progress;
use crate::qemu::{End, Engine, Machine};

/// How long one boot may take.
const LIMIT: Duration = Duration::from_mins(3);

/// Memory of the guest: hundreds of stacks.
const MEMORY_MIB: u32 = 512;

/// The text that wordcount reads: enough for its chunks, the same for everyone.
const WORDS: &str = "the scheduler decides which of the ready threads runs next\n";
const LINES: usize = 500;

/// One program under one model, policy and number of processors.
struct Figure {
    policy: &'static str,
    cpus: u32,
    model: Model,
    workload: Workload,
    ns: u64,
    switches: u64,
}

/// How many operations a program does: what its parameter means.
fn operations(workload: Workload, param: u64) -> u64 {
    match workload {
        Workload::Fib => workloads::fib::joins(param),
        _ => param,
    }
}

/// Runs everything and returns the table.
///
/// # Errors
/// Where a boot fails or an answer is wrong.
pub(super) fn table(program: &Path, images: &Images) -> anyhow::Result<String> {
    let text = WORDS.repeat(LINES);
    let mut entries = images.entries()?;
    entries.push(Entry::file("input", text.as_str()));
    let dir = tempfile::tempdir()?;
    let archive = dir.path().join("initrd.cpio");
    initrd::write(&archive, &entries)?;
    let mut figures = Vec::new();
    let progress =
        Progress::new(PolicyKind::ALL.len() * TESTED_CPUS.len() * Model::IN_KERNEL.len());
    for policy in PolicyKind::NAMES {
        for cpus in TESTED_CPUS {
            for &model in Model::IN_KERNEL {
                progress.begin(&format!("{policy}, {cpus} cpu, {model}"), false);
                let machine = Machine::new(program, &images.kernel)
                    .initrd(&archive)
                    .append(command_line(policy, model, cpus))
                    .cpus(cpus)
                    .memory_mib(MEMORY_MIB)
                    .engine(Engine::Counted)
                    .timeout(LIMIT);
                let boot = machine.run()?;
                ensure!(boot.end == End::Success, "{}\n{}", boot.end, boot.console);
                for line in boot.console.lines().filter(|line| line.starts_with("lab ")) {
                    figures.push(parse(line, policy, cpus, model, &text)?);
                }
                progress.done();
            }
        }
    }
    Ok(format(&figures))
}

fn command_line(policy: &str, model: Model, cpus: u32) -> String {
    let names = Workload::NAMES.join(",");
    let params: Vec<_> = Workload::ALL
        .iter()
        .map(|workload| workload.default_param(Size::Quick).to_string())
        .collect();
    let params = params.join(",");
    format!("sched={policy} init=/lab {model} {names} {params} {cpus} /input")
}

fn parse(
    line: &str,
    policy: &'static str,
    cpus: u32,
    model: Model,
    text: &str,
) -> anyhow::Result<Figure> {
    let field = |name: &str| {
        line.split_whitespace()
            .filter_map(|word| word.split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
            .with_context(|| format!("no {name} in: {line}"))
    };
    let number = |name: &str| -> anyhow::Result<u64> { Ok(field(name)?.parse()?) };
    let workload: Workload = field("workload")?.parse()?;
    let param = number("param")?;
    if number("checksum")? != workload.serial(param, text.as_bytes()) {
        bail!("wrong answer under {policy} on {cpus}: {line}");
    }
    let operations = operations(workload, param);
    ensure!(operations > 0, "no operations in: {line}");
    Ok(Figure {
        policy,
        cpus,
        model,
        workload,
        ns: number("ns")? / operations,
        switches: (number("voluntary")? + number("involuntary")?) * 100 / operations,
    })
}

/// A line for each program, model and number of processors; a column for each policy.
fn format(figures: &[Figure]) -> String {
    let mut text = String::from(
        "Nanoseconds (= instructions) / context switches, for each operation, by policy\n\n",
    );
    write!(text, "{:<12}{:<15}{:>4}", "program", "model", "cpus").expect(TEXT);
    for policy in PolicyKind::NAMES {
        write!(text, "{policy:>18}").expect(TEXT);
    }
    text.push('\n');
    for &workload in Workload::ALL {
        for &model in Model::IN_KERNEL {
            for cpus in TESTED_CPUS {
                write!(text, "{workload:<12}{model:<15}{cpus:>4}").expect(TEXT);
                for policy in PolicyKind::NAMES {
                    let found = figures.iter().find(|figure| {
                        (figure.policy, figure.cpus) == (policy, cpus)
                            && (figure.model, figure.workload) == (model, workload)
                    });
                    let cell = found.map_or("-".to_owned(), |figure| {
                        let (whole, part) = (figure.switches / 100, figure.switches % 100);
                        format!("{} / {whole}.{part:02}", figure.ns)
                    });
                    write!(text, "{cell:>18}").expect(TEXT);
                }
                text.push('\n');
            }
        }
    }
    text
}

const TEXT: &str = "invariant: writing to a string never fails";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_figure_and_a_wrong_answer_does_not() {
        let line = "lab model=one-to-one workload=fib param=15 ns=98600 voluntary=980 involuntary=6 checksum=610";
        let figure = parse(line, "rr", 2, Model::OneToOne, "").expect("a figure");
        assert_eq!((figure.ns, figure.switches), (98_600 / 986, 100));
        assert!(format(&[figure]).contains("100 / 1.00"));
        let wrong = line.replace("610", "611");
        assert!(parse(&wrong, "rr", 2, Model::OneToOne, "").is_err());
        assert!(parse("lab workload=fib", "rr", 2, Model::OneToOne, "").is_err());
    }
}
