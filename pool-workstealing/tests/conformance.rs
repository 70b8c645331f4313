//! The family's conformance suite, with one and with several workers and under each policy.

use exec_core::Handle;
use pool_workstealing::{ThreadPool, ThreadPoolBuilder, WaitPolicy};

fn pool(threads: usize) -> Handle {
    Handle::new(ThreadPool::new(threads).expect("a pool")).into_dyn()
}

fn with_policy(policy: WaitPolicy) -> Handle {
    let builder = ThreadPoolBuilder::new().num_threads(3).wait_policy(policy);
    Handle::new(builder.build().expect("a pool")).into_dyn()
}

exec_core::conformance!(one_worker, || pool(1));
exec_core::conformance!(four_workers, || pool(4));
exec_core::conformance!(any, || with_policy(WaitPolicy::Any));
exec_core::conformance!(park, || with_policy(WaitPolicy::Park));
