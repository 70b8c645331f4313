//! The pool behind the trait.

use core::{future::Future, pin::Pin};

use exec_core::{
    Caps, Executor, Ground, Job, Meta, Nested, Rejected, Shutdown, ShutdownReport, Stats,
    StdGround, Ticket, Wake, fork_join, wait::Waiter,
};

use crate::{block_on, pool::ThreadPool, shared::WhenFull, shutdown, worker};

impl Executor for ThreadPool {
    #[inline]
    fn schedule(&self, job: Job, meta: &Meta<'_>) -> Result<Ticket, Rejected> {
        let when_full = if meta.wait_for_room {
            WhenFull::Wait
        } else {
            WhenFull::Refuse
        };
        self.submit_job(job, when_full)?;
        Ok(Ticket::shared())
    }

    /// Queues the poll, beyond the bound if need be, and during a drain too.
    fn reschedule(&self, job: Job, _: Wake) -> Result<(), Rejected> {
        self.submit_job(job, WhenFull::Exceed)
    }

    fn waiter(&self) -> &'static dyn Waiter {
        self.shared.waiter
    }

    fn ground(&self) -> &dyn Ground {
        &StdGround
    }

    fn caps(&self) -> Caps {
        Caps::new("pool-basic", self.shared.workers)
            .parallel_join(true)
            .nested(Nested::Refuses)
    }

    /// `b` is queued, and runs here after `a` when no worker has taken it.
    fn join_dyn(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        fork_join(self, a, b);
    }

    /// Parks between polls; on a worker of the pool, runs queued jobs meanwhile.
    fn block_on_dyn(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        match worker::current() {
            Some(worker) if worker.is_of(&self.shared) => block_on::help(&worker, future),
            _ => exec_core::block_on::park(&StdGround, future),
        }
    }

    fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        shutdown::shutdown(&self.shared, &self.threads, how)
    }

    fn stats(&self) -> Stats {
        Self::stats(self)
    }
}
