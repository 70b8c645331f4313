//! Blocking joins inside tasks: the worker runs other tasks meanwhile.

mod watched;

use std::sync::Arc;

use mini_executor::{JoinError, Runtime};
use watched::watched;

#[test]
fn a_chain_of_joins_on_one_worker_ends() {
    fn chain(runtime: &Arc<Runtime>, depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        let inner = runtime.clone();
        let task = runtime.spawn(async move { chain(&inner, depth - 1) });
        1 + task.join().expect("the waiting worker runs it")
    }
    watched(|| {
        let runtime = Arc::new(Runtime::builder().workers(1).build().expect("builds"));
        let inner = runtime.clone();
        let depth = runtime.spawn(async move { chain(&inner, 50) });
        assert_eq!(depth.join().expect("ends"), 50);
    });
}

#[test]
fn a_task_that_joins_one_below_it_on_the_stack_is_refused() {
    watched(|| {
        let runtime = Arc::new(Runtime::builder().workers(1).build().expect("builds"));
        let (give, take) = std::sync::mpsc::channel();
        let (done, ended) = std::sync::mpsc::channel();
        let inner = runtime.clone();
        // The outer task waits for the inner one, which waits for the outer one.
        let outer = runtime.spawn(async move {
            let own: exec_core::JoinHandle<()> = take.recv().expect("sent");
            let circle = inner.spawn(async move { own.join() });
            assert!(matches!(
                circle.join().expect("refused, not hung"),
                Err(JoinError::WouldDeadlock)
            ));
            let _ = done.send(());
        });
        give.send(outer).expect("the task waits");
        ended.recv().expect("the outer task got its answer");
        let report = runtime.shutdown(mini_executor::Shutdown::Drain);
        assert!(report.is_clean(), "{report}");
        assert_eq!(runtime.stats().panicked, 0);
    });
}
