//! What a job costs beyond the work: the way to a worker and back, one job at a time and many.

use std::time::Instant;

use pool_process::{Function, ProcessPool};

static NEXT: Function<u64, u64> = Function::new("next", |n| n + 1);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pool_process::init(&[&NEXT]);
    let pool = ProcessPool::new(0)?;
    let rounds = 20_000;
    let mut took: Vec<_> = (0..rounds)
        .map(|n| {
            let start = Instant::now();
            let next = pool.spawn(&NEXT, n).join();
            let took = start.elapsed();
            assert_eq!(next, Ok(n + 1));
            took
        })
        .collect();
    took.sort_unstable();
    let at = |part: f64| took[(took.len() as f64 * part) as usize];
    println!("a round trip: {:?} (p50), {:?} (p99)", at(0.5), at(0.99));

    let start = Instant::now();
    let jobs: Vec<_> = (0..rounds).map(|n| pool.spawn(&NEXT, n)).collect();
    for (n, job) in (0..).zip(jobs) {
        assert_eq!(job.join()?, n + 1);
    }
    let a_job = start.elapsed() / u32::try_from(rounds)?;
    println!(
        "{rounds} at once: {a_job:?} a job on {} workers",
        pool.workers()
    );
    println!("{}; {}", pool.stats(), pool.worker_stats());
    Ok(())
}
