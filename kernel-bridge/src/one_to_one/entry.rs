//! What a thread of the executor runs: its job, and for a future all polls that follow.
//!
//! # Why nothing is lost
//! The entry travels to the new thread as a [`Job`] of its own. When the ground cannot make the
//! thread it hands that job back, and [`recover`](Entry::recover) takes the user's job out of it again. An entry
//! that a ground drops unrun cancels its job and still leaves the executor's count.

use alloc::boxed::Box;

use exec_core::{Job, JobVTable, Payload, Threads, sync::Arc};

use super::{
    driver::Driver,
    shared::{Counts, Shared},
};

pub(super) struct Entry<T: Threads> {
    job: Job,
    driver: Option<Arc<Driver>>,
    /// Declared last: the count is left when the rest is gone.
    admission: Admission<T>,
}

/// One thread's place in the count of its executor.
pub(super) struct Admission<T: Threads>(Arc<Shared<T>>);

impl<T: Threads> Admission<T> {
    /// The caller has been admitted.
    pub(super) fn new(shared: &Arc<Shared<T>>) -> Self {
        Self(shared.clone())
    }
}

impl<T: Threads> Drop for Admission<T> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<T: Threads> Entry<T> {
    const VTABLE: JobVTable = JobVTable {
        run: Self::run_raw,
        drop: Self::drop_raw,
    };

    /// The job that the new thread is given.
    pub(super) fn into_job(job: Job, driver: Option<Arc<Driver>>, admission: Admission<T>) -> Job {
        let entry = Box::into_raw(Box::new(Self {
            job,
            driver,
            admission,
        }));
        // SAFETY: a job uses one function of the vtable, once; each takes the box over. All that
        // is inside is `Send`, and neither function unwinds: see there.
        unsafe { Job::from_raw(entry.cast(), &Self::VTABLE) }
    }

    fn run(self) {
        let Self {
            job,
            driver,
            admission,
        } = self;
        let shared = &*admission.0;
        shared.enter(|| match driver {
            None => shared.ran(job.run()),
            Some(driver) => {
                driver.attach(shared.ground.unparker());
                let mut next = Some(job);
                while let Some(job) = next {
                    shared.ran(job.run());
                    next = driver.next(&shared.ground, shared.counts());
                }
            }
        });
        Counts::add(&shared.counts().finished);
    }

    unsafe fn run_raw(data: *mut ()) -> Result<(), Payload> {
        // SAFETY: `data` is the box of `into_job`, and this is its one use.
        let entry = unsafe { Box::from_raw(data.cast::<Self>()) };
        entry.run();
        Ok(())
    }

    unsafe fn drop_raw(data: *mut ()) {
        // SAFETY: as in `run_raw`. Dropping a job does not unwind, by its own contract.
        drop(unsafe { Box::from_raw(data.cast::<Self>()) });
    }

    /// The user's job out of an entry that came back.
    ///
    /// # Errors
    /// The job itself when it is not an entry of ours: the ground handed back another one.
    pub(super) fn recover(entry: Job) -> Result<Job, Job> {
        let (data, vtable) = entry.into_raw();
        if !core::ptr::eq(vtable, &Self::VTABLE) {
            // SAFETY: the parts that `into_raw` has just given.
            return Err(unsafe { Job::from_raw(data, vtable) });
        }
        // SAFETY: the vtable says that `data` is the box of `into_job`, and `into_raw` passed on
        // the right to use it.
        let entry = unsafe { Box::from_raw(data.cast::<Self>()) };
        Ok(entry.job)
    }
}
