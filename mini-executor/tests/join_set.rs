//! Groups of tasks: joined as they end, cancelled together.

mod watched;

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use mini_executor::{GroupError, JoinError, Runtime};
use watched::watched;

struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn joins_each_task_once() {
    watched(|| {
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        let mut seen = runtime.block_on(async {
            let mut set = runtime.join_set();
            for n in 0..500 {
                set.spawn(async move {
                    mini_executor::yield_now().await;
                    n
                });
            }
            assert_eq!(set.len(), 500);
            set.join_all().await.expect("all return")
        });
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
    });
}

#[test]
fn the_first_error_cancels_the_rest() {
    watched(|| {
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        let drops = Arc::new(AtomicUsize::new(0));
        let result = runtime.block_on(async {
            let mut set = runtime.join_set();
            for _ in 0..10 {
                let held = CountsDrop(drops.clone());
                set.spawn(async move {
                    let _held = held;
                    pending::<()>().await;
                    Ok(())
                });
            }
            set.spawn(async { Err("no") });
            set.try_join_all().await
        });
        assert!(matches!(result, Err(GroupError::Task("no"))));
        assert_eq!(
            drops.load(SeqCst),
            10,
            "the others had ended before it returned"
        );
    });
}

#[test]
fn a_panic_is_the_error_of_its_group() {
    watched(|| {
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        let result = runtime.block_on(async {
            let mut set = runtime.join_set();
            set.spawn(async { panic!("on purpose") });
            set.spawn(pending::<()>());
            set.join_all().await
        });
        assert!(matches!(result, Err(JoinError::Panicked(_))));
    });
}

#[test]
fn a_dropped_group_cancels_its_tasks() {
    watched(|| {
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        let drops = Arc::new(AtomicUsize::new(0));
        let mut set = runtime.join_set();
        for _ in 0..10 {
            let held = CountsDrop(drops.clone());
            set.spawn(async move {
                let _held = held;
                pending::<()>().await;
            });
        }
        drop(set);
        let report = runtime.shutdown(mini_executor::Shutdown::Drain);
        assert!(report.is_clean(), "{report}");
        assert_eq!(drops.load(SeqCst), 10);
    });
}
