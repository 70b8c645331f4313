//! The problems, what they are given, and what they answer.

use workloads::mix::mix;

use super::crew::Crew;
use super::pipeline::Pipeline;
use super::{data, fork_join, tree_search};

/// A problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A recursion that forks.
    ForkJoin,
    /// A sum over a list.
    Sum,
    /// A list of what each element becomes.
    Map,
    /// A merge sort.
    Sort,
    /// Stages that hand items on.
    Pipeline,
    /// A search through a tree whose shape nobody knows before.
    TreeSearch,
}

/// What a problem is given.
#[derive(Clone, Debug)]
pub(super) enum Input {
    ForkJoin(u32),
    Sum(Vec<u64>),
    Map(Vec<u64>),
    Sort(Vec<u64>),
    Pipeline(Pipeline),
    /// The children of the root.
    TreeSearch(u64),
}

/// What it answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Number(u64),
    List(Vec<u64>),
}

impl Problem {
    /// Every one, in the order of the tables.
    pub(super) const ALL: &'static [Self] = &[
        Self::ForkJoin,
        Self::Sum,
        Self::Map,
        Self::Sort,
        Self::Pipeline,
        Self::TreeSearch,
    ];

    /// The part of the experiment.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ForkJoin => "fork-join",
            Self::Sum => "sum",
            Self::Map => "map",
            Self::Sort => "sort",
            Self::Pipeline => "pipeline",
            Self::TreeSearch => "tree-search",
        }
    }

    /// Whether it is solved by a job among the workers. The stages are jobs by themselves; a worker
    /// that waited for them would be one that they lack.
    pub(super) fn is_a_job(self) -> bool {
        self != Self::Pipeline
    }

    /// Whether pools without tasks can solve it by their own calls.
    pub(super) fn has_native(self) -> bool {
        self != Self::Pipeline
    }

    /// Solves it.
    ///
    /// # Errors
    /// Where the crew can't.
    pub(super) fn solve<C: Crew>(self, crew: &C, input: Input) -> anyhow::Result<Answer> {
        let input = match crew.own(input) {
            Ok(answer) => return Ok(answer),
            Err(input) => input,
        };
        Ok(match input {
            Input::ForkJoin(n) => Answer::Number(fork_join::fib(crew, n, fork_join::grain(n))),
            Input::Sum(numbers) => Answer::Number(data::sum(crew, &numbers)),
            Input::Map(numbers) => Answer::List(data::map(crew, &numbers)),
            Input::Sort(numbers) => Answer::List(data::sort(crew, numbers)),
            Input::Pipeline(pipeline) => Answer::Number(crew.pipeline(pipeline)?),
            Input::TreeSearch(children) => Answer::Number(tree_search::count(crew, children)),
        })
    }
}

impl Input {
    /// What a problem is given: some ten milliseconds of serial work, or ten times that; less in a
    /// build without optimisation, which is there for tests.
    pub(super) fn of(problem: Problem, quick: bool) -> Self {
        let is_slow = cfg!(debug_assertions);
        let pick = |quick_size: u64, full_size: u64| {
            let size = if quick { quick_size } else { full_size };
            if is_slow { size / 16 } else { size }
        };
        match problem {
            Problem::ForkJoin => {
                let n = if quick { 31 } else { 36 };
                Self::ForkJoin(if is_slow { n - 6 } else { n })
            }
            Problem::Sum => Self::Sum(numbers(pick(4 << 20, 32 << 20))),
            Problem::Map => Self::Map(numbers(pick(2 << 20, 16 << 20))),
            Problem::Sort => Self::Sort(numbers(pick(1 << 18, 1 << 22))),
            Problem::Pipeline => Self::Pipeline(Pipeline::of(pick(800, 8_000), 4_000)),
            Problem::TreeSearch => Self::TreeSearch(pick(1_024, 16_384)),
        }
    }

    /// As little as shows that it works.
    #[cfg(test)]
    pub(super) fn small(problem: Problem) -> Self {
        match problem {
            Problem::ForkJoin => Self::ForkJoin(16),
            Problem::Sum => Self::Sum(numbers(1_001)),
            Problem::Map => Self::Map(numbers(1_001)),
            Problem::Sort => Self::Sort(numbers(20_001)),
            Problem::Pipeline => Self::Pipeline(Pipeline::of(50, 30)),
            Problem::TreeSearch => Self::TreeSearch(64),
        }
    }
}

/// So many numbers in no order.
fn numbers(count: u64) -> Vec<u64> {
    (0..count).map(mix).collect()
}
