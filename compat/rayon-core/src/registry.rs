//! What keeps a pool alive, and which pool the current thread belongs to.
//!
//! # Shutdown
//! A [`Home`] is held by the user's [`ThreadPool`](crate::ThreadPool), and by every closure that
//! was spawned, from the spawn to its end. Scopes, joins and installs need not hold it: their
//! caller does, or is held up inside a closure that does. So when the last holder lets go, nothing
//! is left to run; the pool is closed without waiting, and its workers leave by themselves.
//!
//! A worker knows its home by a weak pointer: it must not keep alive what it waits for. Only a
//! worker's exit handler can find its home gone; what it spawns runs there and then.

use std::{cell::RefCell, sync::OnceLock};

use exec_core::sync::{Arc, Condvar, Mutex, Weak};
use pool_workstealing::{ThreadPool, Worker};

use crate::{
    ThreadPoolBuildError, ThreadPoolBuilder, broadcast::BroadcastContext, error::Kind,
    thread_builder::ThreadSpawn,
};

/// A pool, shared by all that must not outlive it.
#[derive(Debug)]
pub(crate) struct Home {
    /// Gone only while this is dropped.
    pool: Option<ThreadPool>,
    /// `spawn` queues behind earlier spawns.
    fifo: bool,
    begun: Arc<Begun>,
}

impl Home {
    pub(crate) fn new(pool: ThreadPool, fifo: bool) -> Arc<Self> {
        Arc::new(Self {
            pool: Some(pool),
            fifo,
            begun: Arc::default(),
        })
    }

    /// What counts its threads.
    pub(crate) fn begun(&self) -> &Arc<Begun> {
        &self.begun
    }

    /// The pool.
    #[inline]
    pub(crate) fn pool(&self) -> &ThreadPool {
        self.pool
            .as_ref()
            .expect("invariant: taken out by the drop only")
    }

    /// Queues a closure, which keeps the pool open until it has ended.
    pub(crate) fn spawn(self: &Arc<Self>, f: impl FnOnce() + Send + 'static) {
        if self.fifo {
            return self.spawn_fifo(f);
        }
        let home = self.clone();
        self.pool().spawn(move || {
            let _home = home;
            f();
        });
    }

    /// As [`spawn`](Self::spawn), behind what the same worker has queued with this before.
    pub(crate) fn spawn_fifo(self: &Arc<Self>, f: impl FnOnce() + Send + 'static) {
        let home = self.clone();
        self.pool().spawn_fifo(move || {
            let _home = home;
            f();
        });
    }

    /// Queues a closure for every worker.
    pub(crate) fn spawn_broadcast<F>(self: &Arc<Self>, f: F)
    where
        F: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
    {
        let home = self.clone();
        self.pool().spawn_broadcast(move |context| {
            let _home = &home;
            f(context);
        });
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.detach();
        }
    }
}

thread_local! {
    /// The home of the worker that this thread is.
    static HERE: RefCell<Weak<Home>> = const { RefCell::new(Weak::new()) };
}

/// The current thread becomes a worker of `home`, or stops being one.
pub(crate) fn move_to(home: Weak<Home>) {
    HERE.set(home);
}

/// The home of the current worker, or else the global one. `None`: it is closed already.
pub(crate) fn here() -> Option<Arc<Home>> {
    if Worker::with_current(|worker| worker.is_some()) {
        HERE.with_borrow(Weak::upgrade)
    } else {
        Some(global().clone())
    }
}

static GLOBAL: OnceLock<Arc<Home>> = OnceLock::new();

/// The global pool; built with the defaults at its first use.
///
/// # Panics
/// When the system gives no thread for it.
#[inline]
pub(crate) fn global() -> &'static Arc<Home> {
    match GLOBAL.get() {
        Some(home) => home,
        None => build_default(),
    }
}

#[cold]
fn build_default() -> &'static Arc<Home> {
    let result = set_global(|| match ThreadPoolBuilder::new().build_home() {
        // Without threads in this system, the thread that asks is the pool.
        Err(error) if error.is_unsupported() => ThreadPoolBuilder::new()
            .num_threads(1)
            .use_current_thread()
            .build_home()
            .map_err(|_| error),
        result => result,
    });
    match (GLOBAL.get(), result) {
        // Built here, or by another thread meanwhile.
        (Some(home), _) => home,
        (None, Ok(())) => unreachable!("the global pool was built and is not there"),
        (None, Err(error)) => panic!("the global thread pool could not be built: {error}"),
    }
}

/// Builds the global pool as `builder` says.
///
/// # Errors
/// When it is there already, or can't be built; it can be tried again then.
///
/// # Blocking
/// Until its threads run.
pub(crate) fn build_global<S: ThreadSpawn>(
    builder: ThreadPoolBuilder<S>,
) -> Result<(), ThreadPoolBuildError> {
    set_global(|| builder.build_home())?;
    let home = global();
    home.begun.wait(home.pool().current_num_threads());
    Ok(())
}

fn set_global(
    build: impl FnOnce() -> Result<Arc<Home>, ThreadPoolBuildError>,
) -> Result<(), ThreadPoolBuildError> {
    /// Held while the global pool is built, so that two are never started.
    static BUILDING: OnceLock<Mutex<()>> = OnceLock::new();
    let _building = BUILDING.get_or_init(Mutex::default).lock();
    if GLOBAL.get().is_some() {
        return Err(Kind::GlobalExists.into());
    }
    let home = build()?;
    GLOBAL
        .set(home)
        .map_err(|_| ThreadPoolBuildError::from(Kind::GlobalExists))
}

/// Counts the threads of a pool that have begun to run.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    count: Mutex<usize>,
    more: Condvar,
}

impl Begun {
    /// One more has.
    pub(crate) fn add(&self) {
        *self.count.lock() += 1;
        self.more.notify_all();
    }

    /// Waits until `threads` have.
    ///
    /// # Blocking
    /// Until then.
    pub(crate) fn wait(&self, threads: usize) {
        let mut count = self.count.lock();
        while *count < threads {
            count = self.more.wait(count);
        }
    }
}
