//! What is particular to one-to-one: each job is a thread, and so is each future.
#![cfg(feature = "std")]

use std::{
    collections::HashSet,
    future::{Future, pending, poll_fn},
    pin::Pin,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll},
    thread::{self, ThreadId},
    time::Duration,
};

use exec_core::{Handle, JoinError, JoinHandle, Meta, Reason, Shutdown};
use kernel_bridge::{Host, OneToOne};

/// Runs `body` and fails when it takes longer than 30 s.
fn watched(body: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let runner = thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    if ended.recv_timeout(Duration::from_secs(30)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("hung for 30 s");
    }
    if let Err(payload) = runner.join() {
        std::panic::resume_unwind(payload);
    }
}

fn handle() -> Handle<OneToOne<Host>> {
    Handle::new(OneToOne::new())
}

#[test]
fn jobs_that_need_each_other_all_run() {
    watched(|| {
        let handle = handle();
        let barrier = Arc::new(Barrier::new(16));
        let jobs: Vec<_> = (0..16)
            .map(|_| {
                let barrier = barrier.clone();
                handle.spawn(move || {
                    barrier.wait();
                    thread::current().id()
                })
            })
            .collect();
        let threads: HashSet<ThreadId> = jobs
            .into_iter()
            .map(|job| job.join().expect("returns"))
            .collect();
        assert_eq!(threads.len(), 16);
    });
}

/// Pending `left` times; notes the thread of each poll.
struct Polls {
    left: usize,
    threads: Arc<Mutex<Vec<ThreadId>>>,
}

impl Future for Polls {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut threads = self.threads.lock().expect("nobody panics with the lock");
        threads.push(thread::current().id());
        drop(threads);
        if self.left == 0 {
            return Poll::Ready(());
        }
        self.left -= 1;
        // From another thread, so that the future's own has most likely parked.
        let waker = cx.waker().clone();
        thread::spawn(move || waker.wake());
        Poll::Pending
    }
}

#[test]
fn a_future_stays_on_its_thread() {
    watched(|| {
        let handle = handle();
        let threads = Arc::default();
        handle
            .spawn_async(Polls {
                left: 50,
                threads: Arc::clone(&threads),
            })
            .join()
            .expect("returns");
        let threads = threads.lock().expect("nobody panics with the lock");
        assert_eq!(threads.len(), 51);
        assert!(threads.iter().all(|thread| *thread == threads[0]));
        let stats = handle.stats();
        assert_eq!(stats.threads, 1, "{stats}");
        assert_eq!(stats.wakes, 50, "{stats}");
    });
}

#[test]
fn joining_a_future_joins_its_thread() {
    watched(|| {
        struct AtExit(Arc<AtomicUsize>);
        impl Drop for AtExit {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        thread_local! {
            static LAST: std::cell::RefCell<Option<AtExit>> = const { std::cell::RefCell::new(None) };
        }
        let handle = handle();
        let exits = Arc::new(AtomicUsize::new(0));
        let inside = exits.clone();
        let future = handle.spawn_async(async move {
            LAST.with(|last| *last.borrow_mut() = Some(AtExit(inside)));
        });
        future.join().expect("returns");
        // Thread-locals are gone when, and only when, the thread has ended.
        assert_eq!(exits.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_drain_waits_for_futures_and_now_cancels_them() {
    watched(|| {
        let draining = handle();
        let slow = draining.spawn_async(poll_fn({
            let mut polls = 0;
            move |cx| {
                polls += 1;
                if polls == 100 {
                    return Poll::Ready(polls);
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }));
        assert!(draining.shutdown(Shutdown::Drain).is_clean());
        assert!(slow.is_finished());
        assert_eq!(slow.join().expect("returns"), 100);

        let (tell, told) = mpsc::channel();
        let ending = handle();
        let endless = ending.spawn_async(async move {
            let _ = tell.send(());
            pending::<()>().await;
        });
        told.recv().expect("it has been polled");
        let report = ending.shutdown(Shutdown::Now);
        assert!(report.cancelled + report.leaked == 1, "{report}");
        assert!(matches!(endless.join(), Err(JoinError::Cancelled)));
        assert_eq!(ending.shutdown(Shutdown::Drain).leaked, 0);
    });
}

#[test]
fn the_limit_refuses_and_says_so() {
    watched(|| {
        let handle = Handle::new(OneToOne::<Host>::builder().limit(2).build());
        let barrier = Arc::new(Barrier::new(3));
        let wait = |barrier: &Arc<Barrier>| {
            let barrier = barrier.clone();
            move || {
                barrier.wait();
            }
        };
        let first = handle.spawn(wait(&barrier));
        let second = handle.spawn(wait(&barrier));
        let refused = handle.try_spawn(|| 7).expect_err("two are running");
        let text = refused.reason.to_string();
        assert!(matches!(refused.reason, Reason::OutOfThreads(_)), "{text}");
        assert!(text.contains("limit is 2"), "{text}");
        assert_eq!((refused.into_job())(), 7);
        barrier.wait();
        first.join().expect("returns");
        second.join().expect("returns");
        // The last thread leaves the count after its joiner may know; a drain does not miss it.
        assert!(handle.shutdown(Shutdown::Drain).is_clean());
    });
}

#[test]
fn a_bad_spec_is_a_refusal_with_the_reason() {
    let handle = Handle::new(OneToOne::<Host>::builder().stack_size(1).build());
    let refused = handle.try_spawn(|| ()).expect_err("refused");
    assert!(
        refused.to_string().contains("a stack of 1 bytes"),
        "{refused}"
    );
    let refused = self::handle()
        .spawn_with(&Meta::new().named("a\0b"), || ())
        .join();
    assert!(matches!(
        refused,
        Err(JoinError::Rejected(Reason::OutOfThreads(_)))
    ));
}

#[test]
fn a_refused_future_hears_why() {
    let handle = Handle::new(OneToOne::<Host>::builder().limit(0).build());
    let refused = handle.spawn_async(async {}).join();
    assert!(matches!(
        refused,
        Err(JoinError::Rejected(Reason::OutOfThreads(_)))
    ));
}

#[test]
fn self_join_is_refused_with_a_deadline_and_without() {
    watched(|| {
        let handle = handle();
        let (send, receive) = mpsc::channel::<JoinHandle<()>>();
        let (tell, told) = mpsc::channel();
        let ground = handle.clone();
        let job = handle.spawn(move || {
            let own = receive.recv().expect("the spawner sends it");
            let later = ground
                .ground()
                .now()
                .saturating_add(Duration::from_secs(60));
            let own = own.join_until(later).expect_err("would not end");
            let _ = tell.send(matches!(own.join(), Err(JoinError::WouldDeadlock)));
        });
        send.send(job).expect("the job waits for it");
        assert_eq!(told.recv(), Ok(true));
    });
}

#[test]
fn its_own_job_may_shut_it_down_or_drop_it_last() {
    watched(|| {
        let handle = handle();
        let inner = handle.clone();
        let report = handle
            .spawn(move || inner.shutdown(Shutdown::Drain))
            .join()
            .expect("returns");
        assert!(report.leaked >= 1, "the job itself was running: {report}");
        let ending = self::handle();
        let inner = ending.clone();
        let report = ending.spawn(move || inner.shutdown(Shutdown::Now)).join();
        assert_eq!(report.expect("returns").leaked, 1, "left behind: itself");
        assert!(handle.shutdown(Shutdown::Drain).is_clean());

        let handle = self::handle();
        let (go, wait) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let last = handle.clone();
        handle
            .execute(move || {
                let _ = wait.recv();
                drop(last);
                let _ = tell.send(());
            })
            .expect("accepted");
        drop(handle);
        drop(go);
        assert_eq!(told.recv(), Ok(()));
    });
}

#[test]
fn the_panic_handler_is_called_once_even_if_it_panics() {
    watched(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let model = OneToOne::<Host>::builder()
            .panic_handler(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                panic!("the handler's own");
            })
            .build();
        let handle = Handle::new(model);
        handle.execute(|| panic!("nobody joins")).expect("accepted");
        let joined = handle.spawn(|| panic!("joined")).join();
        assert!(matches!(joined, Err(JoinError::Panicked(_))));
        assert!(handle.shutdown(Shutdown::Drain).is_clean());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert_eq!(handle.stats().panicked, 1);
    });
}

#[test]
fn a_named_job_names_its_thread() {
    watched(|| {
        let handle = Handle::new(OneToOne::<Host>::builder().name("default").build());
        let name = || thread::current().name().map(String::from);
        let named = handle.spawn_with(&Meta::new().named("special"), name);
        assert_eq!(named.join().expect("returns").as_deref(), Some("special"));
        let unnamed = handle.spawn(name);
        assert_eq!(unnamed.join().expect("returns").as_deref(), Some("default"));
    });
}
