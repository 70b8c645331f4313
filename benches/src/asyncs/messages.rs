//! Tasks that wake each other: what a message costs.
//!
//! * Ping-pong: two tasks and one message, which goes there and back.
//! * Ring: a hundred tasks hand one message on.
//! * Pairs: 500 senders, each with a receiver of its own, through channels of 32 messages.
//! * Fan-in: two threads outside send to one task.
//! * Barrier: a thousand tasks wait for each other; the figure is that of one task's wait.

use anyhow::ensure;
use tokio::sync::{Barrier, mpsc};

use super::subjects::Runtime;
use super::{OURS, TOKIO, TOKIO_CT, asked};
use crate::bars::{Bar, Bench, Figure, Judged, PER_JOB, Subject};
use crate::usage::Mark;

/// A wrong end of a channel: the other side lives for as long as it is used.
const OPEN: &str = "invariant: the other side is there";

fn ping_pong<R: Runtime>(cpus: usize, turns: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let (ping, mut pinged) = mpsc::channel::<u64>(1);
    let (pong, mut ponged) = mpsc::channel::<u64>(1);
    let other = async move {
        while let Some(number) = pinged.recv().await {
            pong.send(number + 1).await.expect(OPEN);
        }
    };
    let one = async move {
        let mut number = 0;
        for _ in 0..turns {
            ping.send(number).await.expect(OPEN);
            number = ponged.recv().await.expect(OPEN);
        }
        number
    };
    let mark = Mark::now();
    let number = runtime.block_on(async {
        let other = runtime.spawn(other);
        let number = runtime.spawn(one).await;
        other.await;
        number
    });
    let took = mark.took();
    ensure!(number == turns, "{number} turns instead of {turns}");
    Ok(Figure::new(took, turns))
}

/// Tasks of the ring.
const RING_OF: u64 = 100;

fn ring<R: Runtime>(cpus: usize, hops: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let (first, mut from) = mpsc::channel::<u64>(1);
    let mark = Mark::now();
    let sum = runtime.block_on(async {
        let mut handles = Vec::new();
        for place in 0..RING_OF {
            let (to, next) = mpsc::channel(1);
            let mut mine = std::mem::replace(&mut from, next);
            // The last one sends to the first.
            let to = if place + 1 == RING_OF {
                first.clone()
            } else {
                to
            };
            handles.push(runtime.spawn(async move {
                let mut hops = 0;
                while let Some(left) = mine.recv().await {
                    if left == 0 {
                        // Goes round once more, as the end: nobody receives at the last.
                        let _ = to.send(0).await;
                        break;
                    }
                    hops += 1;
                    to.send(left - 1).await.expect(OPEN);
                }
                hops
            }));
        }
        first.send(hops).await.expect(OPEN);
        let mut sum = 0;
        for handle in handles {
            sum += handle.await;
        }
        sum
    });
    let took = mark.took();
    ensure!(sum == hops, "{sum} hops instead of {hops}");
    Ok(Figure::new(took, hops))
}

/// Pairs that send at the same time.
const PAIRS: u64 = 500;
/// Messages that a pair's channel holds.
const ROOM: usize = 32;

fn pairs<R: Runtime>(cpus: usize, messages: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let each = messages.div_ceil(PAIRS);
    let all = async move {
        let mut handles = Vec::new();
        for _ in 0..PAIRS {
            let (to, mut from) = mpsc::channel::<u64>(ROOM);
            R::detach(runtime.spawn(async move {
                for number in 0..each {
                    to.send(number).await.expect(OPEN);
                }
            }));
            handles.push(runtime.spawn(async move {
                let mut sum = 0;
                while let Some(number) = from.recv().await {
                    sum += number;
                }
                sum
            }));
        }
        let mut sum = 0;
        for handle in handles {
            sum += handle.await;
        }
        sum
    };
    let mark = Mark::now();
    let sum = runtime.block_on(async { runtime.spawn(all).await });
    let took = mark.took();
    ensure!(
        sum == PAIRS * (each * (each - 1) / 2),
        "wrong sum {sum} of {each} messages a pair"
    );
    Ok(Figure::new(took, PAIRS * each))
}

/// Threads that send.
const SENDERS: u64 = 2;

fn fan_in<R: Runtime>(cpus: usize, messages: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let each = messages.div_ceil(SENDERS);
    let (to, mut from) = mpsc::unbounded_channel::<u64>();
    let mark = Mark::now();
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let to = to.clone();
            std::thread::spawn(move || {
                for number in 0..each {
                    to.send(number).expect(OPEN);
                }
            })
        })
        .collect();
    drop(to);
    let sum = runtime.block_on(async {
        let receiver = runtime.spawn(async move {
            let mut sum = 0;
            while let Some(number) = from.recv().await {
                sum += number;
            }
            sum
        });
        receiver.await
    });
    let took = mark.took();
    for sender in senders {
        ensure!(sender.join().is_ok(), "a sender panicked");
    }
    ensure!(
        sum == SENDERS * (each * each.saturating_sub(1) / 2),
        "wrong sum {sum}"
    );
    Ok(Figure::new(took, SENDERS * each))
}

/// Tasks at the barrier.
const AT_BARRIER: u64 = 1_000;

fn barrier<R: Runtime>(cpus: usize, waits: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let rounds = waits.div_ceil(AT_BARRIER);
    let barrier: &'static Barrier = Box::leak(Box::new(Barrier::new(AT_BARRIER as usize)));
    let all = async move {
        let task = |_| {
            runtime.spawn(async move {
                let mut led = 0_u64;
                for _ in 0..rounds {
                    led += u64::from(barrier.wait().await.is_leader());
                }
                led
            })
        };
        let handles: Vec<_> = (0..AT_BARRIER).map(task).collect();
        let mut led = 0;
        for handle in handles {
            led += handle.await;
        }
        led
    };
    let mark = Mark::now();
    let led = runtime.block_on(async { runtime.spawn(all).await });
    let took = mark.took();
    ensure!(led == rounds, "{led} leaders in {rounds} rounds");
    Ok(Figure::new(took, AT_BARRIER * rounds))
}

const fn bench(
    name: &'static str,
    subjects: &'static [Subject],
    bars: &'static [&'static [Bar]],
) -> Bench {
    Bench {
        name,
        subjects,
        without: "wakes from other threads",
        metrics: PER_JOB,
        judged: Judged::Wall,
        bars,
    }
}

/// There and back.
pub(super) const PING_PONG: Bench = bench(
    "ping_pong",
    asked!(all: 500_000, ping_pong),
    &[&[Bar::ratio(OURS, TOKIO, 0.4)]],
);

/// From task to task.
pub(super) const RING: Bench = bench(
    "ring",
    asked!(all: 1_000_000, ring),
    &[&[Bar::ratio(OURS, TOKIO, 0.85)]],
);

/// Many senders, each with its receiver.
pub(super) const MPSC_PAIRS: Bench = bench(
    "mpsc_pairs",
    asked!(all: 2_000_000, pairs),
    &[&[Bar::ratio(OURS, TOKIO, 1.0)]],
);

/// Two threads to one task.
pub(super) const FAN_IN: Bench = bench(
    "fan_in",
    asked!(woken: 2_000_000, fan_in),
    &[&[Bar::ratio(OURS, TOKIO, 0.9)]],
);

/// All for all.
pub(super) const BARRIER: Bench = bench(
    "barrier",
    asked!(all: 300_000, barrier),
    &[&[Bar::ratio(OURS, TOKIO, 0.4)]],
);
