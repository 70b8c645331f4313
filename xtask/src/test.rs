//! `cargo xtask test`: every check and every test, in one run that can't hang.
//!
//! Each step is a child process under a time limit, or boots under one each. A step that fails shows its whole
//! output and doesn't stop the others, so that one run tells everything that is wrong. The
//! last line counts what the test programs have said; a step that failed without a failing
//! test (formatting, a build, a time limit) counts as one failure.
//!
//! # Two lanes
//! A build leaves processors idle while it links, and many tests wait rather than compute. So the
//! steps that only compute, and share no build folder with others, run beside these, one after
//! another, with what time is left over: the system's idle class gives way at once, so that a test
//! that looks at the clock doesn't see them. Their limits count from the end of the others.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::browser::{self, Verdict};
use crate::counts::Counts;
use crate::idle_class::in_idle_class;
use crate::process::{self, Finished};
use crate::progress::Progress;
use crate::{kernel, loom, package, workspace};

/// The step that runs the test programs of the workspace.
const TESTS: &str = "tests";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only the steps whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// One step of the run.
struct Step {
    name: &'static str,
    work: Work,
    lane: Lane,
}

/// Beside what a step runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// Nothing of its own kind: it may look at the clock.
    Main,
    /// The main lane, with the time that it leaves over.
    Beside,
}

/// What a step does.
enum Work {
    /// Runs a program, for this long at most.
    Command(Box<Command>, Duration),
    /// Opens the report's page in a browser, where there is one or one can be installed.
    Browser,
    /// Boots the kernel's test cases; each boot has a time limit of its own.
    Kernel,
}

fn steps() -> Vec<Step> {
    // A quiet machine needs a fifth of these: they end what hangs, on a busy one too.
    let step = |name, minutes, command| Step {
        name,
        work: Work::Command(Box::new(command), Duration::from_mins(minutes)),
        lane: Lane::Main,
    };
    let beside = |name, minutes, command: Command| Step {
        lane: Lane::Beside,
        ..step(name, minutes, in_idle_class(&command))
    };
    let cargo = |args: &[&str]| {
        let mut command = workspace::cargo();
        command.args(args);
        command
    };
    // The kernel is a workspace of its own, which shares no build output with this one.
    let kernel_cargo = |args: &[&str]| {
        let mut command = workspace::cargo_in(&workspace::root().join("kernel"));
        command.args(args);
        command.env("CARGO_TARGET_DIR", kernel::target());
        command
    };
    // So is the drop-in for rayon-core: it can't be in one build with the original.
    let compat_cargo = |args: &[&str]| {
        let mut command = workspace::cargo_in(&workspace::root().join("compat/rayon-core"));
        command.args(args);
        command.env("CARGO_TARGET_DIR", workspace::target().join("compat"));
        command
    };
    // And the program that measures rayon on it.
    let measured_cargo = |args: &[&str]| {
        let mut command = workspace::cargo_in(&workspace::root().join("benches/rayon-on-ours"));
        command.args(args);
        command.env(
            "CARGO_TARGET_DIR",
            workspace::target().join("rayon-on-ours"),
        );
        command
    };
    // And the example of a user's crate, whose dependencies are built already.
    let own_cargo = |args: &[&str]| {
        let mut command = workspace::cargo_in(&workspace::root().join("examples/own-lab"));
        command.args(args);
        command.env("CARGO_TARGET_DIR", workspace::target());
        command
    };
    let mut documentation = cargo(&[
        "doc",
        "--locked",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    // Module heads tell how a module works inside, so they may link to what is private.
    documentation.env(
        "RUSTDOCFLAGS",
        "-D warnings -A rustdoc::private_intra_doc_links",
    );
    vec![
        step("format", 1, cargo(&["fmt", "--all", "--check"])),
        step(
            "format: kernel",
            1,
            kernel_cargo(&["fmt", "--all", "--check"]),
        ),
        step(
            "clippy",
            20,
            cargo(&[
                "clippy",
                "--locked",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
        ),
        beside(
            "clippy: kernel",
            15,
            kernel_cargo(&["clippy", "--locked", "--workspace", "--", "-D", "warnings"]),
        ),
        // The kernel is booted at the end of the main lane: by then it is there.
        beside(
            "build: kernel",
            kernel::BUILD_LIMIT.as_secs() / 60,
            kernel::build_command(kernel::Profile::Release),
        ),
        beside(
            "build: kernel with debug assertions",
            kernel::BUILD_LIMIT.as_secs() / 60,
            kernel::build_command(kernel::Profile::Checked),
        ),
        step("format: rayon-core", 1, compat_cargo(&["fmt", "--check"])),
        beside(
            "clippy: rayon-core",
            15,
            compat_cargo(&[
                "clippy",
                "--locked",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
        ),
        step(
            "format: rayon-on-ours",
            1,
            measured_cargo(&["fmt", "--check"]),
        ),
        beside(
            "clippy: rayon-on-ours",
            15,
            measured_cargo(&[
                "clippy",
                "--locked",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
        ),
        step("format: own-lab", 1, own_cargo(&["fmt", "--check"])),
        step(
            "clippy: own-lab",
            15,
            own_cargo(&[
                "clippy",
                "--locked",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
        ),
        step("documentation", 15, documentation),
        step(
            TESTS,
            40,
            cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]),
        ),
        step(
            "tests: rayon-core",
            15,
            compat_cargo(&["test", "--locked", "--no-fail-fast"]),
        ),
        // Its bench too, which criterion then runs once.
        step(
            "tests: own-lab",
            30,
            own_cargo(&["test", "--locked", "--all-targets", "--no-fail-fast"]),
        ),
        // A program that aborts on panics has to build, and to run as long as nothing panics.
        beside(
            "panic = abort",
            15,
            cargo(&[
                "run",
                "--locked",
                "--quiet",
                "--config",
                "profile.dev.panic='abort'",
                "--package",
                "pool-workstealing",
                "--example",
                "trace",
                "--target-dir",
                &workspace::target().join("abort").to_string_lossy(),
                "/dev/null",
            ]),
        ),
        beside(
            "loom models",
            loom::LIMIT.as_secs() / 60,
            loom::command(None),
        ),
        Step {
            name: "report in a browser",
            work: Work::Browser,
            lane: Lane::Main,
        },
        Step {
            name: "kernel",
            work: Work::Kernel,
            lane: Lane::Main,
        },
    ]
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let mut steps = steps();
    if let Some(part) = &args.only {
        let names: Vec<_> = steps.iter().map(|step| step.name).collect();
        steps.retain(|step| step.name.contains(part.as_str()));
        if steps.is_empty() {
            eprintln!(
                "error: no step is named like '{part}'; valid: {}",
                names.join(", ")
            );
            return Ok(ExitCode::from(2));
        }
    }
    let progress = Progress::new(steps.len());
    let total = take_all(steps, &progress);
    drop(progress);
    println!(
        "took {:.0} s, and {:.0} s of processors",
        start.elapsed().as_secs_f64(),
        process::children_time().as_secs_f64()
    );
    println!("{total}");
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Takes the steps of both lanes and sums what they counted.
fn take_all(steps: Vec<Step>, progress: &Progress) -> Counts {
    let (main, mut beside): (Vec<_>, Vec<_>) =
        steps.into_iter().partition(|step| step.lane == Lane::Main);
    // Those beside may have to wait for all of the main lane.
    let main_limit: Duration = main.iter().map(Step::limit).sum();
    for step in &mut beside {
        if let Work::Command(_, limit) = &mut step.work {
            *limit += main_limit;
        }
    }
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let mut counts = Counts::default();
            for step in beside {
                counts += take(step, progress);
            }
            counts
        });
        let mut counts = Counts::default();
        for step in main {
            if step.name == TESTS {
                offer_load_generator(progress);
            }
            counts += take(step, progress);
        }
        counts += beside
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        counts
    })
}

impl Step {
    /// How long it may take; nothing where its parts have limits of their own.
    fn limit(&self) -> Duration {
        match self.work {
            Work::Command(_, limit) => limit,
            Work::Browser | Work::Kernel => Duration::ZERO,
        }
    }
}

/// Installs `wrk` where this user may: the HTTP server's test loads it with `wrk` too, when it
/// is there, and with a client of its own always.
fn offer_load_generator(progress: &Progress) {
    if package::find_program("wrk").is_none()
        && let Err(why) = package::install("wrk", "wrk")
    {
        progress.say(&format!("SKIPPED: the load by wrk: {why}"));
    }
}

/// Runs a step, prints how it went, and returns what it counted.
fn take(step: Step, progress: &Progress) -> Counts {
    progress.begin(step.name, true);
    let start = Instant::now();
    let (mut counts, good, end) = match step.work {
        Work::Command(mut command, limit) => {
            let Finished {
                outcome, stdout, ..
            } = process::run_merged(&mut command, limit);
            if !outcome.success() {
                progress.say(&stdout);
            }
            (
                Counts::from_libtest(&stdout),
                outcome.success(),
                outcome.to_string(),
            )
        }
        Work::Browser => match browser::check(progress) {
            Ok(Verdict::Passed(how)) => (Counts::default(), true, how),
            Ok(Verdict::Skipped(why)) => (Counts::default(), true, format!("SKIPPED: {why}")),
            Err(error) => (Counts::default(), false, format!("{error:#}")),
        },
        Work::Kernel => match kernel::test_all() {
            Ok(counts) => (counts, counts.failed == 0, "in QEMU".to_owned()),
            Err(error) => (Counts::default(), false, format!("{error:#}")),
        },
    };
    if !good {
        counts.failed = counts.failed.max(1);
    }
    let verdict = if counts.failed == 0 { "ok" } else { "FAILED" };
    let seconds = start.elapsed().as_secs_f64();
    let counted = if counts == Counts::default() {
        String::new()
    } else {
        format!("{counts}; ")
    };
    progress.say(&format!(
        "{verdict:<6} {} ({counted}{end}; {seconds:.1} s)",
        step.name
    ));
    progress.done();
    counts
}
