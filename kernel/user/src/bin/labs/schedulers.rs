//! `schedulers`: what each policy does with the same mix of threads, on one processor.
//!
//! # The mix
//! Threads that compute arrive one after the other, the longest first. Threads that wait (`io`)
//! compute a little and sleep, again and again; they have the better nice value. Work is counted in
//! rounds, not in time, so every policy has the same to do.
//!
//! # What is told, a class of threads
//! From the kernel's own trace: how long its threads were ready and did not run (waiting), from their
//! arrival to their end (turnaround), and from their arrival, or their waking, to their next run
//! (response); the mean over the threads, and for the response over all times.
//!
//! The chart of the same run goes out over the second serial line, where there is one, and a line
//! `chart NAME SPANS` says so.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use user::kernel::schedule::{self, Policy, STATES, Whose};
use user::kernel::trace;
use user::thread::{self, Thread};
use user::{chart, syscall};
use workloads::mix::churn;

use super::case::{Case, Reading, Setting, failed, pin, sleep_until};

const MS: u64 = 1_000_000;

/// A class of threads.
struct Class {
    name: &'static str,
    thread_name: &'static core::ffi::CStr,
    nice: i32,
    /// What each of its threads does, by the milliseconds after which it arrives.
    threads: &'static [Plan],
}

/// What a thread does: so many times, so many rounds and then a sleep.
struct Plan {
    arrives_ms: u64,
    bursts: u64,
    rounds: u64,
    sleep_ns: u64,
}

/// A thread that computes: rounds in thousands.
const fn computes(arrives_ms: u64, thousands: u64) -> Plan {
    Plan {
        arrives_ms,
        bursts: 1,
        rounds: thousands * 1_000,
        sleep_ns: 0,
    }
}

/// A thread that mostly waits.
const fn waits(arrives_ms: u64) -> Plan {
    Plan {
        arrives_ms,
        bursts: 15,
        rounds: 15_000,
        sleep_ns: 4 * MS,
    }
}

const CLASSES: &[Class] = &[
    Class {
        name: "compute",
        thread_name: c"compute",
        nice: 0,
        threads: &[computes(0, 4_000), computes(1, 2_000), computes(2, 1_000)],
    },
    Class {
        name: "io",
        thread_name: c"io",
        nice: -5,
        threads: &[waits(0), waits(1), waits(3)],
    },
];

pub(crate) fn cases(_: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for (class, Class { name, .. }) in CLASSES.iter().enumerate() {
        for policy in Policy::ALL {
            cases.push(Case::new(
                format!("schedulers/{name}"),
                policy.name(),
                move || run(policy, class),
            ));
        }
    }
    cases
}

/// Runs the mix under a policy and tells of one class; the first class sends the chart.
fn run(policy: Policy, class: usize) -> Result<Reading, String> {
    pin(1)?;
    schedule::set_policy(Whose::Own, policy).map_err(failed("the policy"))?;
    let lanes = SETTLE_NS
        .into_iter()
        .find_map(|settle_ns| record(settle_ns).transpose())
        .ok_or("the host is too slow to record the first arrival")??;
    let steps = chart::steps();
    let mut sums = Sums::default();
    for (tid, ..) in lanes.iter().filter(|(_, of, _)| *of == class) {
        let own = steps.iter().filter(|step| step.tid == *tid);
        sums.add(own.map(|step| (step.at_ns, step.state)))
            .map_err(|why| format!("thread {tid}: {why}"))?;
    }
    if class == 0 {
        let names: Vec<_> = lanes
            .into_iter()
            .map(|(tid, _, name)| (tid, name))
            .collect();
        chart::tell(policy.name(), &chart::of_threads(&names));
    }
    Ok(sums.reading())
}

/// From the making of the threads until the first of them arrives; longer where the host was slow.
const SETTLE_NS: [u64; 5] = [20 * MS, 40 * MS, 80 * MS, 160 * MS, 320 * MS];

/// The number of a thread, its class and its name.
type Lane = (u64, usize, String);

/// Records the mix; none if a thread had arrived before the recording began.
fn record(settle_ns: u64) -> Result<Option<Vec<Lane>>, String> {
    let go = syscall::clock() + settle_ns;
    let started = start(go)?;
    // By then all of them sleep until their arrivals.
    sleep_until(go - settle_ns / 4);
    trace::begin();
    let in_time = syscall::clock() < go;
    let mut lanes = Vec::new();
    for one in started {
        lanes.push((one.thread.tid().0, one.class, one.name));
        if one.thread.join() != 0 {
            return Err("a thread has computed something else".into());
        }
    }
    trace::end();
    Ok(in_time.then_some(lanes))
}

/// A thread of the mix.
struct Started {
    class: usize,
    name: String,
    thread: Thread,
}

/// Makes all threads; each sleeps until it arrives, counted from `go`.
fn start(go: u64) -> Result<Vec<Started>, String> {
    let mut started = Vec::new();
    for (
        class,
        Class {
            name,
            thread_name,
            nice,
            threads,
        },
    ) in CLASSES.iter().enumerate()
    {
        for (number, plan) in threads.iter().enumerate() {
            let thread = thread::try_spawn(thread_name, move || plan.follow(go));
            let thread = thread.map_err(failed("no thread"))?;
            schedule::set_thread_nice(thread.tid(), *nice).map_err(failed("a nice value"))?;
            let name = format!("{name} {}", number + 1);
            started.push(Started {
                class,
                name,
                thread,
            });
        }
    }
    Ok(started)
}

impl Plan {
    /// Does what it says; 0 if it was right.
    fn follow(&self, go: u64) -> i32 {
        sleep_until(go + self.arrives_ms * MS);
        let mut answers = Vec::with_capacity(self.bursts as usize);
        for burst in 0..self.bursts {
            answers.push(churn(1, core::hint::black_box(self.rounds)));
            if burst + 1 < self.bursts {
                sleep_until(syscall::clock() + self.sleep_ns);
            }
        }
        i32::from(answers.iter().any(|answer| *answer != answers[0]))
    }
}

/// What the threads of a class add up to.
#[derive(Default)]
struct Sums {
    threads: u64,
    waiting_ns: u64,
    turnaround_ns: u64,
    responses: u64,
    response_ns: u64,
}

impl Sums {
    /// Adds a thread by its steps: when, and into which state.
    fn add(&mut self, steps: impl Iterator<Item = (u64, u64)>) -> Result<(), &'static str> {
        let mut arrived = None;
        let mut ended = None;
        // Since when it is ready, and whether it was asleep before.
        let mut ready: Option<(u64, bool)> = None;
        let mut was_asleep = true;
        for (at, state) in steps {
            match STATES.get(state as usize).copied() {
                Some("ready") => {
                    arrived.get_or_insert(at);
                    ready = Some((at, was_asleep));
                }
                Some("running") => {
                    if let Some((since, was_asleep)) = ready.take() {
                        self.waiting_ns += at - since;
                        self.responses += u64::from(was_asleep);
                        self.response_ns += if was_asleep { at - since } else { 0 };
                    }
                    was_asleep = false;
                }
                Some("waiting") => was_asleep = true,
                Some("terminated") => ended = Some(at),
                _ => {}
            }
        }
        let (arrived, ended) = arrived.zip(ended).ok_or("it is not whole in the trace")?;
        self.turnaround_ns += ended - arrived;
        self.threads += 1;
        Ok(())
    }

    fn reading(&self) -> Reading {
        let mean = |sum: u64, of: u64| sum as f64 / of.max(1) as f64;
        Reading::default()
            .with("waiting", mean(self.waiting_ns, self.threads))
            .with("turnaround", mean(self.turnaround_ns, self.threads))
            .with("response", mean(self.response_ns, self.responses))
    }
}
