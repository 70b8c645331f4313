//! Fork-join without cut-off: what a model takes for each of a million tiny joins.

use exec_core::{Executor, Handle};

/// Computes fib(n) with one fork-join for every addition.
///
/// # Panics
/// Where a join panics, which the arithmetic doesn't.
///
/// # Blocking
/// Until the number is there.
pub fn run<E: Executor + ?Sized>(handle: &Handle<E>, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = handle.join(|| run(handle, n - 1), || run(handle, n - 2));
    a.wrapping_add(b)
}

/// Computes fib(n) in a loop.
#[must_use]
pub fn serial(n: u64) -> u64 {
    let (mut a, mut b) = (0_u64, 1_u64);
    for _ in 0..n {
        (a, b) = (b, a.wrapping_add(b));
    }
    a
}

/// How many joins fib(n) takes.
#[must_use]
pub fn joins(n: u64) -> u64 {
    serial(n + 1).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_fibonaccis() {
        assert_eq!([0, 1, 2, 10, 32].map(serial), [0, 1, 1, 55, 2_178_309]);
    }

    #[test]
    fn joins_are_counted_as_they_are_made() {
        fn made(n: u64) -> u64 {
            if n < 2 {
                0
            } else {
                1 + made(n - 1) + made(n - 2)
            }
        }
        for n in 0..15 {
            assert_eq!(joins(n), made(n), "fib({n})");
        }
    }
}
