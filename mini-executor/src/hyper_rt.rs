//! hyper's executor and timer: a [`Spawner`] is both.
//!
//! Connections are hyper's `Read` and `Write` themselves ([`io`](crate::io)), so a server needs no
//! adapter at all.

use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{boxed::Box, time::Instant};

use exec_core::Threads;
use hyper::rt;

use crate::{spawner::Spawner, time::sleep::Sleep};

impl<T: Threads, F> rt::Executor<F> for Spawner<T>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    /// Spawns `future` and lets it go. After the end of the runtime it is dropped.
    fn execute(&self, future: F) {
        self.spawn(future).detach();
    }
}

/// A timer as hyper holds it.
struct Waiting<T: Threads>(Sleep<T>);

impl<T: Threads> Future for Waiting<T> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T: Threads> rt::Sleep for Waiting<T> {}

impl<T: Threads> rt::Timer for Spawner<T> {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Waiting(Self::sleep(self, duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Waiting(Self::sleep(self, until(deadline))))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Waiting<T>>() {
            Some(mut waiting) => {
                let at = self.now().saturating_add(until(deadline));
                waiting.0.reset(at);
            }
            // Of another runtime's kind.
            None => *sleep = rt::Timer::sleep_until(self, deadline),
        }
    }
}

/// The ground counts its own time, so an instant is translated by how far it is away.
fn until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
