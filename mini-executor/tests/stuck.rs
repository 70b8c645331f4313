//! Workers that block: others do their work, and somebody hears of it.

mod watched;

use std::{
    collections::HashSet,
    future::pending,
    io::{Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use mini_executor::{
    JoinError, Runtime, Shutdown, Stuck, block_in_place,
    io::{Stream, TcpListener},
    yield_now,
};
use watched::watched;

fn workers(n: usize) -> Runtime {
    Runtime::builder().workers(n).build().expect("builds")
}

/// A closure that returns when the guard is dropped, and says when it began.
fn hold() -> (mpsc::Sender<()>, mpsc::Receiver<()>, impl FnOnce() + Send) {
    let (release, released) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    let block = move || {
        let _ = began.send(());
        let _ = released.recv();
    };
    (release, begun, block)
}

/// Everything a runtime does goes on: tasks, timers, sockets, closures.
fn everything_goes_on(runtime: &Runtime) {
    let spawner = runtime.spawner();
    let listener = TcpListener::bind(&spawner, "127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            runtime.spawn(async move {
                yield_now().await;
                n
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.join().expect("runs"), n);
    }
    let timer = {
        let spawner = spawner.clone();
        runtime.spawn(async move { spawner.sleep(Duration::from_millis(2)).await })
    };
    timer.join().expect("fires");
    let server = runtime.spawn(async move {
        let (stream, _) = listener.accept().await.expect("accepts");
        let mut word = [0; 4];
        let mut read = 0;
        while read < word.len() {
            read += stream.read(&mut word[read..]).await.expect("reads");
        }
        stream.write_all(&word).await.expect("writes");
    });
    let mut client = std::net::TcpStream::connect(address).expect("connects");
    client.write_all(b"ping").expect("writes");
    let mut word = [0; 4];
    client.read_exact(&mut word).expect("reads");
    assert_eq!(&word, b"ping");
    server.join().expect("ends");
    assert_eq!(runtime.unblock(|| 5).join_here(runtime), 5);
}

trait JoinHere<R> {
    fn join_here(self, runtime: &Runtime) -> R;
}

impl<R, F: Future<Output = Result<R, JoinError>>> JoinHere<R> for F {
    fn join_here(self, runtime: &Runtime) -> R {
        runtime.block_on(self).expect("runs")
    }
}

#[test]
fn a_stuck_worker_is_told_of_and_replaced() {
    for n in [1, 2] {
        watched(move || {
            let told: Arc<Mutex<Vec<Stuck>>> = Arc::default();
            let seen = told.clone();
            let (tell, hear) = mpsc::channel();
            let tell = Mutex::new(tell);
            let runtime = Runtime::builder()
                .workers(n)
                .watchdog(Duration::from_millis(5))
                .on_stuck(move |stuck| {
                    // On a busy machine the system may hold up others for as long.
                    if stuck.name.as_deref() == Some("held") {
                        seen.lock().unwrap().push(stuck.clone());
                        let _ = tell.lock().unwrap().send(stuck.over);
                    }
                })
                .build()
                .expect("builds");
            // A timer that waits at a worker which is stuck then, and a task behind it.
            let spawner = runtime.spawner();
            let timer =
                runtime.spawn(async move { spawner.sleep(Duration::from_millis(20)).await });
            let holds: Vec<_> = (0..n)
                .map(|_| {
                    let (release, begun, block) = hold();
                    let spawner = runtime.spawner();
                    let task = runtime.spawn_named("held", async move {
                        let behind = spawner.spawn(async { 1 });
                        block();
                        Some(behind)
                    });
                    begun.recv().expect("it blocks");
                    (release, task)
                })
                .collect();
            for _ in 0..n {
                assert!(!hear.recv().expect("told"), "it is stuck");
            }
            everything_goes_on(&runtime);
            timer.join().expect("fires");
            let (release, tasks): (Vec<_>, Vec<_>) = holds.into_iter().unzip();
            drop(release);
            for task in tasks {
                let behind = task.join().expect("ends").expect("spawned");
                assert_eq!(behind.join().expect("was run"), 1);
            }
            for _ in 0..n {
                assert!(hear.recv().expect("told"), "it is over");
            }
            for stuck in told.lock().unwrap().iter() {
                assert!(stuck.duration >= Duration::from_millis(5), "{stuck}");
            }
            everything_goes_on(&runtime);
            assert!(runtime.shutdown(Shutdown::Drain).is_clean());
        });
    }
}

#[test]
fn a_panic_of_the_hook_is_thrown_away() {
    watched(|| {
        let runtime = Runtime::builder()
            .workers(1)
            .watchdog(Duration::from_millis(2))
            .on_stuck(|_| panic!("the hook"))
            .build()
            .expect("builds");
        let (release, begun, block) = hold();
        let stuck = runtime.spawn(async move { block() });
        begun.recv().expect("it blocks");
        everything_goes_on(&runtime);
        drop(release);
        stuck.join().expect("ends");
    });
}

#[test]
fn a_worker_that_waits_in_a_join_is_not_stuck() {
    watched(|| {
        let (tell, hear) = mpsc::channel();
        let tell = Mutex::new(tell);
        let runtime = Runtime::builder()
            .workers(1)
            .watchdog(Duration::from_millis(1))
            .on_stuck(move |stuck| {
                let _ = tell.lock().unwrap().send(stuck.clone());
            })
            .build()
            .expect("builds");
        let spawner = runtime.spawner();
        let pause = Duration::from_millis(500);
        let task = runtime.spawn(async move {
            let sleeper = spawner.clone();
            let inner = spawner.spawn(async move { sleeper.sleep(pause).await });
            inner.join().expect("driven by the join");
        });
        task.join().expect("ends");
        drop(runtime);
        // The system may keep the worker from running for a while; that is told, and is not this.
        assert!(
            hear.try_iter().all(|stuck| stuck.duration < pause / 2),
            "it was not stuck while it waited"
        );
    });
}

#[test]
fn a_runtime_with_a_stuck_worker_can_be_left_behind() {
    watched(|| {
        let runtime = Runtime::builder()
            .workers(1)
            .watchdog(Duration::from_millis(2))
            .on_stuck(|_| {})
            .build()
            .expect("builds");
        let (release, begun, block) = hold();
        let stuck = runtime.spawn(async move { block() });
        begun.recv().expect("it blocks");
        everything_goes_on(&runtime);
        let waiting = runtime.spawn(pending::<()>());
        // Time for a busy machine to end the polls that are under way, which count as leaked.
        let report = runtime.shutdown(Shutdown::Deadline(Duration::from_millis(200)));
        assert_eq!((report.leaked, report.cancelled), (1, 1), "{report}");
        assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
        drop(release);
        stuck.join().expect("what ran was not killed");
    });
}

#[test]
fn block_in_place_leaves_the_others_running() {
    for (n, blocked) in [(1, 1), (3, 3), (1, 12), (2, 16)] {
        watched(move || {
            let runtime = workers(n);
            let holds: Vec<_> = (0..blocked)
                .map(|_| {
                    let (release, begun, block) = hold();
                    let spawner = runtime.spawner();
                    let task = runtime.spawn(async move {
                        let behind = spawner.spawn(async { 2 });
                        block_in_place(block);
                        behind.await.expect("runs")
                    });
                    begun.recv().expect("it blocks");
                    (release, task)
                })
                .collect();
            everything_goes_on(&runtime);
            for (release, task) in holds {
                drop(release);
                assert_eq!(task.join().expect("ends"), 2);
            }
            everything_goes_on(&runtime);
            assert!(runtime.shutdown(Shutdown::Drain).is_clean());
        });
    }
}

#[test]
fn no_more_threads_stand_in_than_were_allowed() {
    watched(|| {
        let runtime = Runtime::builder().workers(2).spare_threads(2).build();
        let runtime = Arc::new(runtime.expect("builds"));
        let threads = Arc::new(Mutex::new(HashSet::new()));
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let (spawner, threads) = (runtime.spawner(), threads.clone());
                runtime.spawn(async move {
                    let mut sum = 0;
                    for _ in 0..10 {
                        threads.lock().unwrap().insert(thread::current().id());
                        sum += block_in_place(|| {
                            let inner = spawner.spawn(async move {
                                yield_now().await;
                                n
                            });
                            inner.join().expect("runs")
                        });
                        yield_now().await;
                    }
                    sum
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.join().expect("ends"), 10 * n);
        }
        // This one joined them, and may have run some meanwhile.
        let threads = threads.lock().unwrap().len();
        assert!(threads <= 2 + 2 + 1, "{threads}");
        assert!(runtime.shutdown(Shutdown::Drain).is_clean());
    });
}

#[test]
fn block_in_place_elsewhere_just_calls() {
    watched(|| {
        assert_eq!(block_in_place(|| 1), 1);
        let runtime = workers(1);
        assert_eq!(runtime.block_on(async { block_in_place(|| 2) }), 2);
        assert_eq!(
            runtime.unblock(|| block_in_place(|| 3)).join_here(&runtime),
            3
        );
        let here = Runtime::current_thread().expect("builds");
        assert_eq!(
            here.spawn(async { block_in_place(|| 4) }).join_here(&here),
            4
        );
    });
}

#[test]
fn a_panic_in_place_is_the_tasks() {
    watched(|| {
        let runtime = workers(1);
        let task = runtime.spawn(async {
            let caught = catch_unwind(AssertUnwindSafe(|| block_in_place(|| panic!("in place"))));
            caught.is_err()
        });
        assert!(task.join().expect("ends"));
        let task = runtime.spawn(async { block_in_place(|| panic!("in place")) });
        assert!(matches!(task.join(), Err(JoinError::Panicked(_))));
        everything_goes_on(&runtime);
    });
}

#[test]
fn a_drop_while_a_worker_is_in_place_waits_for_it() {
    watched(|| {
        let runtime = workers(1);
        let (release, begun, block) = hold();
        let task = runtime.spawn(async move {
            block_in_place(block);
            6
        });
        begun.recv().expect("it blocks");
        let dropper = thread::spawn(move || drop(runtime));
        drop(release);
        dropper.join().expect("returns");
        assert_eq!(task.join().expect("ran to its end"), 6);
    });
}
