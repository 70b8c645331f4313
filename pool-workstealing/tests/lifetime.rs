//! Building, ending, dropping and resizing pools.

mod watchdog;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use exec_core::{Reason, Shutdown};
use pool_workstealing::{BuildError, MAX_THREADS, ThreadPool, ThreadPoolBuilder};
use watchdog::watched;

#[test]
fn zero_threads_are_one_per_cpu() {
    watched(30, || {
        let pool = ThreadPool::new(0).expect("a pool");
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(pool.current_num_threads(), cpus);
        assert_eq!(pool.install(pool_workstealing::current_num_threads), cpus);
    });
}

#[test]
fn too_many_threads_are_refused_before_any_is_made() {
    for threads in [MAX_THREADS + 1, usize::MAX] {
        let refused = ThreadPool::new(threads).expect_err("too many");
        assert!(matches!(refused, BuildError::TooMany { asked, .. } if asked == threads));
        assert!(refused.to_string().contains("at most 1024"), "{refused}");
    }
}

#[test]
fn stacks_that_cannot_be_are_refused() {
    for bytes in [0, usize::MAX] {
        let refused = ThreadPoolBuilder::new().stack_size(bytes).build();
        assert!(matches!(refused, Err(BuildError::BadStackSize { .. })));
    }
}

#[test]
fn a_thread_that_cannot_be_made_ends_the_others() {
    watched(30, || {
        let (started, joined) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        struct Counted(thread::JoinHandle<()>, Arc<AtomicUsize>);
        impl pool_workstealing::JoinThread for Counted {
            fn join(self: Box<Self>) {
                self.0.join().expect("the worker ends");
                self.1.fetch_add(1, SeqCst);
            }
        }
        let (begun, ended) = (started.clone(), joined.clone());
        let refused = ThreadPoolBuilder::new()
            .num_threads(5)
            .spawn_handler(move |builder| {
                if begun.load(SeqCst) == 3 {
                    return Err(io::Error::from(io::ErrorKind::WouldBlock));
                }
                begun.fetch_add(1, SeqCst);
                Ok(Counted(thread::spawn(move || builder.run()), ended.clone()))
            })
            .build()
            .expect_err("the fourth is refused");
        assert!(matches!(
            refused,
            BuildError::Thread {
                started: 3,
                asked: 5,
                ..
            }
        ));
        assert!(
            refused
                .to_string()
                .starts_with("could not start worker 4 of 5")
        );
        assert_eq!((started.load(SeqCst), joined.load(SeqCst)), (3, 3));
    });
}

#[test]
fn workers_have_names_and_handlers_see_each_once() {
    watched(30, || {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (start, exit) = (seen.clone(), seen.clone());
        let pool = ThreadPoolBuilder::new()
            .num_threads(2)
            .thread_name(|index| format!("named-{index}"))
            .stack_size(256 << 10)
            .affinity(|_| Some(0))
            .start_handler(move |index| start.lock().expect("no panic").push((index, "start")))
            .exit_handler(move |index| exit.lock().expect("no panic").push((index, "exit")))
            .build()
            .expect("a pool");
        let names = pool.broadcast(|_| thread::current().name().map(str::to_owned));
        assert_eq!(names, [Some("named-0".into()), Some("named-1".into())]);
        drop(pool);
        let mut seen = seen.lock().expect("no panic").clone();
        seen.sort_unstable();
        assert_eq!(seen, [(0, "exit"), (0, "start"), (1, "exit"), (1, "start")]);
    });
}

#[test]
fn a_pool_may_be_dropped_by_its_own_worker() {
    watched(30, || {
        let pool = Arc::new(ThreadPool::new(2).expect("a pool"));
        let (send, receive) = mpsc::channel();
        let (ready, go) = mpsc::channel::<()>();
        let own = pool.clone();
        pool.spawn(move || {
            go.recv().expect("the other reference is gone");
            drop(own);
            send.send(()).expect("the test waits");
        });
        drop(pool);
        ready.send(()).expect("the job waits");
        receive.recv().expect("the drop does not wait for itself");
    });
}

#[test]
fn a_shutdown_on_a_worker_does_not_wait_for_it() {
    watched(30, || {
        let pool = Arc::new(ThreadPool::new(1).expect("a pool"));
        let own = pool.clone();
        let report = pool.install(move || own.shutdown(Shutdown::Drain));
        assert_eq!(report.leaked, 1, "the job that asked still runs: {report}");
        pool.wait_until_stopped();
        assert!(pool.try_spawn(|| ()).is_err());
    });
}

#[test]
fn a_refused_spawn_comes_back_with_the_reason() {
    watched(30, || {
        let pool = ThreadPoolBuilder::new()
            .num_threads(1)
            .queue_bound(2)
            .build()
            .expect("a pool");
        let (open, gate) = mpsc::channel::<()>();
        let (begun, begin) = mpsc::channel();
        pool.spawn(move || {
            begun.send(()).expect("the test waits");
            gate.recv().expect("opened");
        });
        begin.recv().expect("the worker is held");
        let ran = Arc::new(AtomicUsize::new(0));
        let job = || {
            let ran = ran.clone();
            move || {
                ran.fetch_add(1, SeqCst);
            }
        };
        assert!(pool.try_spawn(job()).is_ok());
        assert!(pool.try_spawn(job()).is_ok());
        let refused = pool.try_spawn(job()).expect_err("full");
        assert_eq!(refused.reason, Reason::Full);
        assert!(refused.job.run().is_ok());
        open.send(()).expect("the job waits");
        assert!(pool.shutdown(Shutdown::Drain).is_clean());
        let refused = pool.try_spawn(job()).expect_err("closed");
        assert_eq!(refused.reason, Reason::ShutDown);
        drop(refused);
        assert_eq!(ran.load(SeqCst), 3);
    });
}

#[test]
fn a_pool_grows_and_shrinks() {
    watched(30, || {
        let pool = ThreadPoolBuilder::new()
            .num_threads(1)
            .max_threads(6)
            .build()
            .expect("a pool");
        let ran = Arc::new(AtomicUsize::new(0));
        for threads in [4, 2, 6, 1, 3] {
            for _ in 0..100 {
                let ran = ran.clone();
                pool.spawn(move || {
                    ran.fetch_add(1, SeqCst);
                });
            }
            pool.resize(threads).expect("a new size");
            assert_eq!(pool.current_num_threads(), threads);
            assert_eq!(
                pool.broadcast(|context| context.index()),
                (0..threads).collect::<Vec<_>>()
            );
        }
        assert!(matches!(
            pool.resize(7),
            Err(BuildError::TooMany { asked: 7, max: 6 })
        ));
        assert!(matches!(
            pool.install(|| pool.resize(2)),
            Err(BuildError::OnWorker)
        ));
        assert!(pool.shutdown(Shutdown::Drain).is_clean());
        assert_eq!(ran.load(SeqCst), 500);
        assert!(matches!(pool.resize(2), Err(BuildError::ShutDown)));
    });
}

#[test]
fn a_deadline_reports_what_it_left_behind() {
    watched(30, || {
        let pool = ThreadPool::new(1).expect("a pool");
        let (open, gate) = mpsc::channel::<()>();
        let (begun, begin) = mpsc::channel();
        pool.spawn(move || {
            begun.send(()).expect("the test waits");
            let _ = gate.recv();
        });
        begin.recv().expect("the worker is held");
        let queued = pool.spawn_with_handle(|| 1);
        let report = pool.shutdown(Shutdown::Deadline(Duration::from_millis(5)));
        assert_eq!((report.cancelled, report.leaked), (1, 1), "{report}");
        assert!(queued.join().expect_err("cancelled").is_cancelled());
        drop(open);
        pool.wait_until_stopped();
    });
}

#[test]
fn closures_of_any_size_and_alignment_run() {
    #[repr(align(256))]
    struct Aligned([u8; 256]);
    watched(30, || {
        let pool = ThreadPool::new(2).expect("a pool");
        let big = vec![7_u8; 1 << 20].into_boxed_slice();
        let big: Box<[u8; 1 << 20]> = big.try_into().expect("that long");
        let aligned = Aligned([9; 256]);
        let big = pool.spawn_with_handle(move || big.iter().map(|&b| u64::from(b)).sum::<u64>());
        let (send, receive) = mpsc::channel();
        pool.spawn(move || {
            let aligned = &aligned;
            let at = std::ptr::from_ref(aligned).addr();
            send.send((at % 256, aligned.0[255]))
                .expect("the test waits");
        });
        assert_eq!(big.join().expect("runs"), 7 << 20);
        assert_eq!(receive.recv().expect("runs"), (0, 9));
    });
}
