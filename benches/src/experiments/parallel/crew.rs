//! Who solves a problem: the words in which every problem is written, and those who know them.

use std::sync::Arc;

use exec_core::Handle;
use rayon::prelude::*;
use workloads::mix::mix;

use super::pipeline::Pipeline;
use super::problem::{Answer, Input};
use crate::peers::RayonPool;

/// Somebody who runs things, at the same time where they can.
pub(super) trait Crew: Sync + 'static {
    /// Does something among the workers, and waits for it.
    ///
    /// # Errors
    /// Where it panicked.
    fn enter<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> anyhow::Result<R>;

    /// Does two things.
    fn join<RA: Send, RB: Send>(
        &self,
        a: impl FnOnce() -> RA + Send,
        b: impl FnOnce() -> RB + Send,
    ) -> (RA, RB);

    /// Does the same with each.
    fn each<T: Send>(&self, items: Vec<T>, body: impl Fn(T) + Sync);

    /// Lets all items go through the stages, and adds up what comes out.
    ///
    /// # Errors
    /// Where a stage has failed, or this crew can't.
    fn pipeline(&self, pipeline: Pipeline) -> anyhow::Result<u64>;

    /// Solves a problem in a better way that only this crew has, where there is one.
    fn own(&self, input: Input) -> Result<Answer, Input> {
        Err(input)
    }

    /// Told how many steps the caller has just done, or is about to do.
    fn steps(&self, _steps: u64) {}
}

/// One after the other, by the plain program.
pub(super) struct Serial;

impl Crew for Serial {
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
        (a(), b())
    }

    fn each<T: Send>(&self, items: Vec<T>, body: impl Fn(T) + Sync) {
        items.into_iter().for_each(body);
    }

    fn pipeline(&self, pipeline: Pipeline) -> anyhow::Result<u64> {
        Ok(pipeline.serial())
    }

    fn own(&self, input: Input) -> Result<Answer, Input> {
        match input {
            Input::Sum(numbers) => Ok(Answer::Number(
                numbers.iter().fold(0, |sum, n| sum.wrapping_add(mix(*n))),
            )),
            Input::Map(numbers) => Ok(Answer::List(numbers.iter().map(|n| mix(*n)).collect())),
            Input::Sort(mut numbers) => {
                numbers.sort_unstable();
                Ok(Answer::List(numbers))
            }
            other => Err(other),
        }
    }
}

/// A model through the common handle.
impl Crew for Handle {
    fn enter<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> anyhow::Result<R> {
        let crew = self.clone();
        let done = self.spawn(move || work(&crew)).join();
        done.map_err(|error| anyhow::anyhow!("the job: {error}"))
    }

    fn join<RA: Send, RB: Send>(
        &self,
        a: impl FnOnce() -> RA + Send,
        b: impl FnOnce() -> RB + Send,
    ) -> (RA, RB) {
        Handle::join(self, a, b)
    }

    fn each<T: Send>(&self, items: Vec<T>, body: impl Fn(T) + Sync) {
        let body = &body;
        self.scope(|scope| {
            for item in items {
                scope.spawn(move || body(item));
            }
        });
    }

    fn pipeline(&self, pipeline: Pipeline) -> anyhow::Result<u64> {
        pipeline.run(self)
    }
}

/// `pool-workstealing` by its own calls.
pub(super) struct StealingNative(Arc<pool_workstealing::ThreadPool>);

impl StealingNative {
    pub(super) fn new(cpus: usize) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(pool_workstealing::ThreadPool::new(cpus)?)))
    }
}

impl Crew for StealingNative {
    fn enter<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> anyhow::Result<R> {
        let crew = Self(Arc::clone(&self.0));
        Ok(self.0.install(move || work(&crew)))
    }

    fn join<RA: Send, RB: Send>(
        &self,
        a: impl FnOnce() -> RA + Send,
        b: impl FnOnce() -> RB + Send,
    ) -> (RA, RB) {
        pool_workstealing::join(a, b)
    }

    fn each<T: Send>(&self, items: Vec<T>, body: impl Fn(T) + Sync) {
        let body = &body;
        pool_workstealing::scope(|scope| {
            for item in items {
                scope.spawn(move |_| body(item));
            }
        });
    }

    fn pipeline(&self, _: Pipeline) -> anyhow::Result<u64> {
        anyhow::bail!("the pipeline's stages are tasks of a model")
    }
}

/// rayon by its own calls, parallel iterators and sort among them.
pub(super) struct RayonNative(Arc<RayonPool>);

impl RayonNative {
    pub(super) fn new(cpus: usize) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(RayonPool::new(cpus)?)))
    }
}

impl Crew for RayonNative {
    fn enter<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> anyhow::Result<R> {
        let crew = Self(Arc::clone(&self.0));
        Ok(self.0.native().install(move || work(&crew)))
    }

    fn join<RA: Send, RB: Send>(
        &self,
        a: impl FnOnce() -> RA + Send,
        b: impl FnOnce() -> RB + Send,
    ) -> (RA, RB) {
        rayon::join(a, b)
    }

    fn each<T: Send>(&self, items: Vec<T>, body: impl Fn(T) + Sync) {
        let body = &body;
        rayon::scope(|scope| {
            for item in items {
                scope.spawn(move |_| body(item));
            }
        });
    }

    fn pipeline(&self, _: Pipeline) -> anyhow::Result<u64> {
        anyhow::bail!("the pipeline's stages are tasks of a model")
    }

    fn own(&self, input: Input) -> Result<Answer, Input> {
        match input {
            Input::Sum(numbers) => Ok(Answer::Number(
                numbers
                    .par_iter()
                    .map(|n| mix(*n))
                    .reduce(|| 0, u64::wrapping_add),
            )),
            Input::Map(numbers) => Ok(Answer::List(numbers.par_iter().map(|n| mix(*n)).collect())),
            Input::Sort(mut numbers) => {
                numbers.par_sort_unstable();
                Ok(Answer::List(numbers))
            }
            other => Err(other),
        }
    }
}
