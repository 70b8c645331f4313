//! Long-term scheduling: which new process may begin to compete for the CPUs.
//!
//! # Protocol
//! A job is admitted at once if fewer processes than the degree of multiprogramming are in, and there
//! is enough free memory; else it waits in the queue, first come, first served. Each end of a process
//! makes room for the next, and whoever frees memory may ask again.
//!
//! # Why nothing stands still
//! With no process in, the first job is admitted whatever the memory says, and so is the next one when
//! no CPU has anything to run: those that are in may all wait for it, and what it asks for then it gets
//! or is refused. A program that waits for a child that waits for the degree is kept waiting until
//! another process ends: with a degree below what a set of processes needs to make progress together,
//! they make none. That is what the degree means; it is set at boot.

use alloc::collections::VecDeque;

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission<T> {
    /// It is in.
    Admitted(T),
    /// It waits in the queue.
    Waits,
}

/// The jobs that wait, and how many are in.
#[derive(Debug)]
pub struct JobQueue<T> {
    waiting: VecDeque<T>,
    admitted: usize,
    degree: usize,
    least_free_pages: usize,
}

impl<T> JobQueue<T> {
    /// Admits up to `degree` processes while `least_free_pages` are free.
    #[must_use]
    pub const fn new(degree: usize, least_free_pages: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            admitted: 0,
            degree,
            least_free_pages,
        }
    }

    /// Changes the degree; processes that are in stay in.
    pub fn set_degree(&mut self, degree: usize) {
        self.degree = degree;
    }

    /// Brings a new job; others that wait go first.
    pub fn submit(&mut self, job: T, free_pages: usize) -> Admission<T> {
        if self.waiting.is_empty() && self.has_room(free_pages, false) {
            self.admitted += 1;
            return Admission::Admitted(job);
        }
        self.waiting.push_back(job);
        Admission::Waits
    }

    /// A process that was in has ended; the caller [asks for the next](Self::next).
    pub fn ended(&mut self) {
        self.admitted -= 1;
    }

    /// The next job, if it may go in now; `is_still` says that no CPU has anything to run.
    #[must_use]
    pub fn next(&mut self, free_pages: usize, is_still: bool) -> Option<T> {
        if !self.has_room(free_pages, is_still) {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.admitted += 1;
        Some(job)
    }

    /// How many are in, and how many wait.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.admitted, self.waiting.len())
    }

    fn has_room(&self, free_pages: usize, is_still: bool) -> bool {
        let has_memory = is_still || free_pages >= self.least_free_pages;
        self.admitted == 0 || self.admitted < self.degree && has_memory
    }
}
