//! Processes below tasks: an async program that leaves what may crash to a pool, and awaits it.

use std::sync::Arc;

use exec_core::Handle;
use mini_executor::Runtime;
use pool_process::{Function, JobError, ProcessPool};

static COLLATZ: Function<u64, u32> = Function::new("collatz", |mut n| {
    assert!(n > 0, "it begins above zero");
    let mut steps = 0;
    while n != 1 {
        n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
        steps += 1;
    }
    steps
});

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Before the runtime, whose threads no worker needs.
    pool_process::init(&[&COLLATZ]);
    let pool = Arc::new(ProcessPool::new(2)?);
    let runtime = Handle::new(Runtime::builder().workers(1).build()?);
    let tasks: Vec<_> = [27, 97, 0, 871]
        .into_iter()
        .map(|n| {
            let pool = pool.clone();
            let steps = async move { pool.spawn(&COLLATZ, n).await };
            (n, runtime.spawn_async(steps))
        })
        .collect();
    let mut answers = Vec::new();
    for (n, task) in tasks {
        let steps = task.join()?;
        println!("{n}: {steps:?}");
        answers.push(steps);
    }
    let none = Err(JobError::Panicked("it begins above zero".into()));
    assert_eq!(answers, [Ok(111), Ok(118), none, Ok(178)]);
    Ok(())
}
