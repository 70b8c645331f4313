//! How many jobs of a scope have not ended, and how its owner learns that none are left.
//!
//! # Protocol
//! The count has one share for the owner, while the body runs, and one a job. Jobs that the owner
//! spawns and runs itself need not touch it: the owner takes shares in stock, [`STOCK`] at a time,
//! gives one to each job that it spawns, and gets one back from each that it runs. It returns its
//! stock before it asks whether all have ended. Everybody else adds and takes away one share.
//!
//! # Why nothing is lost
//! A share in stock keeps the count above zero, so nobody is last while the owner has any. When
//! it has returned them, whoever takes the last share away knows that it is the last, and unparks
//! the owner *after* that; the owner parks only after it has seen shares left, and the thread's
//! token remembers an unpark that comes before the park.

use exec_core::sync::{
    atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    seeded,
};

/// Shares that an owner takes at once.
const STOCK: usize = if cfg!(loom) { 2 } else { 128 };

/// The count.
#[derive(Debug)]
pub struct Shares(AtomicUsize);

impl Shares {
    /// With the owner's share.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(AtomicUsize::new(1))
    }

    /// Adds the share of one job.
    #[inline]
    pub fn add(&self) {
        // ORDERING: the owner's share, or the running job's, keeps the count above zero.
        self.0.fetch_add(1, Relaxed);
    }

    /// Takes one share away; `true` when it was the last. The scope may be gone then.
    #[inline]
    #[must_use]
    pub fn end_one(&self) -> bool {
        let order = if seeded("scope: an end publishes nothing") {
            Relaxed
        } else {
            // ORDERING: Release publishes the job's work, Acquire passes on that of the others.
            AcqRel
        };
        self.0.fetch_sub(1, order) == 1
    }

    /// Whether none are left.
    #[inline]
    pub fn is_done(&self) -> bool {
        // ORDERING: pairs with the AcqRel of `end_one`.
        self.0.load(Acquire) == 0
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// Shares that the owner has in stock; only its own thread calls the methods that change it.
#[derive(Debug)]
pub struct Stock(AtomicUsize);

impl Stock {
    /// None.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Owner: takes one share out, for a job.
    #[inline]
    pub fn take(&self, shares: &Shares) {
        // ORDERING: relaxed here and below: one thread's alone. For the count, see `add`.
        let mut stock = self.0.load(Relaxed);
        if stock == 0 {
            shares.0.fetch_add(STOCK, Relaxed);
            stock = STOCK;
        }
        self.0.store(stock - 1, Relaxed);
    }

    /// Owner: puts the share of a job back that it has run itself.
    #[inline]
    pub fn give_back(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }

    /// Owner: returns all, so that the count tells whether the jobs have ended.
    #[inline]
    pub fn return_to(&self, shares: &Shares) {
        let stock = self.0.load(Relaxed);
        if stock != 0 && !seeded("scope: the owner keeps its stock") {
            self.0.store(0, Relaxed);
            shares.0.fetch_sub(stock, AcqRel);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}
