//! The runtime behind the family's trait.

use alloc::{boxed::Box, sync::Arc};
use core::{future::Future, pin::Pin, task::Waker};

use exec_core::{
    Caps, Executor, Ground, Job, Meta, Nanos, Nested, Reason, Rejected, Shutdown, ShutdownReport,
    Stats, Threads, Ticket, Wake, fork_join,
    task::{Probe, Schedule, TaskRef},
    wait::Waiter,
};

use crate::{observe::Observed, runtime::Runtime, wait::TaskWaiter};

impl<T: Threads> Executor for Runtime<T> {
    fn schedule(&self, job: Job, _: &Meta<'_>) -> Result<Ticket, Rejected> {
        self.shared().spawn(job).map(|()| Ticket::shared())
    }

    fn reschedule(&self, job: Job, wake: Wake) -> Result<(), Rejected> {
        self.shared()
            .wake(job, wake)
            .map_err(|job| Rejected::new(job, Reason::ShutDown))
    }

    fn adopt(&self, task: TaskRef) -> usize {
        self.shared().adopt(task)
    }

    fn disown(&self, key: usize) {
        drop(self.shared().disown(key));
    }

    fn probe(&self, meta: &Meta<'_>, bytes: usize) -> Option<Box<dyn Probe>> {
        let shared = self.shared();
        shared.observer.is_on().then(|| {
            let name = meta.name.map(Arc::from);
            Box::new(Observed::new(shared, name, meta.location, bytes)) as Box<dyn Probe>
        })
    }

    fn home(&self) -> Option<Arc<dyn Schedule>> {
        Some(self.shared().clone())
    }

    fn waiter(&self) -> &'static dyn Waiter {
        TaskWaiter::<T>::shared()
    }

    fn ground(&self) -> &dyn Ground {
        &self.shared().ground
    }

    fn caps(&self) -> Caps {
        Caps::new("mini-executor", self.workers())
            .native_futures(true)
            .parallel_join(true)
            .nested(Nested::HelpsAny)
    }

    fn join_dyn(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        fork_join(self, a, b);
    }

    fn block_on_dyn(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        self.shared().drive(future);
    }

    fn wake_at(&self, until: Nanos, waker: &Waker) -> bool {
        self.shared().wake_at(until, waker)
    }

    fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        self.shared().shutdown(how)
    }

    fn stats(&self) -> Stats {
        Self::stats(self)
    }
}
