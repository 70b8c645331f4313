//! The runtimes of one thread on `io_uring`.
//!
//! Their runtimes belong to a thread, so a subject is only a name, and the runtime is found by the
//! thread that started it, which is the one that measures.

use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;
use send_wrapper::SendWrapper;

use super::subjects::{Clock, Runtime};

#[cfg(feature = "monoio")]
pub(super) use self::of_monoio::Monoio;

#[cfg(feature = "monoio")]
mod of_monoio {
    use monoio::{IoUringDriver, RuntimeBuilder, time::TimeDriver};

    use super::*;

    thread_local! {
        static RUNTIME: RefCell<Option<monoio::Runtime<TimeDriver<IoUringDriver>>>> =
            const { RefCell::new(None) };
    }

    /// `monoio`.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Monoio;

    impl Runtime for Monoio {
        type Handle<T: Send + 'static> = monoio::task::JoinHandle<T>;

        fn start(_: usize) -> anyhow::Result<Self> {
            let builder = RuntimeBuilder::<IoUringDriver>::new().enable_timer();
            let runtime = builder.build().context("monoio could not start")?;
            RUNTIME.set(Some(runtime));
            Ok(Self)
        }

        fn block_on<F: Future>(self, future: F) -> F::Output {
            RUNTIME.with_borrow_mut(|runtime| {
                let runtime = runtime.as_mut().expect("invariant: started here");
                runtime.block_on(future)
            })
        }

        fn spawn<F>(self, future: F) -> Self::Handle<F::Output>
        where
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        {
            monoio::spawn(future)
        }

        fn detach<T: Send + 'static>(handle: Self::Handle<T>) {
            drop(handle);
        }
    }

    impl Clock for Monoio {
        fn sleep(self, duration: Duration) -> impl Future<Output = ()> + Send {
            SendWrapper::new(monoio::time::sleep(duration))
        }
    }
}

#[cfg(feature = "compio")]
pub(super) use self::of_compio::Compio;

#[cfg(feature = "compio")]
mod of_compio {
    use super::super::subjects::Sure;
    use super::*;

    thread_local! {
        static RUNTIME: RefCell<Option<compio::runtime::Runtime>> = const { RefCell::new(None) };
    }

    /// `compio`.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Compio;

    impl Runtime for Compio {
        type Handle<T: Send + 'static> = Sure<compio::runtime::JoinHandle<T>>;

        fn start(_: usize) -> anyhow::Result<Self> {
            let runtime = compio::runtime::Runtime::new().context("compio could not start")?;
            RUNTIME.set(Some(runtime));
            Ok(Self)
        }

        fn block_on<F: Future>(self, future: F) -> F::Output {
            RUNTIME.with_borrow(|runtime| {
                let runtime = runtime.as_ref().expect("invariant: started here");
                runtime.block_on(future)
            })
        }

        fn spawn<F>(self, future: F) -> Self::Handle<F::Output>
        where
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        {
            Sure(compio::runtime::spawn(future))
        }

        fn detach<T: Send + 'static>(handle: Self::Handle<T>) {
            handle.0.detach();
        }
    }

    impl Clock for Compio {
        fn sleep(self, duration: Duration) -> impl Future<Output = ()> + Send {
            SendWrapper::new(compio::runtime::time::sleep(duration))
        }
    }
}
