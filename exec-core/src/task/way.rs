//! How the handle of a cell waits: by the model's shared waiter, or by a receipt of its own.
//!
//! A handle is one word. What it needs besides lies in the cell, where the kinds of cell keep as
//! much of it as they have to: [`Kept`] keeps both, [`OfHome`] nothing, since the model's home
//! knows its waiter.
//!
//! # Protocol
//! The handle writes its receipt before it exists for anybody, and drops it when it goes; nobody
//! else looks. So a thread that is joined by its receipt is let go with the handle, and not with
//! the last waker.

use core::ptr::NonNull;

use crate::{executor::Ticket, sync::UnsafeCell, wait::Waiter};

/// What a handle waits by.
pub(crate) trait Way<S: ?Sized>: Sized {
    /// The model's waiter.
    fn shared(&self, home: &S) -> &'static dyn Waiter;

    /// Where the handle's receipt lies, if it has one.
    fn ticket(&self) -> Option<&UnsafeCell<Ticket>>;
}

/// The waiter and the receipt, kept in the cell.
pub(crate) struct Kept {
    waiter: &'static dyn Waiter,
    ticket: UnsafeCell<Ticket>,
}

impl Kept {
    pub(crate) fn new(waiter: &'static dyn Waiter) -> Self {
        Self {
            waiter,
            ticket: UnsafeCell::new(Ticket::shared()),
        }
    }
}

impl<S: ?Sized> Way<S> for Kept {
    fn shared(&self, _: &S) -> &'static dyn Waiter {
        self.waiter
    }

    fn ticket(&self) -> Option<&UnsafeCell<Ticket>> {
        Some(&self.ticket)
    }
}

/// The home of a future that knows how its model waits.
pub trait Waits {
    /// The model's waiter.
    fn waiter(&self) -> &'static dyn Waiter;
}

/// Nothing: the home knows the waiter, and there are no receipts.
pub(crate) struct OfHome;

impl<S: Waits> Way<S> for OfHome {
    fn shared(&self, home: &S) -> &'static dyn Waiter {
        home.waiter()
    }

    fn ticket(&self) -> Option<&UnsafeCell<Ticket>> {
        None
    }
}

/// The waiter of a ticket, for as long as the handle lives.
///
/// # Safety
/// The caller is the handle.
pub(crate) unsafe fn own(ticket: &UnsafeCell<Ticket>) -> Option<NonNull<dyn Waiter>> {
    // SAFETY: by the caller; only the handle writes here.
    ticket.with(|ticket| unsafe { (*ticket).waiter() }.map(NonNull::from))
}

/// Puts a ticket in the place of the former one, which comes back.
///
/// # Safety
/// The caller is the handle, or makes it.
pub(crate) unsafe fn replace(place: &UnsafeCell<Ticket>, ticket: Ticket) -> Ticket {
    // SAFETY: by the caller; nobody else reads or writes here.
    place.with_mut(|place| unsafe { core::ptr::replace(place, ticket) })
}
