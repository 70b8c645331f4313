//! How a [`OneToOne`] is made.

use alloc::{borrow::Cow, boxed::Box};
use core::{fmt, marker::PhantomData};

use exec_core::{Payload, ThreadSpec, Threads, sync::Arc};

use super::{OneToOne, shared::Shared};

/// What is called with the payload of a panic that nobody joins.
pub(super) type PanicHandler = Box<dyn Fn(Payload) + Send + Sync>;

/// Options of a [`OneToOne`].
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// use kernel_bridge::{Host, OneToOne};
/// let model = OneToOne::<Host>::builder().name("job").limit(64).build();
/// assert_eq!(exec_core::Handle::new(model).spawn(|| 6 * 7).join().unwrap(), 42);
/// # }
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<T> {
    pub(super) spec: ThreadSpec,
    pub(super) limit: usize,
    pub(super) panic_handler: Option<PanicHandler>,
    ground: PhantomData<fn() -> T>,
}

impl<T: Threads> Builder<T> {
    pub(super) fn new() -> Self {
        Self {
            spec: ThreadSpec::new(),
            limit: usize::MAX >> 1,
            panic_handler: None,
            ground: PhantomData,
        }
    }

    /// The name of threads whose job has none of its own; without it, the ground's default.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.spec = self.spec.name(name);
        self
    }

    /// Bytes of stack for each thread; a size that the ground cannot give is told at each spawn.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.spec = self.spec.stack_size(bytes);
        self
    }

    /// How many threads may live at once; a job beyond that is refused with
    /// [`Reason::OutOfThreads`](exec_core::Reason::OutOfThreads). Without it, only the ground
    /// limits.
    pub fn limit(mut self, threads: usize) -> Self {
        self.limit = threads.min(usize::MAX >> 1);
        self
    }

    /// What to do with the panic of a job that nobody joins. Without it, the panic hook's message
    /// is all there is. A panic of the handler itself is caught and thrown away.
    pub fn panic_handler(mut self, handler: impl Fn(Payload) + Send + Sync + 'static) -> Self {
        self.panic_handler = Some(Box::new(handler));
        self
    }

    /// Makes the executor. No thread is created yet.
    pub fn build(self) -> OneToOne<T> {
        OneToOne {
            shared: Arc::new(Shared::new(self)),
        }
    }
}

impl<T> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("spec", &self.spec)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
