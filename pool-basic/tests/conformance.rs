//! The pool passes what every executor has to pass, with either queue, bounded or not, and with
//! one worker or two.

use exec_core::Handle;
use pool_basic::{Builder, Queue, ThreadPool};

fn handle(builder: Builder) -> Handle {
    builder
        .build()
        .expect("a small pool")
        .into_handle()
        .into_dyn()
}

exec_core::conformance!(one_worker, || handle(ThreadPool::builder().threads(1)));
exec_core::conformance!(two_workers, || handle(ThreadPool::builder().threads(2)));
exec_core::conformance!(two_workers_crossbeam, || handle(
    ThreadPool::builder().threads(2).queue(Queue::Crossbeam)
));
exec_core::conformance!(three_workers_bounded, || handle(
    ThreadPool::builder().threads(3).queue_capacity(600)
));
