//! Fork-join: Fibonacci's recursion, forked down to a grain.

use super::crew::Crew;

/// Below which number nothing is forked: some ninety forks in all, so that even a thread a fork is
/// little beside the work.
pub(super) fn grain(n: u32) -> u32 {
    n.saturating_sub(9)
}

/// The `n`th Fibonacci number.
pub(super) fn fib<C: Crew>(crew: &C, n: u32, grain: u32) -> u64 {
    if n < 2 || n <= grain {
        crew.steps(calls(n));
        return serial(n);
    }
    crew.steps(1);
    let (a, b) = crew.join(|| fib(crew, n - 1, grain), || fib(crew, n - 2, grain));
    a + b
}

/// The same without forks.
fn serial(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    // Not to be seen through: the recursion is the work.
    std::hint::black_box(serial(n - 1)) + serial(n - 2)
}

/// How many calls the recursion makes.
fn calls(n: u32) -> u64 {
    let (mut this, mut next) = (1, 1);
    for _ in 0..n {
        (this, next) = (next, this + next + 1);
    }
    this
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::parallel::counting::Counting;
    use crate::experiments::parallel::crew::Serial;

    #[test]
    fn the_numbers_are_fibonaccis() {
        let first: Vec<_> = (0..10).map(|n| fib(&Serial, n, 4)).collect();
        assert_eq!(first, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]);
    }

    #[test]
    fn the_calls_are_counted() {
        assert_eq!([calls(0), calls(1), calls(2), calls(5)], [1, 1, 3, 15]);
        // However coarse the grain is, the work is the same; with the finest, the span is the depth.
        for grain in [0, 4, 20] {
            let crew = Counting::default();
            fib(&crew, 12, grain);
            let (work, span) = crew.seen();
            assert_eq!(work, calls(12), "{grain}");
            assert!(span == 12 || grain > 0, "{span}");
        }
    }
}
