//! The lab that a program of one's own builds and runs.

use std::borrow::Borrow;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use record::{Effort, Model, Report, table};

use super::page;
use super::process::Task;
use super::workload::Workload;
use crate::experiments::Case;
use crate::rounds::Said;
use crate::{Handle, cpus, interrupt, rounds, trace};

/// Runs workloads of one's own under models, as `cargo xtask compare` runs its programs: each sample a
/// fresh process, taken in turns with the others', medians with their confidence intervals.
///
/// The processes are this program again, with the same arguments: whatever `main` does before
/// [`run`](Lab::run), each of them does too. `run` ends them.
///
/// # Examples
/// ```no_run
/// use benches::{Handle, Lab, Model};
///
/// fn main() -> anyhow::Result<()> {
///     Lab::new()
///         .workload("squares", |handle: &Handle| {
///             let jobs: Vec<_> = (0..100_u64).map(|n| handle.spawn(move || n * n)).collect();
///             jobs.into_iter().map(|job| job.join().expect("no panic")).sum::<u64>()
///         })
///         .models(Model::all())
///         .report("squares.html")
///         .run()?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Lab {
    pub(super) title: String,
    pub(super) workloads: Vec<Workload>,
    pub(super) models: Vec<Model>,
    quick: bool,
    cpus: Option<usize>,
    rounds: Option<usize>,
    limit: Duration,
    json: Option<PathBuf>,
    csv: Option<PathBuf>,
    report: Option<PathBuf>,
    trace: Option<PathBuf>,
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Lab {
    /// A lab without workloads, under every model.
    #[must_use]
    pub fn new() -> Self {
        Self {
            title: "My own work under every model".to_owned(),
            workloads: Vec::new(),
            models: Model::ALL.to_vec(),
            quick: false,
            cpus: None,
            rounds: None,
            limit: Duration::from_secs(30),
            json: None,
            csv: None,
            report: None,
            trace: None,
        }
    }

    /// Adds a workload. Its result must be the same under every model and in every run, which is
    /// checked by its hash; `()` always is.
    ///
    /// Names that differ in a number behind the last slash, as in `sort/1000`, become one curve of the
    /// page.
    #[must_use]
    pub fn workload<T: Hash>(
        mut self,
        name: impl Into<String>,
        run: impl Fn(&Handle) -> T + Send + Sync + 'static,
    ) -> Self {
        self.workloads.push(Workload::new(name.into(), run));
        self
    }

    /// Chooses the models, in the order of the tables.
    #[must_use]
    pub fn models(mut self, models: impl IntoIterator<Item = impl Borrow<Model>>) -> Self {
        self.models.clear();
        for model in models {
            if !self.models.contains(model.borrow()) {
                self.models.push(*model.borrow());
            }
        }
        self
    }

    /// Heads the page.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Takes 3 rounds instead of 7, and some more of what is short: a look, not a measurement.
    #[must_use]
    pub fn quick(mut self, quick: bool) -> Self {
        self.quick = quick;
        self
    }

    /// Takes so many rounds, 1 at the least.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = Some(rounds.max(1));
        self
    }

    /// Lets the models use so many CPUs, and gives them as many workers; 0 is one for each CPU of this
    /// machine, as is the default.
    #[must_use]
    pub fn cpus(mut self, cpus: usize) -> Self {
        self.cpus = (cpus > 0).then_some(cpus);
        self
    }

    /// Kills a process that takes longer, instead of 30 seconds; its model's row says so.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Writes every figure to a JSON file.
    #[must_use]
    pub fn json(mut self, path: impl Into<PathBuf>) -> Self {
        self.json = Some(path.into());
        self
    }

    /// Writes every figure to a CSV file.
    #[must_use]
    pub fn csv(mut self, path: impl Into<PathBuf>) -> Self {
        self.csv = Some(path.into());
        self
    }

    /// Writes the page: one HTML file with charts and tables.
    #[must_use]
    pub fn report(mut self, path: impl Into<PathBuf>) -> Self {
        self.report = Some(path.into());
        self
    }

    /// Runs each workload once more under each model that has a flight recorder, and writes the traces
    /// into this folder, for Perfetto. The page then shows them too.
    #[must_use]
    pub fn trace(mut self, folder: impl Into<PathBuf>) -> Self {
        self.trace = Some(folder.into());
        self
    }

    /// Measures, prints the table, and writes what was asked for.
    ///
    /// From the first call on, the first interrupt (Ctrl-C) ends the run early, with what was
    /// measured so far, which is then marked as [interrupted](Report::interrupted); the second one ends
    /// the process.
    ///
    /// In a process that was started for one case, this takes its figures and ends the process.
    ///
    /// # Errors
    /// Where there is nothing to run, this program can't be started again, or a file can't be written;
    /// and where a model's answer differs from the others', after everything was written. A workload that
    /// panics or takes too long is no error: its row says so.
    ///
    /// # Blocking
    /// Until everything is measured.
    pub fn run(&self) -> anyhow::Result<Report> {
        if let Some(task) = Task::of_this_process()? {
            return self.take(&task);
        }
        self.check()?;
        let this = std::env::current_exe().context("could not find this program")?;
        let interrupted = interrupt::listen()?;
        let effort = self.rounds.map_or(Effort::of(self.quick), Effort::exactly);
        let tasks = self.tasks();
        let cases: Vec<Case> = tasks.iter().map(|task| self.case(task)).collect();
        let start = |case: &Case| self.task(&case.bench, &case.subject).command(&this);
        let outcome = rounds::run(&cases, effort, start, &interrupted, |said| said.tell());
        Said::end();

        let mut report = Report::here();
        report.interrupted = outcome.interrupted;
        report.rows = outcome.rows;
        println!("{}", table::render(&report));
        if let Some(path) = &self.json {
            report.write(path).with_context(|| cannot_write(path))?;
        }
        if let Some(path) = &self.csv {
            report.write_csv(path).with_context(|| cannot_write(path))?;
        }
        let traces = match &self.trace {
            Some(folder) if !report.interrupted => self.record(&this, folder)?,
            _ => page::Traces::default(),
        };
        for missing in &traces.missing {
            eprintln!("{missing}");
        }
        if let Some(path) = &self.report {
            let html = page::page(self, report.clone(), traces).to_html();
            std::fs::write(path, html).with_context(|| cannot_write(path))?;
        }
        ensure!(outcome.wrong.is_empty(), "{}", outcome.wrong.join("; "));
        Ok(report)
    }

    /// What can be wrong is found before minutes of measuring.
    fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.workloads.is_empty(), "a lab needs a workload");
        ensure!(!self.models.is_empty(), "a lab needs a model");
        for (at, workload) in self.workloads.iter().enumerate() {
            let name = &workload.name;
            ensure!(!name.is_empty(), "a workload needs a name");
            let is_new = self.workloads[..at].iter().all(|other| other.name != *name);
            ensure!(is_new, "two workloads are named '{name}'");
        }
        for path in [&self.json, &self.csv, &self.report].into_iter().flatten() {
            let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            ensure!(
                folder.is_none_or(Path::is_dir),
                "could not write {}: its folder does not exist",
                path.display()
            );
        }
        if let Some(folder) = &self.trace {
            std::fs::create_dir_all(folder).with_context(|| cannot_write(folder))?;
        }
        Ok(())
    }

    fn tasks(&self) -> Vec<Task> {
        let of = |workload: &Workload| {
            let name = workload.name.clone();
            let task = move |model: &Model| self.task(&name, model.name());
            self.models.iter().map(task).collect::<Vec<_>>()
        };
        self.workloads.iter().flat_map(of).collect()
    }

    fn task(&self, workload: &str, model: &str) -> Task {
        Task {
            workload: workload.to_owned(),
            model: model.to_owned(),
            cpus: self.workers(),
            trace: None,
        }
    }

    /// The workers of each model.
    pub(super) fn workers(&self) -> usize {
        let machine = std::thread::available_parallelism().map_or(1, usize::from);
        self.cpus.unwrap_or(machine)
    }

    fn case(&self, task: &Task) -> Case {
        // It is run in a process of its own, by `take`.
        let nothing = || Err(anyhow!("it is measured in a process of its own"));
        Case::new(&task.workload, &task.model, nothing).within(self.limit)
    }

    /// Does what this process was started for, and ends it.
    fn take(&self, task: &Task) -> anyhow::Result<Report> {
        let is_it = |workload: &&Workload| workload.name == task.workload;
        let Some(workload) = self.workloads.iter().find(is_it) else {
            // It is another lab's.
            return Ok(Report::here());
        };
        let run = || {
            cpus::confine(task.cpus)?;
            let model = task.model()?;
            match &task.trace {
                None => {
                    println!("{}", workload.measure(model, task.cpus)?.to_line());
                    Ok(())
                }
                Some(path) => {
                    let run = |handle: &Handle| {
                        workload.once(handle);
                        Ok(())
                    };
                    trace::write(&trace::record(model, task.cpus, run)?, path)
                }
            }
        };
        let outcome: anyhow::Result<()> = run();
        if let Err(error) = &outcome {
            eprintln!("error: {error:#}");
        }
        std::process::exit(i32::from(outcome.is_err()))
    }

    /// Records every workload under every model that can, a file each.
    fn record(&self, this: &Path, folder: &Path) -> anyhow::Result<page::Traces> {
        let folder = std::path::absolute(folder).with_context(|| cannot_write(folder))?;
        let mut traces = page::Traces::default();
        for workload in &self.workloads {
            let mut runs = Vec::new();
            for model in &self.models {
                if !Model::WITH_RECORDER.contains(model) {
                    continue;
                }
                let name = workload
                    .name
                    .replace(|letter: char| !letter.is_alphanumeric(), "-");
                let path = folder.join(format!("{name}-{model}.json"));
                let mut task = self.task(&workload.name, model.name());
                task.trace = Some(path.clone());
                let ended = rounds::end(&mut task.command(this), self.limit);
                match ended
                    .map_err(|why| anyhow!(why))
                    .and_then(|()| Ok(report::Trace::read(&path)?))
                {
                    Ok(trace) => runs.push((*model, trace)),
                    Err(why) => traces.missing.push(format!(
                        "no trace of {} under {model}: {why:#}",
                        workload.name
                    )),
                }
            }
            traces.add(&workload.name, runs);
        }
        Ok(traces)
    }
}

fn cannot_write(path: &Path) -> String {
    format!("could not write {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(lab: &Lab) -> String {
        lab.run().expect_err("a refusal").to_string()
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_runs() {
        assert_eq!(refused(&Lab::new()), "a lab needs a workload");
        let lab = Lab::new().workload("a", |_: &Handle| 1);
        assert_eq!(
            refused(&lab.clone().models(Vec::<Model>::new())),
            "a lab needs a model"
        );
        let twice = lab.clone().workload("a", |_: &Handle| 2);
        assert_eq!(refused(&twice), "two workloads are named 'a'");
        let nowhere = refused(&lab.json("/nonexistent/own.json"));
        assert!(nowhere.contains("/nonexistent/own.json"), "{nowhere}");
    }

    #[test]
    fn every_workload_is_run_under_every_model_once() {
        let lab = Lab::new()
            .workload("a", |_: &Handle| ())
            .workload("b", |_: &Handle| ())
            .models([Model::Rayon, Model::Tokio, Model::Rayon]);
        let tasks: Vec<_> = lab
            .tasks()
            .into_iter()
            .map(|task| task.workload + " " + &task.model)
            .collect();
        assert_eq!(tasks, ["a rayon", "a tokio", "b rayon", "b tokio"]);
    }
}
