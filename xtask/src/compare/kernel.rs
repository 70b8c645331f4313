//! The kernel ground: every sample is a fresh boot of our kernel in QEMU.
//!
//! # Protocol
//! The program `lab` of the archive runs one workload under one model and prints a line
//! ([`programs`]). The samples
//! of the clock run with one host thread a processor, where races are real. After them, two
//! boots count instructions: there one instruction is one nanosecond of the guest's clock,
//! so `ns` is the exact cost, idle time included, and the two must agree.

use std::path::PathBuf;
use std::time::Duration;

use record::{Ground, Model};
use tempfile::TempDir;
use workloads::Workload;

use super::tally::{Key, Tally};
use super::{Args, Input, policies};
use crate::initrd::{self, Entry};
use crate::kernel::{self, Profile, programs};
use crate::process;
use crate::progress::Progress;
use crate::qemu::{self, Availability, Engine, Machine};

/// The file of the archive that wordcount reads.
pub(super) const INPUT: &str = "input";

/// Memory of the guest: hundreds of stacks, and the text.
const MEMORY_MIB: u32 = 512;

/// How often each subject boots by the clock, and how long a boot may take.
struct Effort {
    samples: usize,
    limit: Duration,
}

impl Effort {
    const QUICK: Self = Self {
        samples: 2,
        limit: Duration::from_secs(20),
    };
    const FULL: Self = Self {
        samples: 7,
        limit: Duration::from_mins(1),
    };
}

/// Boots that count instructions.
const COUNTED: usize = 2;

/// The kernel ground, ready to boot, or the reason why it can't.
pub(super) enum Guest {
    Ready {
        qemu: PathBuf,
        kernel: PathBuf,
        archive: PathBuf,
        _folder: TempDir,
    },
    Missing(String),
}

impl Guest {
    /// Finds QEMU and builds the kernel, its programs and the archive.
    ///
    /// # Errors
    /// Where something does not build. A missing QEMU is no error.
    pub(super) fn prepare(input: &Input) -> anyhow::Result<Self> {
        let qemu = match qemu::ensure() {
            Availability::Missing(why) => {
                eprintln!("{why}");
                let first = why.lines().next().unwrap_or_default();
                return Ok(Self::Missing(format!(
                    "not run: {}",
                    first.trim_end_matches("; install it with")
                )));
            }
            Availability::Installed(path) | Availability::InstalledNow(path) => path,
        };
        let progress = Progress::new(1);
        progress.begin("building the kernel", true);
        let images = kernel::build(Profile::Release)?;
        let mut entries = images.entries()?;
        entries.push(Entry::file(INPUT, input.read()?));
        entries.push(Entry::file(policies::WORDS, policies::words()));
        let folder = tempfile::tempdir()?;
        let archive = folder.path().join("initrd.cpio");
        initrd::write(&archive, &entries)?;
        Ok(Self::Ready {
            qemu,
            kernel: images.kernel,
            archive,
            _folder: folder,
        })
    }

    /// A machine with the programs, or the reason why there is none.
    pub(super) fn machine(&self) -> Result<Machine, &str> {
        match self {
            Self::Missing(why) => Err(why),
            Self::Ready {
                qemu,
                kernel,
                archive,
                ..
            } => Ok(Machine::new(qemu, kernel)
                .initrd(archive)
                .memory_mib(MEMORY_MIB)),
        }
    }

    /// Runs every program under every model that exists in the kernel, and tells of those
    /// that were asked for and don't.
    pub(super) fn run(&self, args: &Args, input: &Input) -> anyhow::Result<Tally> {
        let mut tally = Tally::new(Ground::Kernel);
        let (here, elsewhere) = args.models(Ground::Kernel);
        let subjects = subjects(args, &here);
        match self.machine() {
            Err(why) => {
                for subject in &subjects {
                    tally.put_out(&subject.key(), why);
                }
            }
            Ok(machine) => {
                let machine = machine.cpus(args.cpus());
                boot_all(&machine, &subjects, args, &input.read()?, &mut tally)?;
            }
        }
        for subject in self::subjects(args, &elsewhere) {
            tally.put_out(
                &subject.key(),
                "not run: the model needs an operating system",
            );
        }
        Ok(tally)
    }
}

/// Boots every subject by the clock, in rounds, and then counting.
fn boot_all(
    machine: &Machine,
    subjects: &[Subject],
    args: &Args,
    text: &[u8],
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let effort = if args.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let boots = effort.samples + COUNTED;
    let progress = Progress::new(boots * subjects.len());
    for round in 1..=boots {
        for subject in subjects {
            let key = subject.key();
            if process::interrupted() {
                tally.end(&key, super::INTERRUPTED);
                continue;
            }
            let what = format!("{} {}", key.bench, key.subject);
            progress.begin(
                &format!("kernel {what}, boot {round} of {boots}"),
                round == 1,
            );
            if !tally.is_out(&key) {
                let engine = if round <= effort.samples {
                    Engine::Translated
                } else {
                    Engine::Counted
                };
                let boot = machine
                    .clone()
                    .append(subject.command_line(args.cpus()))
                    .engine(engine)
                    .timeout(effort.limit)
                    .run();
                if process::interrupted() {
                    tally.end(&key, super::INTERRUPTED);
                    continue;
                }
                let boot = boot?;
                let expected = subject.workload.serial(subject.param, text);
                match programs::sample(&boot, subject.workload, expected) {
                    Ok(sample) if engine == Engine::Counted && sample.is_right() => {
                        tally.add_instructions(&key, sample.time_ns);
                    }
                    Ok(sample) => tally.add(&key, sample),
                    Err(reason) => {
                        progress.say(&format!("{what}: {reason}"));
                        tally.put_out(&key, reason);
                    }
                }
            }
            progress.done();
        }
    }
    Ok(())
}

fn subjects(args: &Args, models: &[Model]) -> Vec<Subject> {
    let subject = |workload: Workload, model: &Model| Subject {
        workload,
        model: *model,
        param: workload.default_param(args.size()),
    };
    let workloads = args.workloads().into_iter();
    workloads
        .flat_map(|workload| models.iter().map(move |model| subject(workload, model)))
        .collect()
}

/// What is booted.
struct Subject {
    workload: Workload,
    model: Model,
    param: u64,
}

impl Subject {
    fn key(&self) -> Key {
        Key {
            bench: format!("{}/{}", self.workload, self.param),
            subject: self.model.to_string(),
        }
    }

    fn command_line(&self, cpus: u32) -> String {
        let Self {
            workload,
            model,
            param,
        } = self;
        programs::command_line(*model, &[(*workload, *param)], cpus, INPUT)
    }
}
