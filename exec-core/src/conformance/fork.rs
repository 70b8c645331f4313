//! `join(a, b)`.

use super::{Config, Make, Outcome};
use crate::Handle;

pub(super) fn returns_both(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    assert_eq!(handle.join(|| 1, || "two"), (1, "two"));
    Ok(())
}

fn fib(handle: &Handle, n: u32) -> u32 {
    if n < 2 {
        return n;
    }
    let (a, b) = handle.join(|| fib(handle, n - 1), || fib(handle, n - 2));
    a + b
}

pub(super) fn nests(make: Make<'_>, config: &Config) -> Outcome {
    let handle = make();
    // 176 forks where jobs are cheap, 20 where each is one of few threads.
    let (n, expected) = if config.many >= 200 { (10, 55) } else { (6, 8) };
    assert_eq!(fib(&handle, n), expected);
    let inner = handle.clone();
    let job = handle.spawn(move || fib(&inner, n));
    assert_eq!(job.join().expect("fork-join inside a job"), expected);
    Ok(())
}

pub(super) fn borrows_and_mutates(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let mut numbers = [1, 2, 3, 4];
    let (left, right) = numbers.split_at_mut(2);
    handle.join(
        || left.iter_mut().for_each(|n| *n *= 10),
        || right.iter_mut().for_each(|n| *n += 1),
    );
    assert_eq!(numbers, [10, 20, 4, 5]);
    Ok(())
}
