//! Driving a future on a worker of the pool it may wait for.
//!
//! # Protocol
//! Off the pool, the thread parks between polls. On a worker it helps instead: it runs queued
//! jobs until the future is woken, since the job that wakes it may be one of those. It is not
//! counted as blocked meanwhile: a worker that helps takes jobs like any other, and what it waits
//! for may come from outside the pool.
//!
//! # Why nothing is lost
//! A wake sets the flag and then wakes who has subscribed; subscribing looks at the flag under the
//! same lock. The flag is cleared before a poll, so a wake during the poll counts.

use core::{
    future::Future,
    pin::Pin,
    task::{Context, Waker},
};
use std::task::Wake;

use exec_core::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    wait::Completion,
};

use crate::worker::Worker;

/// Whether a future was woken since its last poll.
#[derive(Debug, Default)]
struct Woken {
    flag: AtomicBool,
    waiter: Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release pairs with the Acquire of `is_done`.
        self.flag.store(true, Release);
        let waiter = self.waiter.lock().take();
        // Outside of the lock: waking is somebody else's code.
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

impl Completion for Woken {
    fn is_done(&self) -> bool {
        // ORDERING: pairs with the Release of `wake`.
        self.flag.load(Acquire)
    }
    fn subscribe(&self, waker: &Waker) -> bool {
        let mut waiter = self.waiter.lock();
        if self.is_done() {
            return true;
        }
        *waiter = Some(waker.clone());
        false
    }
}

/// Polls `future` on a worker until it is ready, and helps between polls.
pub(crate) fn help(worker: &Worker, mut future: Pin<&mut dyn Future<Output = ()>>) {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    while future.as_mut().poll(&mut cx).is_pending() {
        worker.help(&*woken);
        // ORDERING: Acquire pairs with the Release of a wake that came since `help` looked; the
        // poll that follows sees what it was about.
        woken.flag.swap(false, Acquire);
    }
}
