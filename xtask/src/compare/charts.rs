//! The charts that our kernel sends over the second serial line: a file each, for Perfetto, and lanes
//! on the page.
//!
//! The kernel records the states of all threads, whatever model has made them. A file has a lane a
//! processor with the threads that it ran, and a lane a thread with its states. The page shows the
//! processors' lanes of the models' runs, which may have hundreds of threads, and the threads' lanes
//! of the policies' runs, which together are a Gantt chart: running is busy, waiting is asleep, and
//! what is left is being ready.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use record::{Ground, Model};
use report::{Lane, Race, Trace};

use super::kernel::{Guest, INPUT};
use super::trace::Traces;
use super::{Args, Input};
use crate::kernel::labs::{self, Told};
use crate::kernel::programs;
use crate::process;
use crate::progress::Progress;

/// How long the boot of one model may take.
const LIMIT: Duration = Duration::from_mins(2);

/// How the lane of a processor is named.
fn is_processor(lane: &Lane) -> bool {
    lane.name.starts_with("cpu ")
}

/// Keeps the policies' charts in files, and makes their race.
pub(super) fn of_policies(charts: &[(String, String)], folder: &Path) -> Traces {
    let mut traces = Traces::default();
    let mut race = Race::new("schedulers in the kernel");
    let mut is_empty = true;
    for (policy, chart) in charts {
        match keep(chart, &folder.join(format!("schedulers-{policy}.json"))) {
            Ok(mut trace) => {
                trace.lanes.retain(|lane| !is_processor(lane));
                race = race.run(policy, trace);
                is_empty = false;
            }
            Err(why) => traces
                .missing
                .push(format!("no chart of {policy}: {why:#}")),
        }
    }
    if !is_empty {
        traces.races.push(race);
    }
    traces
}

/// Boots each model once more, with all programs, and keeps the kernel's charts of them.
pub(super) fn of_models(guest: &Guest, args: &Args, input: &Input, folder: &Path) -> Traces {
    let (models, _) = args.models(Ground::Kernel);
    let mut traces = Traces::default();
    let workloads = args.workloads();
    let bench = |workload: &workloads::Workload| {
        format!("{workload}/{}", workload.default_param(args.size()))
    };
    let mut races: Vec<(Race, usize)> = workloads
        .iter()
        .map(|workload| (Race::new(format!("{} in the kernel", bench(workload))), 0))
        .collect();
    let progress = Progress::new(models.len());
    for model in models {
        if process::interrupted() {
            break;
        }
        progress.begin(&format!("recording {model} in the kernel"), false);
        match record(guest, args, input, model) {
            Ok(charts) => {
                for (name, chart) in charts {
                    let file = folder.join(format!("kernel-{name}-{model}.json"));
                    let at = workloads.iter().position(|one| one.name() == name);
                    match (at, keep(&chart, &file)) {
                        (Some(at), Ok(mut trace)) => {
                            trace.lanes.retain(is_processor);
                            let (race, runs) = &mut races[at];
                            *race = std::mem::take(race).run(model.name(), trace);
                            *runs += 1;
                        }
                        (_, Err(why)) => traces
                            .missing
                            .push(format!("no chart of {name} under {model}: {why:#}")),
                        (None, Ok(_)) => {}
                    }
                }
            }
            Err(why) => traces
                .missing
                .push(format!("no charts of {model} in the kernel: {why:#}")),
        }
        progress.done();
    }
    let races = races.into_iter().filter(|(_, runs)| *runs > 0);
    traces.races = races.map(|(race, _)| race).collect();
    traces
}

/// Boots a model with all programs; the charts that came, each with its program's name.
fn record(
    guest: &Guest,
    args: &Args,
    input: &Input,
    model: Model,
) -> anyhow::Result<Vec<(String, String)>> {
    let machine = guest.machine().map_err(|why| anyhow!(why.to_owned()))?;
    let folder = tempfile::tempdir()?;
    let line = folder.path().join("charts.json");
    let workloads = args.workloads();
    let programs: Vec<_> = workloads
        .iter()
        .map(|one| (*one, one.default_param(args.size())))
        .collect();
    let cpus = args.cpus();
    // The word `trace` is the last, after the file, which has to be there then.
    let line_of_programs = programs::command_line(model, &programs, cpus, INPUT);
    let file = match line_of_programs.ends_with(INPUT) {
        true => String::new(),
        false => format!(" /{INPUT}"),
    };
    let boot = machine
        .cpus(cpus)
        .append(format!("{line_of_programs}{file} trace"))
        .second_serial(&line)
        .timeout(LIMIT)
        .run()?;
    let told = Told::of(&boot);
    let text = input.read()?;
    for (workload, param) in &programs {
        let sample = programs::sample(&boot, *workload, workload.serial(*param, &text));
        let sample = sample.map_err(|why| anyhow!(why))?;
        ensure!(sample.is_right(), "a wrong answer of {workload}");
    }
    labs::charts(&told.charts, &line)
}

/// Writes a chart to a file, and reads what is in it.
fn keep(chart: &str, file: &Path) -> anyhow::Result<Trace> {
    let trace = Trace::from_json(chart)?;
    ensure!(trace.ends().is_some(), "nothing is in it");
    fs::write(file, chart).with_context(|| format!("could not write {}", file.display()))?;
    Ok(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHART: &str = r#"{"traceEvents":[
        {"ph":"M","pid":1,"tid":0,"name":"thread_name","args":{"name":"cpu 0"}},
        {"ph":"M","pid":1,"tid":1,"name":"thread_name","args":{"name":"io 1"}},
        {"pid":1,"tid":0,"name":"job","ts":10.000,"ph":"X","dur":30.000,"args":{"job":7}},
        {"pid":1,"tid":1,"name":"ready","ts":5.000,"ph":"X","dur":5.000},
        {"pid":1,"tid":1,"name":"running","ts":10.000,"ph":"X","dur":30.000}
    ]}"#;

    #[test]
    fn a_policys_chart_is_a_file_and_a_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let charts = [
            ("fcfs".to_owned(), CHART.to_owned()),
            ("rr".to_owned(), r#"{"traceEvents":[]}"#.to_owned()),
        ];
        let traces = of_policies(&charts, folder.path());
        let text = fs::read_to_string(folder.path().join("schedulers-fcfs.json"));
        assert_eq!(text.expect("the file"), CHART);
        let mut io = Trace::from_json(CHART).expect("a chart");
        io.lanes.retain(|lane| lane.name == "io 1");
        assert_eq!(io.lanes[0].busy, [(10.0, 40.0)], "ready is not busy");
        let race = Race::new("schedulers in the kernel").run("fcfs", io);
        assert_eq!(traces.races, [race]);
        assert_eq!(traces.missing, ["no chart of rr: nothing is in it"]);
    }

    #[test]
    fn without_charts_there_is_no_race() {
        let traces = of_policies(&[], Path::new("/nonexistent"));
        assert!(traces.races.is_empty() && traces.missing.is_empty());
    }
}
