//! Wakes by one who holds a lock, which the drop of the woken future takes: so do channels.

mod watched;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use mini_executor::{JoinError, Runtime, Shutdown};
use watched::watched;

/// Wakes everybody who listens, under its lock.
#[derive(Clone, Default)]
struct Bell(Arc<Mutex<Vec<(usize, Waker)>>>);

impl Bell {
    fn ring(&self) {
        let listeners = self.0.lock().expect("no panic");
        for (_, waker) in &*listeners {
            waker.wake_by_ref();
        }
    }

    fn listeners(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }
}

/// Listens for ever; its drop takes the bell's lock, and then rings.
struct Listens(Bell, usize);

impl Future for Listens {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut listeners = self.0.0.lock().expect("no panic");
        listeners.retain(|(id, _)| *id != self.1);
        listeners.push((self.1, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Listens {
    fn drop(&mut self) {
        let mut listeners = self.0.0.lock().expect("no panic");
        listeners.retain(|(id, _)| *id != self.1);
        drop(listeners);
        self.0.ring();
    }
}

fn runtimes() -> [(&'static str, Runtime); 3] {
    let two = Runtime::builder().workers(2).build();
    let seeded = Runtime::builder().seeded(3).build();
    [
        ("two workers", two.expect("builds")),
        ("current thread", Runtime::current_thread().expect("builds")),
        ("seeded", seeded.expect("builds")),
    ]
}

#[test]
fn do_not_drop_what_they_wake_where_they_are() {
    watched(|| {
        let limit = Shutdown::Deadline(Duration::from_millis(1));
        for how in [Some(Shutdown::Now), Some(limit), None] {
            for (name, runtime) in runtimes() {
                let bell = Bell::default();
                let listen = |id| runtime.spawn(Listens(bell.clone(), id));
                let tasks: Vec<_> = (0..50).map(listen).collect();
                let spawner = runtime.spawner();
                runtime.block_on(async {
                    while bell.listeners() < 50 {
                        spawner.sleep(Duration::from_micros(50)).await;
                    }
                });
                if let Some(how) = how {
                    let report = runtime.shutdown(how);
                    assert_eq!(
                        (report.cancelled, report.leaked),
                        (50, 0),
                        "{name} {report}"
                    );
                }
                drop(runtime);
                for task in tasks {
                    assert!(matches!(task.join(), Err(JoinError::Cancelled)), "{name}");
                }
                assert_eq!(bell.listeners(), 0, "{name}");
            }
        }
    });
}

#[test]
fn come_from_elsewhere_while_it_ends() {
    watched(|| {
        for _ in 0..50 {
            let runtime = Runtime::builder().workers(2).build().expect("builds");
            let bell = Bell::default();
            let tasks: Vec<_> = (0..20)
                .map(|id| runtime.spawn(Listens(bell.clone(), id)))
                .collect();
            let ringer = {
                let bell = bell.clone();
                thread::spawn(move || {
                    while Arc::strong_count(&bell.0) > 2 {
                        bell.ring();
                        thread::yield_now();
                    }
                })
            };
            while bell.listeners() < 20 {
                thread::yield_now();
            }
            let _ = runtime.shutdown(Shutdown::Deadline(Duration::ZERO));
            drop(runtime);
            for task in tasks {
                assert!(matches!(task.join(), Err(JoinError::Cancelled)));
            }
            ringer.join().expect("ends");
        }
    });
}
