//! The lab for one's own code: any closure that takes a [`Handle`](crate::Handle), under every model.

#[cfg(feature = "criterion")]
mod criterion;
mod lab;
mod page;
mod process;
mod workload;

pub use self::lab::Lab;
