//! One trait for every threading model: spawn, join, scope and block_on over pools, threads and M:N executors.
