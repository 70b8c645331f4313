//! The peers without our trait, in the words of their own documentation: what their users
//! have, and so what the adapters' rows have to be read against.
//!
//! Only programs that a peer is made for: fork-join and scopes for rayon, tasks for tokio.

use std::collections::VecDeque;
use std::time::Instant;

use record::Model;
use tokio::task::JoinHandle;
use workloads::{Workload, mix, mixed, ping_pong, spawn_join, wordcount};

use super::{RayonPool, TokioRuntime};

/// A peer that can run programs without our trait.
#[derive(Debug)]
pub enum Native {
    /// rayon.
    Rayon(RayonPool),
    /// tokio.
    Tokio(TokioRuntime),
}

impl Native {
    /// What each peer is made for.
    pub const PROGRAMS: &'static [(Model, Workload)] = &[
        (Model::Rayon, Workload::Fib),
        (Model::Rayon, Workload::Wordcount),
        (Model::Tokio, Workload::SpawnJoin),
        (Model::Tokio, Workload::PingPong),
        (Model::Tokio, Workload::Mixed),
    ];

    /// Builds a peer.
    ///
    /// # Errors
    /// Where the model is none of the peers, or its threads could not be started.
    pub fn build(model: Model, cpus: usize) -> anyhow::Result<Self> {
        match model {
            Model::Rayon => Ok(Self::Rayon(RayonPool::new(cpus)?)),
            Model::Tokio => Ok(Self::Tokio(TokioRuntime::new(cpus)?)),
            other => anyhow::bail!("{other} is measured through the trait only"),
        }
    }

    /// Runs a program.
    ///
    /// # Errors
    /// Where the peer isn't made for the program, or a task failed.
    pub fn run(&self, workload: Workload, param: u64, text: &[u8]) -> anyhow::Result<u64> {
        match (self, workload) {
            (Self::Rayon(pool), Workload::Fib) => Ok(pool.native().install(|| fib(param))),
            (Self::Rayon(pool), Workload::Wordcount) => Ok(count_words(pool, param, text)),
            (Self::Tokio(runtime), Workload::SpawnJoin) => {
                runtime.native().block_on(spawn_and_join(param))
            }
            (Self::Tokio(runtime), Workload::PingPong) => runtime.native().block_on(async {
                let (ping, pong) = ping_pong::tasks(param);
                let (ping, pong) = (tokio::spawn(ping), tokio::spawn(pong));
                Ok(ping.await?.wrapping_add(pong.await?))
            }),
            (Self::Tokio(runtime), Workload::Mixed) => runtime.native().block_on(mix_both(param)),
            (peer, workload) => {
                let name = match peer {
                    Self::Rayon(_) => "rayon",
                    Self::Tokio(_) => "tokio",
                };
                anyhow::bail!("{name} is not made for {workload}")
            }
        }
    }
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = rayon::join(|| fib(n - 1), || fib(n - 2));
    a.wrapping_add(b)
}

fn count_words(pool: &RayonPool, chunks: u64, text: &[u8]) -> u64 {
    let chunks = wordcount::split(text, chunks);
    let mut maps: Vec<_> = chunks.iter().map(|_| wordcount::Counts::new()).collect();
    pool.native().scope(|scope| {
        for (chunk, map) in chunks.iter().zip(&mut maps) {
            scope.spawn(move |_| *map = wordcount::count(chunk));
        }
    });
    wordcount::reduce(maps)
}

async fn spawn_and_join(n: u64) -> anyhow::Result<u64> {
    let mut window: VecDeque<JoinHandle<u64>> = VecDeque::with_capacity(spawn_join::WINDOW);
    let mut sum = 0_u64;
    for number in 0..n {
        if window.len() == spawn_join::WINDOW
            && let Some(oldest) = window.pop_front()
        {
            sum = sum.wrapping_add(oldest.await?);
        }
        window.push_back(tokio::spawn(async move { mix::mix(number) }));
    }
    for task in window {
        sum = sum.wrapping_add(task.await?);
    }
    Ok(sum)
}

async fn mix_both(n: u64) -> anyhow::Result<u64> {
    let sleeper = |number| async move {
        let mut sum = 0_u64;
        for nap in 0..mixed::NAPS {
            let start = Instant::now();
            tokio::time::sleep(mixed::NAP).await;
            if start.elapsed() >= mixed::NAP {
                sum = sum.wrapping_add(mixed::nap_value(number, nap));
            }
        }
        sum
    };
    let sleepers: Vec<_> = (0..n).map(|number| tokio::spawn(sleeper(number))).collect();
    let jobs: Vec<_> = (0..mixed::CPU_JOBS)
        .map(|number| tokio::spawn(async move { mix::churn(number, mixed::ROUNDS) }))
        .collect();
    let mut sum = 0_u64;
    for task in jobs.into_iter().chain(sleepers) {
        sum = sum.wrapping_add(task.await?);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_program_gives_the_right_answer() {
        let text = b"to be or not to be";
        for (model, workload) in Native::PROGRAMS {
            let peer = Native::build(*model, 2).expect("two threads can be had");
            for param in [0, 1, 12] {
                let answer = peer.run(*workload, param, text).expect("it is listed");
                assert_eq!(
                    answer,
                    workload.serial(param, text),
                    "{workload}/{param} on {model}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_listed_is_refused() {
        assert!(Native::build(Model::PoolBasic, 2).is_err());
        let rayon = Native::build(Model::Rayon, 1).expect("one thread can be had");
        assert!(rayon.run(Workload::PingPong, 1, &[]).is_err());
    }
}
