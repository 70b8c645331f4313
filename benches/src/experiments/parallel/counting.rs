//! Counts work and span: one after the other, with a clock that counts steps.
//!
//! # States
//! `work` only grows. `path` is how many steps lie on the longest path to where the program is: a
//! fork notes it, each branch starts from there, and it goes on from the later end.

use exec_core::sync::atomic::{AtomicU64, Ordering};

use super::crew::Crew;
use super::pipeline::Pipeline;

/// A crew of one that counts.
#[derive(Debug, Default)]
pub(super) struct Counting {
    // ORDERING: Relaxed throughout: one thread alone uses them; they are atomic only because what
    // forks may be sent to others.
    work: AtomicU64,
    path: AtomicU64,
}

impl Counting {
    /// The work and the span so far.
    pub(super) fn seen(&self) -> (u64, u64) {
        (
            self.work.load(Ordering::Relaxed),
            self.path.load(Ordering::Relaxed),
        )
    }

    /// Does something from a place of the path, and says where it ends.
    fn branch<R>(&self, from: u64, work: impl FnOnce() -> R) -> (R, u64) {
        self.path.store(from, Ordering::Relaxed);
        let result = work();
        (result, self.path.load(Ordering::Relaxed))
    }
}

impl Crew for Counting {
    fn enter<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> anyhow::Result<R> {
        Ok(work(self))
    }

    fn join<RA: Send, RB: Send>(
        &self,
        a: impl FnOnce() -> RA + Send,
        b: impl FnOnce() -> RB + Send,
    ) -> (RA, RB) {
        let (_, from) = self.seen();
        let (a, end_of_a) = self.branch(from, a);
        let (b, end_of_b) = self.branch(from, b);
        self.path.store(end_of_a.max(end_of_b), Ordering::Relaxed);
        (a, b)
    }

    fn each<T: Send>(&self, items: Vec<T>, body: impl Fn(T) + Sync) {
        let (_, from) = self.seen();
        let ends = items
            .into_iter()
            .map(|item| self.branch(from, || body(item)).1);
        let last = ends.fold(from, u64::max);
        self.path.store(last, Ordering::Relaxed);
    }

    fn pipeline(&self, pipeline: Pipeline) -> anyhow::Result<u64> {
        let (work, span) = pipeline.work_and_span();
        self.work.fetch_add(work, Ordering::Relaxed);
        self.path.fetch_add(span, Ordering::Relaxed);
        Ok(pipeline.serial())
    }

    fn steps(&self, steps: u64) {
        self.work.fetch_add(steps, Ordering::Relaxed);
        self.path.fetch_add(steps, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_is_as_long_as_its_longer_branch() {
        let crew = Counting::default();
        crew.steps(1);
        crew.join(
            || crew.steps(10),
            || crew.join(|| crew.steps(20), || crew.steps(3)),
        );
        crew.steps(2);
        assert_eq!(crew.seen(), (36, 23));
    }

    #[test]
    fn many_are_as_long_as_the_longest() {
        let crew = Counting::default();
        crew.each(vec![3, 9, 4], |steps| crew.steps(steps));
        assert_eq!(crew.seen(), (16, 9));
        crew.each(Vec::new(), |steps| crew.steps(steps));
        assert_eq!(crew.seen(), (16, 9));
    }
}
