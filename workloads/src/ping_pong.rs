//! Two tasks pass a token n times: what a model takes to suspend one task and wake another.
//!
//! # Protocol
//! Each task owns a [`Mailbox`] and knows the other's. It takes the token out of its own,
//! counts it up and puts it into the other's. Each task knows which tokens will come its way
//! and returns after its last.

use alloc::sync::Arc;
use core::future::poll_fn;
use core::task::Poll;
use exec_core::sync::atomic::{AtomicU64, Ordering};

use atomic_waker::AtomicWaker;
use exec_core::{Executor, Handle, JoinError};

use crate::mix::mix;

/// Room for one token and for the task that waits for it.
#[derive(Default)]
struct Mailbox {
    /// The token plus one; 0 means that there is none.
    token: AtomicU64,
    /// The owner, while it waits.
    owner: AtomicWaker,
}

impl Mailbox {
    fn put(&self, token: u64) {
        // ORDERING: nothing else is handed over with the token, which is its own message;
        // `wake` and `register` synchronise, so that the owner's next look sees it.
        self.token.store(token + 1, Ordering::Release);
        self.owner.wake();
    }

    async fn take(&self) -> u64 {
        poll_fn(|cx| {
            // Registered first: a token that comes after the look below finds the waker.
            self.owner.register(cx.waker());
            // ORDERING: pairs with the store in `put`.
            match self.token.swap(0, Ordering::Acquire) {
                0 => Poll::Pending,
                token => Poll::Ready(token - 1),
            }
        })
        .await
    }
}

/// Makes the two tasks that pass a token `n` times; the first one holds it already.
///
/// Each returns the sum over the tokens that came its way. They belong together: one alone
/// waits for ever.
pub fn tasks(
    n: u64,
) -> (
    impl Future<Output = u64> + Send + 'static,
    impl Future<Output = u64> + Send + 'static,
) {
    let boxes = [Arc::new(Mailbox::default()), Arc::new(Mailbox::default())];
    boxes[0].put(0);
    // One task gets the even tokens, the other one the odd ones, up to the last.
    let task = |first: u64, own: usize| {
        let (own, other) = (Arc::clone(&boxes[own]), Arc::clone(&boxes[1 - own]));
        async move {
            let mut sum = 0_u64;
            let mut expected = first;
            while expected <= n {
                let token = own.take().await;
                sum = sum.wrapping_add(mix(token));
                if token < n {
                    other.put(token + 1);
                }
                expected += 2;
            }
            sum
        }
    };
    (task(0, 0), task(1, 1))
}

/// Passes a token `n` times between two tasks.
///
/// # Errors
/// The first task's that could not be run.
///
/// # Blocking
/// Until both tasks have ended.
pub fn run<E: Executor + ?Sized>(handle: &Handle<E>, n: u64) -> Result<u64, JoinError> {
    let (ping, pong) = tasks(n);
    let (ping, pong) = (handle.spawn_async(ping), handle.spawn_async(pong));
    Ok(ping.join()?.wrapping_add(pong.join()?))
}

/// The same sum in a loop.
#[must_use]
pub fn serial(n: u64) -> u64 {
    (0..=n).fold(0, |sum, token| sum.wrapping_add(mix(token)))
}
