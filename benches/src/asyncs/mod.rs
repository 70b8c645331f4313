//! The bars of the async executor: what a task costs to spawn, to wake and to keep, how late its
//! timers are, and whether it works on all of its threads.
//!
//! One file a kind of question. Every subject is measured through the fastest API of its own,
//! behind the trait [`subjects::Runtime`], which is as thin as they are; channels and barriers are
//! tokio's for all of them, since they work on any executor and are at home on the peer that the
//! bars are about. Answers are checked: a wrong one is a failed sample.
//!
//! # Protocol
//! The driver of the other bars goes round these as well, each sample a fresh process.
//!
//! The one-threaded subjects (`tokio-ct`, `monoio`, `compio`) run everything on the thread that
//! calls `block_on`; with them, outside and inside differ by a task only.

mod idle;
mod memory;
mod messages;
#[cfg(feature = "async-peers")]
mod peers;
mod sockets;
mod spawn;
mod subjects;
mod timers;
#[cfg(any(feature = "monoio", feature = "compio"))]
mod uring;
mod work;
mod yields;

pub use self::sockets::LoadArgs;

use crate::bars::{Measure, Subject, Suite};

/// The runtime that all this is about.
const OURS: &str = "mini-executor";
/// The peer that most bars are about.
const TOKIO: &str = "tokio-mt2";
/// tokio on one thread.
const TOKIO_CT: &str = "tokio-ct";

/// The claims of `mini-executor`.
pub const SUITE: Suite = Suite {
    name: "async",
    benches: &[
        spawn::OUTSIDE,
        spawn::INSIDE,
        spawn::ONE_AT_A_TIME,
        spawn::CHAINED,
        yields::MANY,
        messages::PING_PONG,
        messages::RING,
        messages::MPSC_PAIRS,
        messages::FAN_IN,
        messages::BARRIER,
        spawn::BLOCK_ON,
        memory::PER_TASK,
        timers::LATE_5K,
        timers::CPU_5K,
        timers::LATE_100K,
        sockets::RATE_100,
        sockets::P99_100,
        sockets::CPU_100,
        sockets::RATE_1000,
        sockets::P99_1000,
        sockets::CPU_1000,
        sockets::RATE_10000,
        #[cfg(feature = "async-peers")]
        sockets::HYPER_RATE,
        #[cfg(feature = "async-peers")]
        sockets::HYPER_P99,
        work::SCALING,
        work::WAIT,
        idle::IDLE,
    ],
    subjects: &[
        OURS,
        TOKIO,
        TOKIO_CT,
        "async-executor2",
        "smolscale",
        "futures-tp",
        "monoio",
        "compio",
    ],
    left_out: LEFT_OUT,
    shared: sockets::SHARED,
    rounds: 7,
};

/// What this program was built without.
const LEFT_OUT: &[&str] = match (
    cfg!(feature = "async-peers"),
    cfg!(feature = "monoio"),
    cfg!(feature = "compio"),
) {
    (true, true, true) => &[],
    (true, true, false) => &["compio"],
    (true, false, true) => &["monoio"],
    (true, false, false) => &["monoio", "compio"],
    (false, true, true) => &["async-executor2", "smolscale", "futures-tp"],
    (false, true, false) => &["async-executor2", "smolscale", "futures-tp", "compio"],
    (false, false, true) => &["async-executor2", "smolscale", "futures-tp", "monoio"],
    (false, false, false) => &[
        "async-executor2",
        "smolscale",
        "futures-tp",
        "monoio",
        "compio",
    ],
};

const fn subject(name: &'static str, jobs: u64, measure: Measure) -> Subject {
    Subject {
        name,
        jobs,
        measure,
    }
}

/// Every subject that has what the list asks for: `all` of them; those whose tasks may be `woken`
/// by other threads; those with `timers` of their own; those with as many `threads` as they are
/// told to have.
macro_rules! asked {
    (all: $jobs:expr, $measure:ident) => {
        &[
            $crate::asyncs::subject(OURS, $jobs, $measure::<$crate::asyncs::subjects::Ours>),
            $crate::asyncs::subject(TOKIO, $jobs, $measure::<$crate::asyncs::subjects::TokioMt>),
            $crate::asyncs::subject(
                TOKIO_CT,
                $jobs,
                $measure::<$crate::asyncs::subjects::TokioCt>,
            ),
            #[cfg(feature = "async-peers")]
            $crate::asyncs::subject(
                "async-executor2",
                $jobs,
                $measure::<$crate::asyncs::peers::Smol>,
            ),
            #[cfg(feature = "async-peers")]
            $crate::asyncs::subject(
                "smolscale",
                $jobs,
                $measure::<$crate::asyncs::peers::Smolscale>,
            ),
            #[cfg(feature = "async-peers")]
            $crate::asyncs::subject(
                "futures-tp",
                $jobs,
                $measure::<$crate::asyncs::peers::FuturesPool>,
            ),
            #[cfg(feature = "monoio")]
            $crate::asyncs::subject("monoio", $jobs, $measure::<$crate::asyncs::uring::Monoio>),
            #[cfg(feature = "compio")]
            $crate::asyncs::subject("compio", $jobs, $measure::<$crate::asyncs::uring::Compio>),
        ]
    };
    (woken: $jobs:expr, $measure:ident) => {
        &[
            $crate::asyncs::subject(OURS, $jobs, $measure::<$crate::asyncs::subjects::Ours>),
            $crate::asyncs::subject(TOKIO, $jobs, $measure::<$crate::asyncs::subjects::TokioMt>),
            $crate::asyncs::subject(
                TOKIO_CT,
                $jobs,
                $measure::<$crate::asyncs::subjects::TokioCt>,
            ),
            #[cfg(feature = "async-peers")]
            $crate::asyncs::subject(
                "async-executor2",
                $jobs,
                $measure::<$crate::asyncs::peers::Smol>,
            ),
            #[cfg(feature = "async-peers")]
            $crate::asyncs::subject(
                "smolscale",
                $jobs,
                $measure::<$crate::asyncs::peers::Smolscale>,
            ),
            #[cfg(feature = "async-peers")]
            $crate::asyncs::subject(
                "futures-tp",
                $jobs,
                $measure::<$crate::asyncs::peers::FuturesPool>,
            ),
            #[cfg(feature = "compio")]
            $crate::asyncs::subject("compio", $jobs, $measure::<$crate::asyncs::uring::Compio>),
        ]
    };
    (timers: $jobs:expr, $measure:ident) => {
        &[
            $crate::asyncs::subject(OURS, $jobs, $measure::<$crate::asyncs::subjects::Ours>),
            $crate::asyncs::subject(TOKIO, $jobs, $measure::<$crate::asyncs::subjects::TokioMt>),
            $crate::asyncs::subject(
                TOKIO_CT,
                $jobs,
                $measure::<$crate::asyncs::subjects::TokioCt>,
            ),
            #[cfg(feature = "async-peers")]
            $crate::asyncs::subject(
                "async-executor2",
                $jobs,
                $measure::<$crate::asyncs::peers::Smol>,
            ),
            #[cfg(feature = "monoio")]
            $crate::asyncs::subject("monoio", $jobs, $measure::<$crate::asyncs::uring::Monoio>),
            #[cfg(feature = "compio")]
            $crate::asyncs::subject("compio", $jobs, $measure::<$crate::asyncs::uring::Compio>),
        ]
    };
    (threads: $jobs:expr, $measure:ident) => {
        &[
            $crate::asyncs::subject(OURS, $jobs, $measure::<$crate::asyncs::subjects::Ours>),
            $crate::asyncs::subject(TOKIO, $jobs, $measure::<$crate::asyncs::subjects::TokioMt>),
            #[cfg(feature = "async-peers")]
            $crate::asyncs::subject(
                "async-executor2",
                $jobs,
                $measure::<$crate::asyncs::peers::Smol>,
            ),
            #[cfg(feature = "async-peers")]
            $crate::asyncs::subject(
                "futures-tp",
                $jobs,
                $measure::<$crate::asyncs::peers::FuturesPool>,
            ),
        ]
    };
}
use asked;

#[cfg(test)]
mod tests {
    use super::SUITE;
    use crate::bars::Bench;
    use crate::watchdog;

    /// Samples of next to nothing, of every subject that this program has.
    #[test]
    fn every_subject_answers_every_question() {
        // Servers start this program again, as their load, which only the lab can be: they are in
        // a test of their own.
        let of_servers =
            |bench: &&Bench| SUITE.shared.iter().any(|list| list.contains(&bench.name));
        for bench in SUITE.benches.iter().filter(|bench| !of_servers(bench)) {
            for subject in bench.subjects {
                let (name, measure) = (subject.name, subject.measure);
                let jobs = (subject.jobs / 1_000).max(1);
                watchdog::run(move || {
                    let figure = measure(2, jobs);
                    let figure = figure.unwrap_or_else(|error| panic!("{name}: {error:#}"));
                    assert!(figure.wall_ns > 0.0, "{name}: {figure:?}");
                });
            }
        }
    }
}
