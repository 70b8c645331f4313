//! A stack that any thread pushes to without ever waiting, and that is emptied as a whole.
//!
//! # States
//! `top` is null (empty), a node, or `CLOSED`; nothing leaves `CLOSED`.
//!
//! # Why nothing is lost
//! A push is one exchange of `top`; emptying is one swap. As nodes leave only all together, a
//! node cannot leave and come back between a push's look and its exchange.

use alloc::{boxed::Box, vec::Vec};
use core::ptr;

use exec_core::sync::atomic::{
    AtomicPtr,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// The address that says "closed"; no node has it, since nodes are aligned to a word.
const CLOSED: usize = 1;

struct Node<J> {
    value: J,
    below: *mut Node<J>,
}

/// See the module head.
pub(crate) struct Stack<J> {
    top: AtomicPtr<Node<J>>,
}

// SAFETY: the stack moves values between threads and never shares them.
unsafe impl<J: Send> Send for Stack<J> {}
// SAFETY: as for `Send`.
unsafe impl<J: Send> Sync for Stack<J> {}

impl<J> Stack<J> {
    /// An empty stack.
    pub(crate) fn new() -> Self {
        Self {
            top: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Adds `value`. Allocates.
    ///
    /// # Errors
    /// The value, when the stack is closed.
    pub(crate) fn push(&self, value: J) -> Result<(), J> {
        let node = Box::into_raw(Box::new(Node {
            value,
            below: ptr::null_mut(),
        }));
        // ORDERING: Acquire pairs with `close`: who is refused sees what came before it.
        let mut top = self.top.load(Acquire);
        loop {
            if top.addr() == CLOSED {
                // SAFETY: the node was made above and never published.
                return Err(unsafe { Box::from_raw(node) }.value);
            }
            // SAFETY: as above; nobody else knows the node yet.
            unsafe { (*node).below = top };
            // ORDERING: Release publishes the node to `take`.
            match self.top.compare_exchange_weak(top, node, Release, Acquire) {
                Ok(_) => return Ok(()),
                Err(seen) => top = seen,
            }
        }
    }

    /// Whether nothing is there.
    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING: a hint; callers that must not miss anything fence before.
        let top = self.top.load(Relaxed);
        top.is_null() || top.addr() == CLOSED
    }

    /// Whether it has been closed.
    pub(crate) fn is_closed(&self) -> bool {
        // ORDERING: pairs with the AcqRel of `close`.
        self.top.load(Acquire).addr() == CLOSED
    }

    /// Takes all there is, oldest first.
    pub(crate) fn take(&self) -> Vec<J> {
        if self.is_empty() {
            return Vec::new();
        }
        // ORDERING: Acquire on success pairs with the Release of `push`; a closed stack stays so.
        let taken = self.top.fetch_update(AcqRel, Relaxed, |top| {
            (top.addr() != CLOSED).then_some(ptr::null_mut())
        });
        Self::unlink(taken.unwrap_or(ptr::null_mut()))
    }

    /// Refuses every later push and takes all there is, oldest first.
    pub(crate) fn close(&self) -> Vec<J> {
        // ORDERING: Acquire pairs with `push`; Release with `is_closed`.
        let top = self.top.swap(ptr::without_provenance_mut(CLOSED), AcqRel);
        if top.addr() == CLOSED {
            return Vec::new();
        }
        Self::unlink(top)
    }

    fn unlink(mut node: *mut Node<J>) -> Vec<J> {
        let mut values = Vec::new();
        while !node.is_null() {
            // SAFETY: the swap gave this thread the whole chain, each node a box.
            let taken = unsafe { Box::from_raw(node) };
            node = taken.below;
            values.push(taken.value);
        }
        values.reverse();
        values
    }
}

impl<J> Drop for Stack<J> {
    fn drop(&mut self) {
        drop(self.close());
    }
}
