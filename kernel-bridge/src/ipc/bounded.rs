//! The bounded buffer of producers and consumers, in shared memory.
//!
//! # Protocol
//! Three semaphores: `free` counts places, `used` counts items, `lock` lets one at a time move an end.
//! A producer takes a free place, writes it under the lock and posts an item; a consumer the other
//! way round. The region's first two words are the places of the next item in and out.
//!
//! # Why nothing is lost
//! Each place is counted by exactly one of the two semaphores, or held by the one who moves it. A
//! process that dies in between keeps its place, and if it held the lock, all others wait: like any
//! lock, this one knows nothing of its holder's end.

use exec_core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{Ipc, IpcError, Region, Semaphore, Wait};

const NEXT_IN: usize = 0;
const NEXT_OUT: usize = 1;
const FIRST: usize = 2;

/// A queue of `u32` items for any number of producers and consumers, in any processes that have forked
/// from the one that made it.
///
/// # Examples
/// ```
/// # #[cfg(target_os = "linux")] {
/// use kernel_bridge::Host;
/// use kernel_bridge::ipc::{BoundedBuffer, Wait};
///
/// let buffer = BoundedBuffer::new(Host, 2).unwrap();
/// buffer.put(7, Wait::No).unwrap();
/// assert_eq!(buffer.take(Wait::No), Ok(7));
/// # }
/// ```
#[derive(Debug)]
pub struct BoundedBuffer<I: Ipc> {
    region: I::Region,
    free: I::Semaphore,
    used: I::Semaphore,
    lock: I::Semaphore,
    places: usize,
}

impl<I: Ipc> BoundedBuffer<I> {
    /// An empty buffer with so many places.
    ///
    /// # Errors
    /// Those of the ground; [`IpcError::BadArgument`] for no places.
    pub fn new(ipc: I, places: usize) -> Result<Self, IpcError> {
        let count = u32::try_from(places).map_err(|_| IpcError::BadArgument)?;
        if count == 0 {
            return Err(IpcError::BadArgument);
        }
        Ok(Self {
            region: ipc.region(FIRST + places)?,
            free: ipc.semaphore(count)?,
            used: ipc.semaphore(0)?,
            lock: ipc.semaphore(1)?,
            places,
        })
    }

    /// Puts an item in.
    ///
    /// # Errors
    /// [`IpcError::WouldBlock`], [`IpcError::TimedOut`].
    ///
    /// # Blocking
    /// While the buffer is full, as `wait` allows; and for the lock, which is held for a few lines.
    pub fn put(&self, item: u32, wait: Wait) -> Result<(), IpcError> {
        self.free.take(wait)?;
        let place = self.next(NEXT_IN)?;
        place.store(item, Relaxed);
        self.lock.post()?;
        self.used.post()
    }

    /// Takes the oldest item.
    ///
    /// # Errors
    /// [`IpcError::WouldBlock`], [`IpcError::TimedOut`].
    ///
    /// # Blocking
    /// While the buffer is empty; as for [`put`](Self::put).
    pub fn take(&self, wait: Wait) -> Result<u32, IpcError> {
        self.used.take(wait)?;
        let item = self.next(NEXT_OUT)?.load(Relaxed);
        self.lock.post()?;
        self.free.post()?;
        Ok(item)
    }

    /// Takes the lock and moves an end; returns the place that it stood at.
    fn next(&self, end: usize) -> Result<&AtomicU32, IpcError> {
        self.lock.take(Wait::Forever)?;
        let words = self.region.words();
        // ORDERING: Relaxed, here and for the items: under the lock, and the semaphores order the rest.
        let at = words[end].load(Relaxed) as usize % self.places;
        words[end].store(((at + 1) % self.places) as u32, Relaxed);
        Ok(&words[FIRST + at])
    }
}
