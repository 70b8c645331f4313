//! Spawning: jobs that nobody waits for, and jobs with a handle.
//!
//! A spawn on a worker goes to its own deque, newest first, and when that is long to its
//! [spill](crate::queue), oldest first; a spawn from elsewhere goes to the injector, oldest first. `spawn_fifo` puts the job behind the earlier ones of the same worker:
//! it goes to a queue of that worker, and a token to the deque takes the oldest from there.

use exec_core::{
    Job, JoinHandle, Reason, Rejected, Ticket, Wake,
    sync::Arc,
    task::{Schedule, TaskRef, spawn_future},
    unwind,
};

use crate::{
    executor::WAITER,
    global,
    job::QueuedJob,
    registry::{Refused, Registry},
    worker::Worker,
};

/// Runs `f` on the pool of the current worker, or else on the global one. Nobody waits for it.
///
/// A panic of it goes to the pool's panic handler. After a shutdown it is dropped unrun.
pub fn spawn<F: FnOnce() + Send + 'static>(f: F) {
    let _ = spawn_in(&global::registry_here(), f);
}

/// As [`spawn`], behind the jobs that the same worker has spawned with it before.
pub fn spawn_fifo<F: FnOnce() + Send + 'static>(f: F) {
    let _ = spawn_fifo_in(&global::registry_here(), f);
}

/// Queues `f`.
///
/// # Errors
/// The closure as a job, not run, with the reason.
#[inline]
pub(crate) fn spawn_in<F: FnOnce() + Send + 'static>(
    registry: &Registry,
    f: F,
) -> Result<(), Rejected> {
    registry.spawn(|| QueuedJob::new(f)).map_err(rejected)
}

#[cold]
fn rejected((job, reason): Refused) -> Rejected {
    Rejected::new(job.into_job(), reason)
}

/// Queues `f` behind the earlier ones of this worker.
///
/// # Errors
/// As [`spawn_in`].
pub(crate) fn spawn_fifo_in<F: FnOnce() + Send + 'static>(
    registry: &Arc<Registry>,
    f: F,
) -> Result<(), Rejected> {
    let Some(worker) = Worker::current_of(registry) else {
        // The injector gives the oldest first anyway.
        return spawn_in(registry, f);
    };
    if registry.is_closed() {
        return Err(rejected((QueuedJob::new(f), Reason::ShutDown)));
    }
    let queue = registry.clone();
    let index = worker.index();
    registry.seats()[index].push_fifo(QueuedJob::new(f));
    let token = QueuedJob::new(move || queue.run_fifo(index));
    // A full queue refuses the token; the worker runs the oldest job itself, now.
    if let Err((token, _)) = worker.push(|| token)
        && let Err(payload) = token.run()
    {
        registry.unseen_panic(payload);
    }
    Ok(())
}

/// Takes a job of the generic layer.
#[inline]
pub(crate) fn schedule(registry: &Registry, job: Job) -> Result<Ticket, Rejected> {
    match registry.spawn(|| job.into()) {
        Ok(()) => Ok(Ticket::shared()),
        Err(refused) => Err(rejected(refused)),
    }
}

/// Takes the next poll of a future: while a drain lasts, too.
pub(crate) fn reschedule(registry: &Registry, job: Job, wake: Wake) -> Result<(), Rejected> {
    let queued = match wake {
        Wake::Woken => registry.enqueue(|| job.into()),
        // It asked to run after others: the far end of the line.
        Wake::Yielded => registry.inject(|| job.into()),
    };
    queued.map_err(rejected)
}

/// Where the polls of a future that the pool spawned go.
#[derive(Clone)]
struct Home(Arc<Registry>);

impl Schedule for Home {
    fn schedule(&self, job: Job, wake: Wake) {
        if let Err(Rejected { job, .. }) = reschedule(&self.0, job, wake) {
            // Dropping the job drops the future and tells its joiner: foreign code.
            let _ = unwind::drop_caught(job).map_err(unwind::discard);
        }
    }
    fn adopt(&self, task: TaskRef) -> usize {
        self.0.adopt(task)
    }
    fn disown(&self, key: usize) -> Option<TaskRef> {
        self.0.disown(key);
        None
    }
}

/// Spawns a future.
pub(crate) fn spawn_async_in<F>(registry: &Arc<Registry>, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_future(future, Home(registry.clone()), &WAITER, |job, home| {
        schedule(&home.0, job)
    })
}
