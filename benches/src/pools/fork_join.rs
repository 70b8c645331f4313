//! What a fork-join costs: Fibonacci numbers and sums of trees by the plain recursion, one join
//! a step, without a cut-off.
//!
//! Every subject runs the same recursion through its own `join`, with the worker passed along
//! where it can be. The pool is entered once a sample, but for `tree1023_outside`, where a
//! thread outside enters it for every tree. `pool-workstealing-any` is the same pool with
//! [`WaitPolicy::Any`]: what the default policy costs is a bar of its own.

use anyhow::ensure;
use pool_workstealing::{WaitPolicy, Worker};
use record::{Metric, metric};

use super::subjects::{AnyRayon, Rayon, RayonOnOurs, Spawn, Workstealing};
use super::{OURS, RAYON_ON_OURS};
use crate::bars::{Bar, Bench, CPU_NS_PER_JOB, Figure, Judged, Subject};
use crate::usage::Mark;

/// A pool that runs two halves of a job.
pub(super) trait ForkJoin: Sized {
    /// Starts so many threads, the caller's included where that takes part.
    fn start(cpus: usize) -> anyhow::Result<Self>;

    /// Enters the pool once, runs a program so many times, and adds up the answers.
    fn run(&self, program: Program<'_>, times: u64) -> u64;
}

/// What is computed.
#[derive(Clone, Copy)]
pub(super) enum Program<'a> {
    Fib(u32),
    Sum(&'a Node),
}

/// A node of a binary tree, each in its own allocation.
pub(super) struct Node {
    pub(super) value: u64,
    pub(super) left: Option<Box<Node>>,
    pub(super) right: Option<Box<Node>>,
}

impl Node {
    /// A full tree of so many layers, one at least, in which every value is 1.
    fn tree(layers: u32) -> Self {
        let child = || (layers > 1).then(|| Box::new(Self::tree(layers - 1)));
        Self {
            value: 1,
            left: child(),
            right: child(),
        }
    }
}

/// The nodes of a full tree.
const fn nodes(layers: u32) -> u64 {
    (1 << layers) - 1
}

/// Writes the programs down for one type of context and one `join`.
macro_rules! programs {
    ($worker:ident: $context:ty, $join:path) => {
        fn fib($worker: $context, n: u32) -> u64 {
            if n < 2 {
                return u64::from(n);
            }
            let (a, b) = $join(
                $worker,
                |$worker| fib($worker, n - 1),
                |$worker| fib($worker, n - 2),
            );
            a + b
        }

        fn sum($worker: $context, node: &$crate::pools::fork_join::Node) -> u64 {
            let (left, right) = $join(
                $worker,
                |$worker| node.left.as_deref().map_or(0, |node| sum($worker, node)),
                |$worker| node.right.as_deref().map_or(0, |node| sum($worker, node)),
            );
            node.value + left + right
        }

        fn repeat(
            $worker: $context,
            program: $crate::pools::fork_join::Program<'_>,
            times: u64,
        ) -> u64 {
            let mut answers = 0;
            for _ in 0..times {
                answers += match std::hint::black_box(program) {
                    $crate::pools::fork_join::Program::Fib(n) => fib($worker, n),
                    $crate::pools::fork_join::Program::Sum(tree) => sum($worker, tree),
                };
            }
            answers
        }
    };
}

#[cfg(forte)]
pub(super) use programs;

impl ForkJoin for Workstealing {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        <Self as Spawn>::start(cpus)
    }

    fn run(&self, program: Program<'_>, times: u64) -> u64 {
        programs!(worker: &Worker, Worker::join);
        self.0
            .install_worker(|worker| repeat(worker, program, times))
    }
}

/// The pool that all this is about, whose waiting workers run anything.
struct WorkstealingAny(Workstealing);

impl ForkJoin for WorkstealingAny {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        Ok(Self(Workstealing::with(WaitPolicy::Any, cpus)?))
    }

    fn run(&self, program: Program<'_>, times: u64) -> u64 {
        self.0.run(program, times)
    }
}

impl<const ON_OURS: bool> ForkJoin for AnyRayon<ON_OURS> {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        <Self as Spawn>::start(cpus)
    }

    fn run(&self, program: Program<'_>, times: u64) -> u64 {
        // It has no worker to pass along.
        #[inline(always)]
        fn join<A: Send, B: Send>(
            _: (),
            a: impl FnOnce(()) -> A + Send,
            b: impl FnOnce(()) -> B + Send,
        ) -> (A, B) {
            rayon::join(|| a(()), || b(()))
        }
        programs!(nobody: (), join);
        self.0.install(|| repeat((), program, times))
    }
}

/// The `chili` crate; the caller's thread is one of its threads.
#[cfg(feature = "peers")]
pub(super) struct Chili(pub(super) chili::ThreadPool);

#[cfg(feature = "peers")]
impl ForkJoin for Chili {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        Ok(Self(chili::ThreadPool::with_config(chili::Config {
            thread_count: std::num::NonZero::new(cpus),
            ..chili::Config::default()
        })))
    }

    fn run(&self, program: Program<'_>, times: u64) -> u64 {
        use chili::Scope;
        programs!(scope: &mut Scope<'_>, Scope::join);
        repeat(&mut self.0.scope(), program, times)
    }
}

/// Runs a program and checks its answers; the figure is nanoseconds a step.
fn measure<P: ForkJoin>(
    cpus: usize,
    program: Program<'_>,
    (answer, steps): (u64, u64),
    entries: u64,
    times: u64,
) -> anyhow::Result<Figure> {
    let pool = P::start(cpus)?;
    let right = |answers: u64, runs: u64| {
        ensure!(
            answers == answer * runs,
            "wrong answer: {answers} instead of {}",
            answer * runs
        );
        Ok(())
    };
    // The pages are touched, and all the workers have run.
    right(pool.run(program, 1), 1)?;
    let mut answers = 0;
    let start = Mark::now();
    for _ in 0..entries {
        answers += pool.run(program, times);
    }
    let took = start.took();
    right(answers, entries * times)?;
    Ok(Figure::new(took, entries * times * steps))
}

const FIB: u32 = 32;
/// The 32nd Fibonacci number, and the joins that the recursion makes on its way there.
const FIB_ANSWER: (u64, u64) = (2_178_309, 3_524_577);

fn fib32<P: ForkJoin>(cpus: usize, runs: u64) -> anyhow::Result<Figure> {
    measure::<P>(cpus, Program::Fib(FIB), FIB_ANSWER, 1, runs)
}

fn tree<P: ForkJoin, const LAYERS: u32>(cpus: usize, runs: u64) -> anyhow::Result<Figure> {
    sum::<P>(cpus, LAYERS, 1, runs)
}

fn tree_outside<P: ForkJoin>(cpus: usize, runs: u64) -> anyhow::Result<Figure> {
    sum::<P>(cpus, 10, runs, 1)
}

fn sum<P: ForkJoin>(cpus: usize, layers: u32, entries: u64, times: u64) -> anyhow::Result<Figure> {
    let tree = Node::tree(layers);
    let count = nodes(layers);
    let figure = measure::<P>(cpus, Program::Sum(&tree), (count, count), entries, times);
    // The process ends now: to free millions of nodes one by one would be for nothing.
    std::mem::forget(tree);
    figure
}

/// Every subject of one question.
macro_rules! subjects {
    ($runs:expr, $measure:ident $(, $layers:literal)?) => {
        &[
            Subject { name: OURS, jobs: $runs, measure: $measure::<Workstealing $(, $layers)?> },
            Subject {
                name: "pool-workstealing-any",
                jobs: $runs,
                measure: $measure::<WorkstealingAny $(, $layers)?>,
            },
            Subject { name: "rayon", jobs: $runs, measure: $measure::<Rayon $(, $layers)?> },
            Subject {
                name: RAYON_ON_OURS,
                jobs: $runs,
                measure: $measure::<RayonOnOurs $(, $layers)?>,
            },
            #[cfg(feature = "peers")]
            Subject { name: "chili", jobs: $runs, measure: $measure::<Chili $(, $layers)?> },
            #[cfg(forte)]
            Subject {
                name: "forte",
                jobs: $runs,
                measure: $measure::<super::forte::ForteAndCaller $(, $layers)?>,
            },
        ]
    };
}

/// Wall time a node, over all nodes of the run.
const NS_PER_NODE: Metric = Metric::lower("ns_per_node", "ns");

const PER_NODE: &[(Metric, Judged)] = &[(NS_PER_NODE, Judged::Wall), (CPU_NS_PER_JOB, Judged::Cpu)];

/// What waiting for one's own work only may cost.
const POLICY: &[Bar] = &[Bar::ratio(OURS, "pool-workstealing-any", 1.05)];

/// fib(32).
pub(super) const FIB32: Bench = Bench {
    name: "fib32",
    subjects: subjects!(10, fib32),
    without: "fork-join",
    metrics: &[
        (metric::NS_PER_JOIN, Judged::Wall),
        (CPU_NS_PER_JOB, Judged::Cpu),
    ],
    judged: Judged::Wall,
    bars: &[
        &[Bar::ratio(OURS, "chili", 0.75)],
        &[Bar::ratio(OURS, "rayon", 0.25)],
        POLICY,
    ],
};

/// 10 layers: so few nodes that dividing them hardly pays.
pub(super) const TREE1023: Bench = Bench {
    name: "tree1023",
    subjects: subjects!(20_000, tree, 10),
    without: "fork-join",
    metrics: PER_NODE,
    judged: Judged::Wall,
    bars: &[&[Bar::ratio(OURS, "chili", 0.65)], POLICY],
};

/// 20 layers: as large as the caches.
pub(super) const TREE1M: Bench = Bench {
    name: "tree1M",
    subjects: subjects!(20, tree, 20),
    without: "fork-join",
    metrics: PER_NODE,
    judged: Judged::Wall,
    bars: &[
        &[Bar::ratio(OURS, "chili", 1.0)],
        &[Bar::ratio(OURS, "rayon", 0.35)],
        POLICY,
    ],
};

/// 24 layers: in memory.
pub(super) const TREE16M: Bench = Bench {
    name: "tree16M",
    subjects: subjects!(3, tree, 24),
    without: "fork-join",
    metrics: PER_NODE,
    judged: Judged::Wall,
    bars: &[
        &[Bar::ratio(OURS, "chili", 1.0)],
        &[Bar::ratio(OURS, "rayon", 0.35)],
        POLICY,
    ],
};

/// 10 layers, entered by a thread outside for every tree.
pub(super) const TREE1023_OUTSIDE: Bench = Bench {
    name: "tree1023_outside",
    subjects: subjects!(5_000, tree_outside),
    without: "fork-join",
    metrics: PER_NODE,
    judged: Judged::Wall,
    bars: &[&[Bar::ratio(OURS, "chili", 1.0)]],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watchdog;

    fn check<P: ForkJoin>() {
        let tree = Node::tree(7);
        let pool = P::start(2).expect("threads can be had");
        assert_eq!(pool.run(Program::Sum(&tree), 3), 3 * nodes(7));
        assert_eq!(pool.run(Program::Fib(16), 2), 2 * 987);
        assert_eq!(pool.run(Program::Fib(1), 1), 1);
    }

    #[test]
    fn every_subject_answers_right() {
        watchdog::run(|| {
            check::<Workstealing>();
            check::<WorkstealingAny>();
            check::<Rayon>();
            #[cfg(feature = "peers")]
            check::<Chili>();
            #[cfg(forte)]
            check::<super::super::forte::ForteAndCaller>();
        });
    }

    #[test]
    fn a_wrong_answer_is_no_figure() {
        struct Wrong;
        impl ForkJoin for Wrong {
            fn start(_: usize) -> anyhow::Result<Self> {
                Ok(Self)
            }
            fn run(&self, _: Program<'_>, times: u64) -> u64 {
                987 * times - u64::from(times > 1)
            }
        }
        let run = |times| measure::<Wrong>(1, Program::Fib(16), (987, 1_596), 1, times);
        assert!(run(1).is_ok());
        let error = run(2).expect_err("one answer is wrong").to_string();
        assert!(error.contains("1973 instead of 1974"), "{error}");
    }

    #[test]
    fn the_joins_of_fib_are_counted_right() {
        // A step for each number of two and more: one less than the next Fibonacci number but one.
        fn joins(n: u32) -> u64 {
            if n < 2 {
                0
            } else {
                1 + joins(n - 1) + joins(n - 2)
            }
        }
        fn fib(n: u32) -> u64 {
            (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
        }
        assert_eq!(joins(20), fib(21) - 1);
        assert_eq!(FIB_ANSWER, (fib(FIB), fib(FIB + 1) - 1));
    }

    #[test]
    fn the_core_that_a_program_has_is_checked() {
        assert!(<RayonOnOurs as ForkJoin>::start(1).is_err());
    }
}
