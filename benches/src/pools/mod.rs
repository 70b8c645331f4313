//! The bars of the work-stealing pool: fork-join, spawning, waking, idling, and rayon's
//! iterators on our core.
//!
//! One file a question, or a few questions of one kind. Every subject is measured through the
//! fastest API of its own, and each of its answers is checked: a wrong one is a failed sample.
//! What subjects have in common is two traits: [`fork_join::ForkJoin`] and [`subjects::Spawn`].
//!
//! # Protocol
//! The driver of the other bars goes round these as well, each sample a fresh process. The
//! subject `rayon-on-ours` is measured by another program, which is these same lines built
//! with `compat/rayon-core` in place of rayon's core; each of the two programs refuses to
//! measure rayon on the other's core.

mod fork_join;
#[cfg(forte)]
mod forte;
mod idle;
mod iterators;
mod spawn;
mod subjects;
mod wake;

use crate::bars::Suite;

/// The pool that all this is about.
const OURS: &str = "pool-workstealing";

/// The subject that the other program measures.
pub const RAYON_ON_OURS: &str = "rayon-on-ours";

/// The claims of `pool-workstealing` and of `compat/rayon-core`.
pub const SUITE: Suite = Suite {
    name: "pools",
    benches: &[
        fork_join::FIB32,
        fork_join::TREE1023,
        fork_join::TREE1M,
        fork_join::TREE16M,
        fork_join::TREE1023_OUTSIDE,
        spawn::OUTSIDE,
        spawn::INSIDE,
        spawn::TWO_PRODUCERS,
        wake::HOT_P50,
        wake::HOT_P99,
        wake::ROUND_TRIP,
        idle::IDLE,
        idle::A_JOB_A_MILLISECOND,
        iterators::SUM_SQUARES,
        iterators::MAP_COLLECT,
        iterators::SORT,
        iterators::SMALL_SUM,
    ],
    subjects: &[
        OURS,
        "pool-basic",
        "rayon",
        RAYON_ON_OURS,
        "chili",
        "forte",
        "threadpool",
        "book",
        "executors-ws",
    ],
    shared: &[],
    left_out: match (cfg!(feature = "peers"), cfg!(forte)) {
        (true, true) => &[],
        (true, false) => &["forte"],
        (false, true) => &["chili", "executors-ws"],
        (false, false) => &["chili", "executors-ws", "forte"],
    },
    rounds: 7,
};
