//! Running user code that may panic.
//!
//! With `std` a panic is caught and carried as a [`Payload`]. Without it there is no unwinding
//! (our kernel builds with `panic = "abort"`), so user code is simply called.

use alloc::boxed::Box;
use core::any::Any;

/// What a panic carried.
pub type Payload = Box<dyn Any + Send + 'static>;

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
