//! The kernel's threads as loom sees them: the same parking word, a condition variable for the run
//! queue. Like the kernel's, they live for ever; so nothing of loom's is dropped while a model that
//! found its bug unwinds.

use kcore::{FutexKey, Linked, ParkCell, Pause, WaitLink, Waiter};
use loom::sync::{
    Condvar, Mutex,
    atomic::{AtomicBool, Ordering},
};

/// One thread.
#[derive(Clone, Copy)]
pub struct Fiber(&'static Inner);

/// An object that lives for ever.
pub fn immortal<T>(object: T) -> &'static T {
    Box::leak(Box::new(object))
}

struct Inner {
    park: ParkCell,
    queued: AtomicBool,
    /// Whether it is in a run queue.
    ready: Mutex<bool>,
    resumed: Condvar,
    /// What the lock of a bucket protects.
    place: Mutex<(Option<FutexKey>, Option<Fiber>)>,
}

impl Fiber {
    pub fn new() -> Self {
        Self(immortal(Inner {
            park: ParkCell::new(),
            queued: AtomicBool::new(false),
            ready: Mutex::new(false),
            resumed: Condvar::new(),
            place: Mutex::new((None, None)),
        }))
    }

    /// What the kernel does to stop a thread: take a token, or switch away, and finish the parking on
    /// the other stack.
    pub fn pause(&self) -> Pause {
        if !self.0.park.take_token() && !self.0.park.finish_park() {
            let mut ready = self.0.ready.lock().unwrap();
            while !*ready {
                ready = self.0.resumed.wait(ready).unwrap();
            }
            *ready = false;
        }
        Pause::Again
    }
}

impl Linked<WaitLink> for Fiber {
    fn next(&self) -> Option<Self> {
        self.0.place.lock().unwrap().1
    }
    fn set_next(&self, next: Option<Self>) {
        self.0.place.lock().unwrap().1 = next;
    }
}

impl Waiter for Fiber {
    fn wake(&self) {
        if self.0.park.notify() {
            let mut ready = self.0.ready.lock().unwrap();
            assert!(!*ready, "a thread is in one run queue at most");
            *ready = true;
            self.0.resumed.notify_one();
        }
    }
    fn set_queued(&self, queued: bool) {
        self.0.queued.store(queued, Ordering::Release);
    }
    fn is_queued(&self) -> bool {
        self.0.queued.load(Ordering::Acquire)
    }
    fn set_key(&self, key: FutexKey) {
        self.0.place.lock().unwrap().0 = Some(key);
    }
    fn key(&self) -> FutexKey {
        self.0
            .place
            .lock()
            .unwrap()
            .0
            .expect("a queued thread has a key")
    }
    fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}
