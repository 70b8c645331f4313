//! The family's conformance suite, on the host's threads.

use exec_core::Handle;
use mini_executor::Runtime;

fn runtime(workers: usize) -> Handle {
    Runtime::builder()
        .workers(workers)
        .build()
        .expect("the host has threads")
        .into_handle()
        .into_dyn()
}

exec_core::conformance!(one_worker, || runtime(1));
exec_core::conformance!(two_workers, || runtime(2));
exec_core::conformance!(four_workers, || runtime(4));
exec_core::conformance!(without_lifo_slot, || Runtime::builder()
    .workers(2)
    .lifo_slot(false)
    .build()
    .expect("the host has threads")
    .into_handle()
    .into_dyn());
