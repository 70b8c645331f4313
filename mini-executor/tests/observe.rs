//! What a runtime tells of itself: counters, tasks, the recorder, the watchdog's names.

mod watched;

use std::{
    future::{pending, poll_fn},
    sync::{Mutex, mpsc},
    task::Poll,
    time::Duration,
};

use exec_core::Meta;
use mini_executor::{Runtime, TaskState, consume_budget, yield_now};
use watched::watched;

fn observing(workers: usize) -> Runtime {
    Runtime::builder()
        .workers(workers)
        .observe(true)
        .build()
        .expect("builds")
}

#[test]
fn the_counters_count() {
    watched(|| {
        let runtime = Runtime::builder().workers(1).build().expect("builds");
        let before = runtime.metrics();
        assert_eq!(before.spawns, 0);
        let task = runtime.spawn(async {
            yield_now().await;
            for _ in 0..300 {
                consume_budget().await;
            }
        });
        task.join().expect("ends");
        runtime.spawn_closure(|| ()).join().expect("ends");
        // A poll is counted when it is over, which is after its task's end.
        while runtime.metrics().polls < 5 {
            std::thread::yield_now();
        }
        let after = runtime.metrics();
        assert_eq!(after.spawns, 2);
        // One poll, one after the yield, and two after 128 units each.
        assert_eq!(after.budget_yields, 2);
        assert_eq!(after.polls, 5);
        assert_eq!(after.wakes, 3);
        assert_eq!(after.workers[0].polls, 5);
        assert_eq!(after.workers[0].queued, 0);
        assert_eq!(after.longest_poll, Duration::ZERO, "nothing was timed");
    });
}

#[test]
fn the_depths_of_the_queues_are_seen() {
    watched(|| {
        let runtime = Runtime::builder().workers(1).build().expect("builds");
        let (release, released) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel();
        let spawner = runtime.spawner();
        let holder = runtime.spawn(async move {
            for _ in 0..5 {
                spawner.spawn(async {}).detach();
            }
            let _ = began.send(());
            let _ = released.recv();
        });
        begun.recv().expect("it runs");
        for _ in 0..3 {
            runtime.spawn(async {}).detach();
        }
        let metrics = runtime.metrics();
        assert_eq!((metrics.injected, metrics.workers[0].queued), (3, 5));
        assert!(metrics.workers[0].running);
        assert_eq!(metrics.alive, 9);
        drop(release);
        holder.join().expect("ends");
    });
}

#[test]
fn a_dump_says_who_and_where_and_what() {
    watched(|| {
        let runtime = observing(1);
        let (tell, hear) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let waiting = runtime.spawn_named("waits", {
            let tell = tell.clone();
            poll_fn(move |cx| {
                let _ = tell.send(Some(cx.waker().clone()));
                Poll::<()>::Pending
            })
        });
        let waker = hear.recv().expect("polled").expect("a waker");
        // Wait until its poll is over: the next task of the one worker runs after it.
        runtime.spawn(async {}).join().expect("ends");
        let line = line!() + 1;
        let running = runtime.spawn(async move {
            let _ = tell.send(None);
            let _ = released.recv();
        });
        assert!(hear.recv().expect("runs").is_none());
        let queued = runtime.spawn_named("behind", async {});
        let dump = runtime.dump();
        assert_eq!(dump.len(), 3);
        assert_eq!(dump[0].name.as_deref(), Some("waits"));
        assert_eq!((dump[0].state, dump[0].polls), (TaskState::Waiting, 1));
        assert_eq!((dump[1].state, dump[1].polls), (TaskState::Running, 1));
        assert_eq!(dump[1].location.line(), line);
        assert!(dump[1].location.file().ends_with("observe.rs"));
        assert_eq!((dump[2].state, dump[2].polls), (TaskState::Queued, 0));
        waker.wake_by_ref();
        waker.wake();
        let woken = &runtime.dump()[0];
        assert_eq!((woken.state, woken.wakes), (TaskState::Queued, 2));
        assert!(woken.to_string().contains("`waits`"), "{woken}");
        drop(release);
        running.join().expect("ends");
        queued.join().expect("ends");
        waiting.cancel();
        assert!(waiting.join().is_err());
        assert!(runtime.dump().is_empty());
        assert!(runtime.metrics().longest_poll > Duration::ZERO);
    });
}

#[test]
fn tasks_of_the_trait_are_seen() {
    watched(|| {
        let runtime = observing(1).into_handle();
        let line = line!() + 1;
        let task = runtime.spawn_async(pending::<()>());
        let named = runtime.spawn_async_with(&Meta::new().named("named"), pending::<()>());
        let dyn_handle = runtime.clone().into_dyn();
        let behind = dyn_handle.spawn_async(pending::<()>());
        let dump = runtime.executor().dump();
        assert_eq!(dump.len(), 3);
        assert_eq!(
            (dump[0].name.as_deref(), dump[0].location.line()),
            (None, line)
        );
        assert!(dump[0].location.file().ends_with("observe.rs"));
        assert_eq!(dump[1].name.as_deref(), Some("named"));
        for task in [task, named, behind] {
            task.cancel();
            assert!(task.join().is_err());
        }
        assert!(runtime.executor().dump().is_empty());
    });
}

#[test]
fn local_tasks_are_seen_and_counted() {
    watched(|| {
        for runtime in [
            observing(1),
            Runtime::builder()
                .current_thread()
                .observe(true)
                .build()
                .expect("builds"),
        ] {
            let set = runtime.local_set();
            let before = runtime.metrics();
            let line = line!() + 1;
            let waiting = set.spawn_local(pending::<()>());
            let named = set.spawn_local_named("local", async {
                yield_now().await;
                mini_executor::spawn_local(async {}).await.expect("ends");
            });
            assert_eq!(runtime.dump()[0].state, TaskState::Queued);
            runtime.block_on(set.run_until(named)).expect("ends");
            let dump = runtime.dump();
            assert_eq!(dump.len(), 1, "the others have ended");
            assert_eq!((dump[0].state, dump[0].polls), (TaskState::Waiting, 1));
            assert_eq!(dump[0].location.line(), line);
            let after = runtime.metrics();
            assert_eq!(after.spawns - before.spawns, 3);
            // One that waits, one that ends, and one that yields and waits once.
            assert_eq!(after.polls - before.polls, 5);
            assert_eq!(after.wakes - before.wakes, 2);
            drop(waiting);
            drop(set);
            assert!(runtime.dump().is_empty(), "dropped with its set");
        }
    });
}

#[test]
fn a_runtime_that_does_not_observe_has_no_dump() {
    watched(|| {
        let runtime = Runtime::builder().workers(1).build().expect("builds");
        let task = runtime.spawn_named("unseen", pending::<()>());
        assert!(runtime.dump().is_empty());
        drop(task);
    });
}

#[test]
fn the_watchdog_names_the_task_and_its_place() {
    watched(|| {
        let (tell, hear) = mpsc::channel();
        let tell = Mutex::new(tell);
        let runtime = Runtime::builder()
            .workers(1)
            .watchdog(Duration::from_millis(2))
            .on_stuck(move |stuck| {
                let _ = tell.lock().unwrap().send(stuck.clone());
            })
            .build()
            .expect("builds");
        let (release, released) = mpsc::channel::<()>();
        let line = line!() + 1;
        let task = runtime.spawn_named("blocks", async move {
            let _ = released.recv();
        });
        let stuck = hear.recv().expect("told");
        assert_eq!(stuck.name.as_deref(), Some("blocks"));
        assert_eq!(stuck.location.expect("known").line(), line);
        assert!(stuck.to_string().contains("observe.rs"), "{stuck}");
        drop(release);
        task.join().expect("ends");
        assert!(hear.recv().expect("told").over);
    });
}

#[test]
fn the_recorder_notes_jobs_and_sleeps() {
    watched(|| {
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        runtime.start_recording(1 << 12);
        for _ in 0..100 {
            runtime
                .spawn(async { yield_now().await })
                .join()
                .expect("ends");
        }
        let recording = runtime.stop_recording();
        assert!(recording.len() >= 200, "{recording:?}");
        let trace = recording.to_chrome_trace();
        for name in ["worker 0", "worker 1", "guest", "\"job\"", "\"park\""] {
            assert!(trace.contains(name), "{name}");
        }
        let before = recording.len();
        runtime.spawn(async {}).join().expect("ends");
        assert_eq!(before, runtime.stop_recording().len(), "it is off");
    });
}
