//! `ipc`: what moving bytes between units costs, by each way that this system has.
//!
//! # Parts
//! * `latency/SIZE`: half of the way there and back of a message that is answered at once.
//! * `throughput/SIZE`: messages one way, as fast as they are taken, and a receipt for all of them.
//!
//! A subject is a way ([`link`]) between two threads of one process, or between two processes: then the
//! far one is this program, started again, which ends with this one. Every message is numbered and
//! every number is checked; before and after what is timed, some messages are checked byte by byte
//! ([`talk`]). CPU time is that of both ends, a message.
//!
//! How many messages are timed is found by trying, so that they take about as long as the setting says.

mod file;
mod link;
mod memory;
mod queue;
mod stream;
mod talk;

use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};
use record::{Reading, metric};

use self::link::{Far, Link};
use self::talk::Talk;
use super::{Case, Setting, timed};
use crate::usage;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Latency,
    Throughput,
}

/// Who is at the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Threads,
    Processes,
}

/// The cases.
pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let sizes: &[usize] = setting.pick(
        &[64, 4096, 256 * 1024],
        &[8, 64, 512, 4096, 32 * 1024, 256 * 1024, 1024 * 1024],
    );
    let length = Duration::from_millis(setting.pick(40, 100));
    let mut cases = Vec::new();
    for (part, name) in [(Part::Latency, "latency"), (Part::Throughput, "throughput")] {
        for size in sizes {
            for link in Link::ALL {
                for (between, who) in [
                    (Between::Threads, "threads"),
                    (Between::Processes, "processes"),
                ] {
                    let plan = Plan {
                        part,
                        size: *size,
                        link: *link,
                        between,
                        length,
                    };
                    cases.push(Case::new(
                        format!("ipc/{name}/{size}"),
                        format!("{}-{who}", link.name()),
                        move || plan.measure(),
                    ));
                }
            }
        }
    }
    cases
}

/// The far end of a link, as a process.
#[derive(clap::Args, Debug)]
pub struct FarArgs {
    /// The process that has started this one
    #[arg(long)]
    parent: i32,
    /// The way
    #[arg(long, value_enum)]
    link: Link,
    /// Bytes of a message
    #[arg(long)]
    size: usize,
    /// What else the far end is opened from
    words: Vec<String>,
}

impl FarArgs {
    /// Answers until it is told to end.
    ///
    /// # Errors
    /// Where the link fails, or a message is wrong.
    pub(super) fn run(&self) -> anyhow::Result<()> {
        set_pdeathsig(Signal::SIGKILL).context("could not follow the parent")?;
        ensure!(
            getppid() == Pid::from_raw(self.parent),
            "the parent has ended"
        );
        let far = Far {
            input: Some(std::io::stdin().as_fd().try_clone_to_owned()?),
            output: Some(std::io::stdout().as_fd().try_clone_to_owned()?),
            words: self.words.clone(),
        };
        talk::answer(self.link.open(far)?, self.size)
    }
}

/// Whoever is at the far end.
enum Peer {
    Thread(JoinHandle<anyhow::Result<()>>),
    Process(Child),
}

impl Peer {
    fn start(plan: &Plan, far: Far) -> anyhow::Result<Self> {
        let (link, size) = (plan.link, plan.size);
        if plan.between == Between::Threads {
            let far = move || talk::answer(link.open(far)?, size);
            let thread = thread::Builder::new().name("far".into()).spawn(far);
            return Ok(Self::Thread(thread.context("no thread")?));
        }
        let stdio = |end: Option<std::os::fd::OwnedFd>| end.map_or(Stdio::null(), Stdio::from);
        let program = std::env::current_exe().context("could not find this program")?;
        let child = Command::new(program)
            .args(["side", "far", "--link", link.name()])
            .arg(format!("--size={size}"))
            .arg(format!("--parent={}", std::process::id()))
            .args(&far.words)
            .stdin(stdio(far.input))
            .stdout(stdio(far.output))
            .spawn()
            .context("could not start the other process")?;
        Ok(Self::Process(child))
    }

    /// CPU time that this process's account has not.
    fn cpu(&self) -> anyhow::Result<Duration> {
        match self {
            Self::Thread(_) => Ok(Duration::ZERO),
            Self::Process(child) => usage::cpu_of(Pid::from_raw(child.id() as i32)),
        }
    }

    fn join(self) -> anyhow::Result<()> {
        match self {
            Self::Thread(thread) => thread
                .join()
                .map_err(|_| anyhow!("the other thread has panicked"))?,
            Self::Process(mut child) => {
                let status = child.wait()?;
                ensure!(status.success(), "the other process ended with {status}");
                Ok(())
            }
        }
    }
}

/// One case.
#[derive(Clone, Copy, Debug)]
struct Plan {
    part: Part,
    size: usize,
    link: Link,
    between: Between,
    /// About how long is measured.
    length: Duration,
}

impl Plan {
    fn measure(self) -> anyhow::Result<Reading> {
        let (near, far) = self.link.make()?;
        let peer = Peer::start(&self, far)?;
        let mut talk = Talk::new(near, self.size);
        talk.check()?;
        let count = self.calibrate(&mut talk)?;

        let cpu = peer.cpu()?;
        let (done, region) = timed(|| self.run(&mut talk, count));
        let cpu = peer.cpu()?.saturating_sub(cpu);
        done?;
        talk.check()?;
        talk.end()?;
        let note = talk.end.note(self.size);
        peer.join()?;

        let messages = match self.part {
            Part::Latency => 2 * count,
            Part::Throughput => count,
        };
        let mut reading = region.a_unit(messages);
        // The other process's work is foreign to this one, but no disturbance.
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        let share = cpu.as_secs_f64() / (region.took.wall.as_secs_f64() * cpus as f64);
        reading.foreign = reading.foreign.map(|foreign| (foreign - share).max(0.0));
        let is_switch = |name: &str| name.ends_with("_switches");
        for (name, number) in &mut reading.figures {
            if name == metric::CPU_TIME.name {
                *number += cpu.as_secs_f64() * 1e9 / messages as f64;
            }
        }
        if self.between == Between::Processes {
            // Those of the near end alone would look like all.
            reading.figures.retain(|(name, _)| !is_switch(name));
        }
        if self.part == Part::Throughput {
            let bytes = messages as f64 * self.size as f64;
            reading = reading.with(&metric::THROUGHPUT, bytes / region.time.as_secs_f64());
        }
        Ok(match note {
            Some(note) => reading.with_note(note),
            None => reading,
        })
    }

    fn run(self, talk: &mut Talk, count: u64) -> anyhow::Result<()> {
        match self.part {
            Part::Latency => talk.round_trips(count),
            Part::Throughput => talk.one_way(count),
        }
    }

    /// Doubles until it takes long enough to tell how many fill the time; this is the warm-up too.
    fn calibrate(self, talk: &mut Talk) -> anyhow::Result<u64> {
        let mut count = 1;
        loop {
            let start = Instant::now();
            self.run(talk, count)?;
            let took = start.elapsed();
            if took * 8 >= self.length {
                return Ok(filling(count, took, self.length));
            }
            count *= 2;
        }
    }
}

/// How many fill a time, where so many took some; one at the least.
fn filling(count: u64, took: Duration, length: Duration) -> u64 {
    let each = took.as_nanos().max(1) / u128::from(count.max(1));
    u64::try_from(length.as_nanos() / each.max(1)).map_or(u64::MAX, |count| count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watchdog;

    #[test]
    fn as_many_as_fill_the_time() {
        let ms = Duration::from_millis;
        assert_eq!(filling(10, ms(5), ms(40)), 80);
        assert_eq!(filling(1, ms(100), ms(40)), 1, "one at the least");
        assert_eq!(filling(0, ms(0), ms(0)), 1);
    }

    /// Between threads: processes are this program only where it is the lab.
    #[test]
    fn every_way_is_measured_between_threads() {
        for part in [Part::Latency, Part::Throughput] {
            for link in Link::ALL {
                for size in [8, 10_000] {
                    watchdog::run(move || {
                        let plan = Plan {
                            part,
                            size,
                            link: *link,
                            between: Between::Threads,
                            length: Duration::from_millis(2),
                        };
                        let reading = plan
                            .measure()
                            .unwrap_or_else(|error| panic!("{plan:?}: {error:#}"));
                        let (name, time) = &reading.figures[0];
                        assert!(name == metric::TIME.name && *time > 0.0, "{reading:?}");
                    });
                }
            }
        }
    }
}
