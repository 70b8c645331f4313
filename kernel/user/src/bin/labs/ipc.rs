//! `ipc`: what moving bytes between units costs, by each way that this kernel has.
//!
//! `latency/SIZE` is half a round trip of one message that is always answered; `throughput/SIZE`
//! sends messages one way as fast as they are taken, and is over when the last one has been
//! acknowledged. Every message carries its number, and every one is checked.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use kernel_bridge::ipc::IpcError;
use user::process::{self, News, Pid};
use user::thread::{self, Thread};

use super::case::{Case, Reading, Setting, failed, timed};
use super::channel::{self, End, Kind};

/// Who is at the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Threads,
    Processes,
}

/// Messages before the clock starts.
const WARM_UP: u32 = 10;

/// Bytes that are moved at most for one latency, there and back.
const BUDGET: usize = 4 << 20;

pub(crate) fn cases(setting: &Setting) -> Vec<Case> {
    let sizes: &[usize] = setting.pick(
        &[64, 1024, 4096, 262_144][..],
        &[8, 64, 512, 1024, 4096, 32_768, 262_144, 1 << 20],
    );
    let most = setting.pick(200, 2_000);
    let mut cases = Vec::new();
    for part in [Part::Latency, Part::Throughput] {
        for &size in sizes {
            for kind in Kind::ALL.into_iter().filter(|kind| size <= kind.most()) {
                for between in [Between::Threads, Between::Processes] {
                    if between == Between::Threads && !kind.joins_threads() {
                        continue;
                    }
                    let count = (BUDGET / size).clamp(10, most) as u32;
                    let who = match between {
                        Between::Threads => "threads",
                        Between::Processes => "processes",
                    };
                    cases.push(Case::new(
                        format!("ipc/{}/{size}", part.name()),
                        format!("{}-{who}", kind.name()),
                        move || measure(part, kind, between, size, count),
                    ));
                }
            }
        }
    }
    cases
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Latency,
    Throughput,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Throughput => "throughput",
        }
    }
}

fn measure(
    part: Part,
    kind: Kind,
    between: Between,
    size: usize,
    count: u32,
) -> Result<Reading, String> {
    let (mut near, far) = channel::make(kind, size)?;
    let peer = Peer::start(between, part, far, size, count)?;
    let mut buffer = vec![0; size];
    // The first message comes from the peer: by then it runs, and by then its number is known.
    near.receive(&mut buffer)
        .map_err(failed("the first message"))?;
    let mut talk = || -> Result<Reading, String> {
        match part {
            Part::Latency => {
                let mut turn = |number: u32| -> Result<(), IpcError> {
                    number_in(&mut buffer, number);
                    near.send(&buffer)?;
                    near.receive(&mut buffer)?;
                    check(&buffer, number)
                };
                (0..WARM_UP)
                    .try_for_each(&mut turn)
                    .map_err(failed("a message"))?;
                let (done, region) = timed(|| (WARM_UP..WARM_UP + count).try_for_each(&mut turn));
                done.map_err(failed("a message"))?;
                let units = 2 * u64::from(count);
                Ok(match between {
                    Between::Threads => region.a_unit(units),
                    // The other process's share is not in this one's accounts.
                    Between::Processes => region.time(units),
                })
            }
            Part::Throughput => {
                let mut send = |numbers: core::ops::Range<u32>| -> Result<(), IpcError> {
                    let last = numbers.end - 1;
                    for number in numbers {
                        number_in(&mut buffer, number);
                        near.send(&buffer)?;
                    }
                    near.receive(&mut buffer)?;
                    check(&buffer, last)
                };
                send(0..WARM_UP).map_err(failed("a message"))?;
                let (done, region) = timed(|| send(WARM_UP..WARM_UP + count));
                done.map_err(failed("a message"))?;
                let bytes = size as f64 * f64::from(count);
                let second = region.ns() as f64 / 1e9;
                Ok(region.time(count.into()).with("throughput", bytes / second))
            }
        }
    };
    let reading = talk();
    match reading {
        Ok(reading) => peer.end().map(|()| reading),
        // The peer may wait for ever: it ends with this process.
        Err(why) => {
            peer.give_up();
            Err(why)
        }
    }
}

/// The unit at the other end.
enum Peer {
    Thread(Thread),
    Process(Pid),
}

impl Peer {
    fn start(
        between: Between,
        part: Part,
        mut far: Box<dyn End>,
        size: usize,
        count: u32,
    ) -> Result<Self, String> {
        let mut work = move || match answer(part, &mut *far, size, count) {
            Ok(()) => 0,
            Err(_) => 1,
        };
        match between {
            Between::Threads => thread::try_spawn(c"peer", work)
                .map(Self::Thread)
                .map_err(failed("no thread")),
            Between::Processes => process::spawn(&mut work)
                .map(Self::Process)
                .map_err(failed("no process")),
        }
    }

    fn end(self) -> Result<(), String> {
        match self {
            Self::Thread(thread) => match thread.join() {
                0 => Ok(()),
                _ => Err("the other thread got a wrong message".into()),
            },
            Self::Process(pid) => match process::wait(Some(pid)) {
                Ok((_, News::Exited(0))) => Ok(()),
                other => Err(format!("the other process got a wrong message: {other:?}")),
            },
        }
    }

    fn give_up(self) {
        if let Self::Process(pid) = self {
            // It may have ended by itself.
            let _ = user::signal::kill(pid, user::signal::Signal::KILL);
        }
    }
}

/// What the other end does.
fn answer(part: Part, far: &mut dyn End, size: usize, count: u32) -> Result<(), IpcError> {
    let mut buffer = vec![0; size];
    far.send(&buffer)?;
    for number in 0..WARM_UP + count {
        far.receive(&mut buffer)?;
        check(&buffer, number)?;
        let is_last = number + 1 == WARM_UP || number + 1 == WARM_UP + count;
        if part == Part::Latency || is_last {
            far.send(&buffer)?;
        }
    }
    Ok(())
}

/// Writes a message's number to its ends.
fn number_in(buffer: &mut [u8], number: u32) {
    let bytes = number.to_ne_bytes();
    let len = buffer.len();
    buffer[..4].copy_from_slice(&bytes);
    buffer[len - 4..].copy_from_slice(&bytes);
}

/// Looks whether it is the message of this number.
fn check(buffer: &[u8], number: u32) -> Result<(), IpcError> {
    let bytes = number.to_ne_bytes();
    match buffer.starts_with(&bytes) && buffer.ends_with(&bytes) {
        true => Ok(()),
        false => Err(IpcError::Size),
    }
}
