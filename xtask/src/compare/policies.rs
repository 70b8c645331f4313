//! The comparison's programs in our kernel under each scheduling policy: the second half of the lab
//! `schedulers`.
//!
//! # Protocol
//! For each policy, number of processors and model one boot that counts instructions runs all programs,
//! one after the other. One instruction is one nanosecond of the guest's clock, so the times are exact
//! and the same whatever the host does; the context switches are the kernel's own accounting. Both are
//! given for one operation, which is what a program's parameter counts; the parameters are the small ones,
//! and the text is one of its own ([`WORDS`]), so that the figures of two revisions can be compared.
//!
//! In full size this is done on 1, 2 and 4 processors, and twice, and the two must agree. A quick run does
//! it once, on 2 processors: one count is as exact as two.

use std::time::Duration;

use kcore::sched::PolicyKind;
use record::{Ground, Model, Row, Sample};
use workloads::{Size, Workload};

use super::Args;
use super::kernel::Guest;
use super::tally::{Key, Tally};
use crate::kernel::{TESTED_CPUS, programs};
use crate::process;
use crate::progress::Progress;
use crate::qemu::{Boot, Engine};

/// How long one boot may take.
const LIMIT: Duration = Duration::from_mins(3);

/// The file of the archive that wordcount reads here.
pub(super) const WORDS: &str = "words";

/// What is in it: enough for its pieces.
pub(super) fn words() -> String {
    "the scheduler decides which of the ready threads runs next\n".repeat(500)
}

/// The numbers of processors of a quick run.
const QUICK_CPUS: [u32; 1] = [2];

/// The programs under one model and one policy.
struct Subject {
    policy: &'static str,
    cpus: u32,
    model: Model,
    programs: Vec<Workload>,
}

impl Subject {
    fn key(&self, program: Workload) -> Key {
        Key {
            bench: bench(program, self.cpus),
            subject: format!("{}-{}", self.model, self.policy),
        }
    }

    fn command_line(&self) -> String {
        let programs: Vec<_> = self
            .programs
            .iter()
            .map(|program| (*program, param(*program)))
            .collect();
        let line = programs::command_line(self.model, &programs, self.cpus, WORDS);
        format!("sched={} {line}", self.policy)
    }
}

fn bench(program: Workload, cpus: u32) -> String {
    format!("schedulers/{program}/{cpus}")
}

fn param(program: Workload) -> u64 {
    program.default_param(Size::Quick)
}

/// How many operations a program does: what its parameter means.
fn operations(program: Workload) -> u64 {
    let param = param(program);
    match program {
        Workload::Fib => workloads::fib::joins(param),
        _ => param,
    }
}

/// A sample's share of one operation.
fn an_operation(sample: Sample, program: Workload) -> Sample {
    let operations = operations(program) as f64;
    Sample {
        time_ns: sample.time_ns / operations,
        voluntary: sample.voluntary / operations,
        involuntary: sample.involuntary / operations,
        ..sample
    }
}

fn subjects(args: &Args) -> Vec<Subject> {
    let cpus = match args.quick {
        true => &QUICK_CPUS[..],
        false => &TESTED_CPUS,
    };
    let (models, _) = args.models(Ground::Kernel);
    let mut subjects = Vec::new();
    for &cpus in cpus {
        let mut programs = args.workloads();
        programs.retain(|program| args.is_asked(&bench(*program, cpus)));
        for &model in models.iter().filter(|_| !programs.is_empty()) {
            subjects.extend(PolicyKind::NAMES.map(|policy| Subject {
                policy,
                cpus,
                model,
                programs: programs.clone(),
            }));
        }
    }
    subjects
}

/// Boots every policy, on every number of processors, with every model.
///
/// # Errors
/// Where QEMU itself could not run the machine.
pub(super) fn run(guest: &Guest, args: &Args) -> anyhow::Result<Tally> {
    let mut tally = Tally::new(Ground::Kernel);
    let subjects = subjects(args);
    let machine = match guest.machine() {
        Ok(machine) => machine.engine(Engine::Counted).timeout(LIMIT),
        Err(why) => {
            for subject in &subjects {
                for program in &subject.programs {
                    tally.put_out(&subject.key(*program), why);
                }
            }
            return Ok(tally);
        }
    };
    let text = words();
    let boots = if args.quick { 1 } else { 2 };
    let progress = Progress::new(boots * subjects.len());
    for boot in 1..=boots {
        for subject in &subjects {
            let Subject {
                policy,
                cpus,
                model,
                ..
            } = subject;
            progress.begin(
                &format!("kernel {policy}, {cpus} cpu, {model}, boot {boot} of {boots}"),
                boot == 1,
            );
            let booted = match process::interrupted() {
                true => None,
                false => {
                    let machine = machine.clone().cpus(*cpus);
                    let booted = machine.append(subject.command_line()).run();
                    (!process::interrupted()).then_some(booted).transpose()?
                }
            };
            for program in &subject.programs {
                let key = subject.key(*program);
                match &booted {
                    None => tally.end(&key, super::INTERRUPTED),
                    Some(booted) => take(booted, *program, &key, text.as_bytes(), &mut tally),
                }
            }
            progress.done();
        }
    }
    Ok(tally)
}

fn take(boot: &Boot, program: Workload, key: &Key, text: &[u8], tally: &mut Tally) {
    let expected = program.serial(param(program), text);
    match programs::sample(boot, program, expected) {
        Ok(sample) => tally.add(key, an_operation(sample, program)),
        Err(reason) => tally.put_out(key, reason),
    }
}

/// Says in each row what its time is, and where two counts differ.
pub(super) fn noted(rows: Vec<Row>) -> Vec<Row> {
    let rows = rows.into_iter().map(|row| match row.median {
        Some(_) => super::guest::counted(row),
        None => row,
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::End;

    fn args(words: &[&str]) -> Args {
        super::super::args::parsed(words)
    }

    #[test]
    fn a_full_run_has_every_policy_on_every_number_of_processors() {
        let full = subjects(&args(&["schedulers"]));
        assert_eq!(full.len(), 5 * 3 * 2);
        assert!(full.iter().all(|subject| subject.programs.len() == 5));
        let quick = subjects(&args(&["schedulers", "--quick"]));
        assert_eq!(quick.len(), 5 * 2);
        assert!(quick.iter().all(|subject| subject.cpus == 2));
        let line = quick[0].command_line();
        assert!(
            line.starts_with("sched=fcfs init=/lab one-to-one spawn-join,"),
            "{line}"
        );
    }

    #[test]
    fn it_can_be_narrowed_down() {
        let some = subjects(&args(&["schedulers", "--only", "schedulers/fib/2"]));
        assert_eq!(some.len(), 5 * 2);
        assert_eq!(some[0].programs, [Workload::Fib]);
        let other = subjects(&args(&["schedulers", "--only", "schedulers/io"]));
        assert!(other.is_empty());
        let one = subjects(&args(&["schedulers", "--models", "mini-executor"]));
        assert_eq!(one.len(), 5 * 3);
    }

    #[test]
    fn figures_are_those_of_one_operation_and_exact() {
        let param = param(Workload::Fib);
        let joins = operations(Workload::Fib);
        let line = |more: u64| {
            format!(
                "lab model=one-to-one workload=fib param={param} ns={} voluntary={} \
                 involuntary=0 checksum={}\n",
                100 * joins + more * joins,
                2 * joins,
                Workload::Fib.serial(param, &[]),
            )
        };
        let rows = |second: u64| {
            let mut tally = Tally::new(Ground::Kernel);
            let subject = &subjects(&args(&["schedulers"]))[0];
            for more in [0, second] {
                let boot = Boot {
                    console: line(more),
                    end: End::Success,
                    took: Duration::ZERO,
                };
                let key = subject.key(Workload::Fib);
                take(&boot, Workload::Fib, &key, &[], &mut tally);
            }
            noted(tally.into_rows())
        };
        let exact = rows(0);
        let medians: Vec<_> = exact.iter().map(|row| row.median).collect();
        assert_eq!(medians, [Some(100.0), Some(2.0), Some(0.0)]);
        assert_eq!(exact[0].bench, "schedulers/fib/1");
        assert_eq!(exact[0].subject, "one-to-one-fcfs");
        let note = |rows: &[Row]| rows[0].note.clone().expect("a note");
        assert!(!note(&exact).contains("NOT EXACT"));
        assert!(note(&rows(1)).contains("NOT EXACT"));
    }
}
