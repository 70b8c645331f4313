//! Running user code that may panic.
//!
//! With `std` a panic is caught and carried as a [`Payload`]. Without it there is no unwinding
//! (our kernel builds with `panic = "abort"`), so user code is simply called.

use alloc::boxed::Box;
use core::any::Any;

/// What a panic carried.
pub type Payload = Box<dyn Any + Send + 'static>;

/// What a job panicked with, as a [`JoinError`](crate::JoinError) carries it.
///
/// A payload need not be `Sync`, and an error should be: errors are boxed, shared and kept. So all
/// that a reference gives is the text; the payload itself is had by value.
pub struct Panic(Payload);

// SAFETY: a reference reaches nothing of the payload but its type and the text of a `&str` or a
// `String`, which are `Sync` (`message`).
unsafe impl Sync for Panic {}

impl Panic {
    /// The panic with this payload.
    pub fn new(payload: Payload) -> Self {
        Self(payload)
    }

    /// The payload.
    pub fn into_payload(self) -> Payload {
        self.0
    }

    /// Its text, as [`message`].
    pub fn message(&self) -> Option<&str> {
        message(&self.0)
    }
}

impl core::fmt::Debug for Panic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Panic").field(&self.message()).finish()
    }
}

/// Runs `f` and catches its panic.
///
/// # Errors
/// The payload of the panic that ended `f`.
#[inline]
pub fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    #[cfg(feature = "std")]
    return std::panic::catch_unwind(core::panic::AssertUnwindSafe(f));
    #[cfg(not(feature = "std"))]
    return Ok(f());
}

/// Goes on with a panic that [`catch`] stopped, without calling the panic hook again.
///
/// # Panics
/// Always; that is its purpose.
pub fn resume(payload: Payload) -> ! {
    #[cfg(feature = "std")]
    std::panic::resume_unwind(payload);
    #[cfg(not(feature = "std"))]
    {
        let _ = payload;
        panic!("a panic was carried on a ground that does not unwind");
    }
}

/// Drops `value` and catches a panic of its `Drop`.
///
/// # Errors
/// The payload of that panic.
#[inline]
pub fn drop_caught<T>(value: T) -> Result<(), Payload> {
    catch(move || drop(value))
}

/// Throws a payload away.
///
/// A payload whose own `Drop` panics is leaked: it has been reported once, and no unwind may
/// leave a worker.
pub fn discard(payload: Payload) {
    if let Err(again) = drop_caught(payload) {
        core::mem::forget(again);
    }
}

/// The text of a payload, where it is one of the two types that `panic!` makes.
pub fn message(payload: &Payload) -> Option<&str> {
    payload.downcast_ref::<&'static str>().copied().or_else(|| {
        payload
            .downcast_ref::<alloc::string::String>()
            .map(|s| s.as_str())
    })
}

/// Aborts the process when it is dropped: held over code that must not unwind.
///
/// Forget it (`core::mem::forget`) when the danger is over.
#[derive(Debug)]
pub struct AbortOnDrop(
    /// What to say before the end.
    pub &'static str,
);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        #[cfg(feature = "std")]
        {
            std::eprintln!("exec-core: {}; aborting", self.0);
            std::process::abort();
        }
        #[cfg(not(feature = "std"))]
        panic!("{}", self.0);
    }
}
