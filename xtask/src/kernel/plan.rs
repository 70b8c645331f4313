//! The list of everything that is tested in the kernel, and its boots, several side by side.
//!
//! # Protocol
//! A boot takes as many of the host's processors as it has of its own, all of them at most: what its
//! threads do to each other is to come from the guest, not from another machine. Those that take one
//! ([`Test::places`]) are the ones on one processor, those that count instructions, whose outcome the
//! host has no part in, and those that are over at once: faults, ends and small foreign programs. They
//! come first in a pass, and the next begins as soon as there is room for it; a pass begins when the
//! one before is over. What counts instructions comes out the same each time, so it is booted in the
//! first pass only, and so is the kernel with debug assertions, which is slower than the one that the
//! other passes are about.
//!
//! The first failure of a test on a number of processors is told with its console, later ones in a
//! line.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;

use super::{Profile, TESTED_CPUS, bench, build, cases, contract, labs, measure, shell};
use crate::counts::Counts;
use crate::progress::Progress;
use crate::qemu::{self, Engine};

/// The name of the check of the instruction counts.
const MEASURE: &str = "measure";

/// How many of the longest boots are told.
const LONGEST: usize = 5;

/// What is to be tested.
pub(super) struct Wish<'a> {
    /// On which numbers of processors.
    pub(super) cpus: &'a [u32],
    /// Only what has this in its name.
    pub(super) filter: Option<&'a str>,
    /// How often.
    pub(super) repeat: u32,
    /// On how many of the host's processors, if not on all.
    pub(super) jobs: Option<u32>,
}

/// Something that is tested on a number of processors.
enum Test {
    Case(&'static bench::Case),
    /// A case with the kernel that has debug assertions, and the test's name.
    Checked(String, &'static bench::Case),
    Shell,
    Foreign(contract::Program),
    /// An experiment of the lab: its test's name, and its own.
    Lab(String, &'static str),
}

impl Test {
    /// All of them.
    fn all() -> anyhow::Result<Vec<Self>> {
        let labs = labs::experiments().into_iter();
        let labs = labs.map(|name| Self::Lab(format!("lab {name}"), name));
        let checked = cases::checked();
        let checked = checked.map(|case| Self::Checked(format!("checked {}", case.name), case));
        Ok(cases::all()
            .map(Self::Case)
            .chain(checked)
            .chain([Self::Shell])
            .chain(contract::programs()?.into_iter().map(Self::Foreign))
            .chain(labs)
            .collect())
    }

    fn name(&self) -> &str {
        match self {
            Self::Case(case) => case.name,
            Self::Shell => "shell",
            Self::Foreign(program) => &program.name,
            Self::Checked(name, _) | Self::Lab(name, _) => name,
        }
    }

    fn cpus(&self) -> &[u32] {
        match self {
            Self::Case(case) => case.cpus,
            Self::Checked(..) => &[4],
            Self::Shell => &[2],
            Self::Lab(..) => &[1, 2],
            Self::Foreign(program) => &program.cpus,
        }
    }

    /// How many of the host's processors a boot on `cpus` takes.
    fn places(&self, cpus: u32) -> u32 {
        match self {
            Self::Case(case) | Self::Checked(_, case) if case.is_short => 1,
            Self::Foreign(_) => 1,
            _ if self.is_exact() => 1,
            _ => cpus,
        }
    }

    /// Whether a second boot would come out as the first did, to the instruction.
    fn is_exact(&self) -> bool {
        matches!(self, Self::Case(case) if case.engine == Engine::Counted)
    }
}

/// The whole list on every tested number of processors, once.
///
/// # Errors
/// As [`test()`].
pub(crate) fn test_all() -> anyhow::Result<Counts> {
    test(&Wish {
        cpus: &TESTED_CPUS,
        filter: None,
        repeat: 1,
        jobs: None,
    })
}

/// Boots every test case that is wished for, and checks the instruction counts.
///
/// A case that is not meant for a number of processors is not counted there. Without QEMU every
/// case counts as skipped, and the reason is printed.
///
/// # Errors
/// Where the kernel can't be built or QEMU can't run.
pub(super) fn test(wish: &Wish<'_>) -> anyhow::Result<Counts> {
    let chosen = |name: &str| wish.filter.is_none_or(|part| name.contains(part));
    let tests = Test::all()?;
    let mut boots: Vec<_> = wish
        .cpus
        .iter()
        .flat_map(|&cpus| tests.iter().map(move |test| (test, cpus)))
        .filter(|(test, cpus)| chosen(test.name()) && test.cpus().contains(cpus))
        .collect();
    boots.sort_by_key(|(test, cpus)| test.places(*cpus));
    let measured = chosen(MEASURE);
    if boots.is_empty() && !measured {
        bail!(
            "no case is named like '{}'",
            wish.filter.unwrap_or_default()
        );
    }
    let again: Vec<_> = boots
        .iter()
        .copied()
        .filter(|(test, _)| !test.is_exact() && !matches!(test, Test::Checked(..)))
        .collect();
    let repeats = wish.repeat.saturating_sub(1) as usize;
    let total = boots.len() + again.len() * repeats + usize::from(measured);
    let program = match qemu::ensure().program() {
        Ok(program) => program,
        Err(why) => {
            eprintln!("not run: {why}");
            return Ok(Counts {
                skipped: total as u64,
                ..Counts::default()
            });
        }
    };
    let images = build(Profile::Release)?;
    let checked = build(Profile::Checked)?;
    let bench = bench::Bench::new(&program, &images, &checked)?;
    let host = std::thread::available_parallelism().map_or(1, |count| count.get() as u32);
    let run = Run {
        foreign: contract::Foreign::build(bench.dir()),
        bench: &bench,
        progress: Progress::new(total),
        places: Places::new(wish.jobs.unwrap_or(host)),
        told: Mutex::default(),
    };
    for pass in 1..=wish.repeat {
        let start = Instant::now();
        run.pass(if pass == 1 { &boots } else { &again });
        if wish.repeat > 1 {
            let counts = lock(&run.told).counts;
            let seconds = start.elapsed().as_secs_f64();
            let of = wish.repeat;
            run.progress
                .say(&format!("pass {pass} of {of} ({seconds:.1} s): {counts}"));
        }
    }
    let mut told = run
        .told
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    if measured {
        run.progress.begin(MEASURE, false);
        told.measure(measure::figures(&program, &images), &run.progress);
    }
    drop(run.progress);
    told.sum_up(wish.repeat);
    Ok(told.counts)
}

/// Everything that boots share.
struct Run<'a> {
    bench: &'a bench::Bench<'a>,
    foreign: anyhow::Result<contract::Foreign>,
    progress: Progress,
    places: Places,
    told: Mutex<Told>,
}

impl Run<'_> {
    /// Boots each once.
    fn pass(&self, boots: &[(&Test, u32)]) {
        std::thread::scope(|scope| {
            for &(test, cpus) in boots {
                let place = self.places.take(test.places(cpus));
                self.progress
                    .begin(&format!("{} on {cpus} cpu", test.name()), false);
                scope.spawn(move || {
                    let start = Instant::now();
                    let result = self.boot(test, cpus);
                    drop(place);
                    let took = start.elapsed();
                    lock(&self.told).take(test.name(), cpus, took, result, &self.progress);
                    self.progress.done();
                });
            }
        });
    }

    /// Boots and judges; `None` where that is not possible here, for a reason that was told.
    fn boot(&self, test: &Test, cpus: u32) -> Option<anyhow::Result<()>> {
        let machine = || self.bench.machine(cpus);
        Some(match (test, &self.foreign) {
            (Test::Case(case), _) => self.bench.run(case, cpus),
            (Test::Checked(_, case), _) => self.bench.run_checked(case, cpus),
            (Test::Shell, _) => shell::test(machine(), self.bench.dir()),
            (Test::Lab(_, name), _) => labs::test(name, self.bench, cpus),
            (Test::Foreign(program), Ok(foreign)) => foreign.test(program, machine()),
            (Test::Foreign(program), Err(why)) => {
                self.progress
                    .say(&format!("not run: {}: {why:#}", program.name));
                return None;
            }
        })
    }
}

/// What came of the boots so far.
#[derive(Default)]
struct Told {
    counts: Counts,
    /// How often each failed.
    failures: BTreeMap<String, u32>,
    /// How long each took at most.
    times: BTreeMap<String, Duration>,
}

impl Told {
    fn take(
        &mut self,
        name: &str,
        cpus: u32,
        took: Duration,
        result: Option<anyhow::Result<()>>,
        progress: &Progress,
    ) {
        let what = format!("{name} on {cpus} cpu");
        match result {
            None => self.counts.skipped += 1,
            Some(Ok(())) => self.counts.passed += 1,
            Some(Err(why)) => {
                self.counts.failed += 1;
                let before = self.failures.entry(what.clone()).or_default();
                *before += 1;
                let why = format!("{why:#}");
                let shown = if *before == 1 {
                    &why
                } else {
                    why.lines().next().unwrap_or_default()
                };
                progress.say(&format!("FAILED {what}: {shown}"));
            }
        }
        let longest = self.times.entry(what).or_default();
        *longest = took.max(*longest);
    }

    fn measure(&mut self, figures: anyhow::Result<Vec<measure::Figure>>, progress: &Progress) {
        match figures {
            Ok(figures) => {
                for figure in &figures {
                    if figure.within_bar() {
                        self.counts.passed += 1;
                    } else {
                        self.counts.failed += 1;
                        progress.say(&format!("FAILED {figure}"));
                    }
                }
            }
            Err(why) => {
                self.counts.failed += 1;
                progress.say(&format!("FAILED {MEASURE}: {why:#}"));
            }
        }
    }

    /// Prints the longest boots, and how often each failed that did.
    fn sum_up(&self, repeat: u32) {
        let mut times: Vec<_> = self.times.iter().collect();
        times.sort_by_key(|(_, took)| std::cmp::Reverse(**took));
        let longest: Vec<_> = times
            .iter()
            .take(LONGEST)
            .map(|(what, took)| format!("{what} {:.1} s", took.as_secs_f64()))
            .collect();
        if !longest.is_empty() {
            eprintln!("longest: {}", longest.join(", "));
        }
        for (what, failed) in &self.failures {
            eprintln!("failed: {what}, {failed} in {repeat} passes");
        }
    }
}

/// The host's processors, of which a boot takes some.
struct Places {
    all: u32,
    free: Mutex<u32>,
    given_back: Condvar,
}

impl Places {
    fn new(all: u32) -> Self {
        Self {
            all,
            free: Mutex::new(all),
            given_back: Condvar::new(),
        }
    }

    /// Waits until there are `count`, or all if there are fewer, and takes them.
    fn take(&self, count: u32) -> Taken<'_> {
        let count = count.min(self.all);
        let mut free = self
            .given_back
            .wait_while(lock(&self.free), |free| *free < count)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= count;
        Taken {
            places: self,
            count,
        }
    }
}

/// Places that are free again when this is dropped.
struct Taken<'a> {
    places: &'a Places,
    count: u32,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *lock(&self.places.free) += self.count;
        self.places.given_back.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let places = Places::new(2);
        let one = places.take(1);
        let other = places.take(1);
        assert_eq!(*lock(&places.free), 0);
        let (said, heard) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // More than there is means all.
                let all = places.take(4);
                said.send(all.count).expect("it is heard");
            });
            assert!(heard.try_recv().is_err(), "both are taken");
            drop(one);
            assert!(heard.try_recv().is_err(), "one is taken");
            drop(other);
            assert_eq!(heard.recv(), Ok(2));
        });
        assert_eq!(*lock(&places.free), 2);
    }

    #[test]
    fn what_its_own_threads_work_in_is_alone_on_the_host() {
        let tests = Test::all().expect("a list");
        let places = |name: &str, cpus| {
            let test = tests.iter().find(|test| test.name() == name);
            test.map(|test| test.places(cpus))
        };
        assert_eq!(places("usertests schedule", 4), Some(4));
        assert_eq!(places("lab switch", 2), Some(2));
        assert_eq!(places("usertests schedule", 1), Some(1));
        assert_eq!(places("shares fair", 4), Some(1), "it counts");
        let exact = tests.iter().filter(|test| test.is_exact());
        assert!(exact.map(Test::name).all(|name| name.starts_with("shares")));
        assert_eq!(places("fault divide", 4), Some(1), "it is short");
        assert_eq!(places("fault unmap-under-reader", 4), Some(4));
    }

    #[test]
    fn a_failure_is_told_with_its_console_once() {
        let mut told = Told::default();
        let progress = Progress::new(1);
        let mut fail = |name| {
            let why = anyhow::anyhow!("expected 1\n--- console\n2");
            told.take(name, 2, Duration::ZERO, Some(Err(why)), &progress);
        };
        fail("a");
        fail("a");
        fail("b");
        told.take("a", 4, Duration::ZERO, Some(Ok(())), &progress);
        told.take("c", 4, Duration::ZERO, None, &progress);
        let counts = told.counts;
        assert_eq!((counts.passed, counts.failed, counts.skipped), (1, 3, 1));
        assert_eq!(told.failures["a on 2 cpu"], 2);
        assert_eq!(told.failures["b on 2 cpu"], 1);
        assert_eq!(told.failures.len(), 2);
    }
}
