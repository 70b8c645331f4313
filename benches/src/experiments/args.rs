//! The command lines `lab run` and `lab case`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use record::{Effort, Experiment, Report, table};

use super::{Case, Setting, cases};
use crate::interrupt;
use crate::rounds::{self, Said};

#[derive(clap::Args)]
struct SettingArgs {
    /// Smaller parameters and few rounds: a look, not a measurement
    #[arg(long)]
    quick: bool,
    /// The CPUs that may be used, and the workers of each model [default: those of this machine]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    cpus: Option<u16>,
}

impl SettingArgs {
    fn setting(&self) -> Setting {
        let machine = std::thread::available_parallelism().map_or(1, usize::from);
        Setting {
            quick: self.quick,
            cpus: self.cpus.map_or(machine, usize::from),
        }
    }
}

/// What `lab run` takes.
#[derive(clap::Args)]
pub struct RunArgs {
    /// The experiments [default: all that run on this system]
    #[arg(value_name = "LABS", value_parser = PossibleValuesParser::new(Experiment::NAMES).try_map(|name| name.parse::<Experiment>()))]
    labs: Vec<Experiment>,
    /// Only the benches whose names begin so, comma-separated [default: all]
    #[arg(long, value_name = "BENCHES", value_delimiter = ',')]
    only: Vec<String>,
    #[command(flatten)]
    setting: SettingArgs,
    /// Rounds, of which the median is taken [default: 7, 3 with --quick, and some more of short cases]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Write every figure to this file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write every figure to this file, as comma-separated values
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print no table
    #[arg(long)]
    no_table: bool,
}

/// What `lab case` takes.
#[derive(clap::Args)]
pub struct CaseArgs {
    /// The bench
    bench: String,
    /// Who is measured
    subject: String,
    #[command(flatten)]
    setting: SettingArgs,
}

impl RunArgs {
    /// Runs the experiments.
    ///
    /// # Errors
    /// Where this program can't be started again, or the file can't be written.
    ///
    /// # Blocking
    /// Until all is measured, or until somebody interrupts.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let interrupted = interrupt::listen()?;
        let this = std::env::current_exe().context("could not find this program")?;
        let setting = self.setting.setting();
        let start = |case: &Case| {
            let mut command = Command::new(&this);
            command
                .args(["case", &case.bench, &case.subject])
                .args(["--cpus", &setting.cpus.to_string()]);
            if setting.quick {
                command.arg("--quick");
            }
            command
        };
        let effort = match self.rounds {
            Some(rounds) => Effort::exactly(usize::from(rounds)),
            None => Effort::of(setting.quick),
        };
        let asked = |one: &&Experiment| self.labs.is_empty() || self.labs.contains(one);
        let mut report = Report::here();
        let mut wrong = Vec::new();
        for experiment in Experiment::ALL.iter().filter(asked) {
            let mut cases = cases(*experiment, &setting);
            cases.retain(|case| {
                let begins = |name: &String| case.bench.starts_with(name);
                self.only.is_empty() || self.only.iter().any(begins)
            });
            if cases.is_empty() && !self.only.is_empty() {
                eprintln!(
                    "{experiment}: no bench begins with {}",
                    self.only.join(" or ")
                );
            }
            if !cases.is_empty() && !report.interrupted {
                let Effort { rounds, most, .. } = effort;
                let more = match most > rounds {
                    true => format!(", {most} of what is short"),
                    false => String::new(),
                };
                eprintln!("{experiment}: {} cases, {rounds} rounds{more}", cases.len());
            }
            let outcome = rounds::run(&cases, effort, start, &interrupted, |said| said.tell());
            Said::end();
            report.interrupted |= outcome.interrupted;
            report.rows.extend(outcome.rows);
            wrong.extend(outcome.wrong);
        }
        if !self.no_table {
            println!("{}", table::render(&report));
        }
        if let Some(path) = &self.json {
            report
                .write(path)
                .with_context(|| format!("could not write {}", path.display()))?;
        }
        if let Some(path) = &self.csv {
            report
                .write_csv(path)
                .with_context(|| format!("could not write {}", path.display()))?;
        }
        anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("; "));
        Ok(match report.interrupted {
            true => ExitCode::from(interrupt::STATUS),
            false => ExitCode::SUCCESS,
        })
    }
}

impl CaseArgs {
    /// Takes the figures of one case and prints them.
    ///
    /// # Errors
    /// Where there is no such case, or it can't be measured.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let setting = self.setting.setting();
        let experiment = Experiment::of_bench(&self.bench)
            .with_context(|| format!("no experiment has a bench '{}'", self.bench))?;
        let cases = cases(experiment, &setting);
        let is_it = |case: &&Case| case.bench == self.bench && case.subject == self.subject;
        let case = cases.iter().find(is_it).with_context(|| {
            let names: Vec<_> = cases.iter().map(|case| format!("{case:?}")).collect();
            format!("no such case; there are: {}", names.join(", "))
        })?;
        crate::cpus::confine(setting.cpus)?;
        println!("{}", case.run()?.to_line());
        Ok(ExitCode::SUCCESS)
    }
}
