//! Threads that wait for a moment, on any ground; and a lock made of that.
//!
//! # Protocol
//! A waiter pushes its waker, looks at its condition once more, and parks. Whoever makes the
//! condition true takes the whole list and wakes everybody on it. A waiter that finds its
//! condition true without having been woken leaves its waker behind: the thread gets one token
//! too many then, which every user of [`Ground::park`] has to expect.
//!
//! # Why nothing is lost
//! The pusher has a sequentially consistent fence between push and look, the waker one between
//! change and take. One of the two fences is first: either the waker finds the waiter on the
//! list, or the waiter finds the change.

use alloc::boxed::Box;
use core::{ptr, task::Waker};

use exec_core::{
    Ground, Nanos,
    sync::{
        TryLock,
        atomic::{
            AtomicPtr,
            Ordering::{Acquire, Relaxed, Release, SeqCst},
            fence,
        },
    },
};

struct Node {
    waker: Waker,
    next: *mut Node,
}

/// A list of wakers that is pushed to one by one and taken as a whole.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// Nodes from `Box::into_raw`; taken as a whole, so no node is ever in two lists.
    head: AtomicPtr<Node>,
}

impl Waiters {
    pub(crate) const fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Waits until `ready`, which is asked again after each [`wake_all`](Self::wake_all); `false`
    /// when `until` came first.
    ///
    /// # Blocking
    /// Until then.
    pub(crate) fn wait(
        &self,
        ground: &impl Ground,
        until: Option<Nanos>,
        mut ready: impl FnMut() -> bool,
    ) -> bool {
        loop {
            if ready() {
                return true;
            }
            self.push(ground.unparker());
            // ORDERING: between push and look; pairs with the fence of `wake_all`.
            fence(SeqCst);
            if ready() {
                return true;
            }
            if until.is_some_and(|at| ground.now() >= at) {
                return false;
            }
            ground.park(until);
        }
    }

    fn push(&self, waker: Waker) {
        let node = Box::into_raw(Box::new(Node {
            waker,
            next: ptr::null_mut(),
        }));
        // ORDERING: only a guess, checked by the exchange.
        let mut head = self.head.load(Relaxed);
        loop {
            // SAFETY: the node is not on the list yet, so it is this thread's alone.
            unsafe { (*node).next = head };
            // ORDERING: Release publishes the node to `take`.
            match self
                .head
                .compare_exchange_weak(head, node, Release, Relaxed)
            {
                Ok(_) => return,
                Err(seen) => head = seen,
            }
        }
    }

    /// Wakes everybody who waits now. The caller has made their condition true before.
    pub(crate) fn wake_all(&self) {
        // ORDERING: between change and look; pairs with the fence of `wait`.
        fence(SeqCst);
        // ORDERING: a look only; the swap in `take` acquires.
        if self.head.load(Relaxed).is_null() {
            return;
        }
        self.take(Waker::wake);
    }

    fn take(&self, mut each: impl FnMut(Waker)) {
        // ORDERING: Acquire pairs with the Release of every `push`.
        let mut head = self.head.swap(ptr::null_mut(), Acquire);
        while !head.is_null() {
            // SAFETY: the swap took the whole list, so its nodes are this thread's alone; they
            // came from `Box::into_raw`.
            let node = unsafe { Box::from_raw(head) };
            head = node.next;
            each(node.waker);
        }
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        self.take(drop);
    }
}

/// A lock that parks on any ground, for sections that are short and call nothing foreign.
#[derive(Debug)]
pub(crate) struct Lock<T> {
    value: TryLock<T>,
    waiters: Waiters,
}

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: TryLock::new(value),
            waiters: Waiters::new(),
        }
    }

    /// Runs `f` on the value when no other thread does. `f` must not panic or call foreign code.
    ///
    /// # Blocking
    /// Until the threads that are before this one are done with theirs.
    pub(crate) fn with<R>(&self, ground: &impl Ground, f: impl FnOnce(&mut T) -> R) -> R {
        let mut f = Some(f);
        let mut result = None;
        self.waiters.wait(ground, None, || {
            result = self.value.try_with(|value| {
                let f = f
                    .take()
                    .expect("invariant: `f` runs once, and ends the wait");
                f(value)
            });
            result.is_some()
        });
        self.waiters.wake_all();
        result.expect("invariant: the wait ends when `f` has run")
    }
}
