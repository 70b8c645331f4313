//! [`Kernel`]: our kernel as the ground that a scheduler stands on.

use core::task::Waker;

use exec_core::Job;
use exec_core::ground::{
    CreateError, CreateReason, Ground, Nanos, ThreadJoinError, ThreadSpec, Threads,
};

use super::syscall::{self, Errno};
use super::thread::{self, Refused, Thread, Why};

/// The ground of a program in our kernel: threads, parking and time by its system calls.
///
/// # Examples
/// ```no_run
/// use exec_core::ground::Ground;
/// use kernel_bridge::kernel::Kernel;
///
/// assert!(Kernel.parallelism() >= 1);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

impl Ground for Kernel {
    fn park(&self, until: Option<Nanos>) {
        thread::park(until.map(|until| until.0));
    }

    fn unparker(&self) -> Waker {
        thread::unparker()
    }

    fn yield_now(&self) {
        syscall::yield_now();
    }

    fn now(&self) -> Nanos {
        Nanos(syscall::clock())
    }

    fn parallelism(&self) -> usize {
        syscall::cpu_count()
    }
}

impl Threads for Kernel {
    type Thread = Thread;

    fn create(&self, spec: &ThreadSpec, entry: Job) -> Result<Thread, CreateError> {
        let name = spec.name.as_deref().unwrap_or("thread");
        let stack = spec.stack_size.unwrap_or(thread::DEFAULT_STACK);
        thread::create(name, stack, entry).map_err(|Refused { job, why }| CreateError {
            entry: job,
            reason: reason(why),
        })
    }

    fn join(&self, thread: Thread) -> Result<i32, ThreadJoinError> {
        thread::join(thread).map_err(|why| match why {
            Errno::EDEADLK => ThreadJoinError::WouldDeadlock,
            _ => ThreadJoinError::Unknown,
        })
    }

    fn is_current(&self, thread: &Thread) -> bool {
        thread::is_current(thread)
    }

    fn local(&self) -> *mut () {
        thread::local()
    }

    unsafe fn set_local(&self, p: *mut ()) {
        thread::set_local(p);
    }

    fn exit_group(&self, code: i32) {
        syscall::exit_group(code)
    }
}

/// What a user is told.
fn reason(why: Why) -> CreateReason {
    match why {
        Why::StackSize => {
            CreateReason::BadSpec("a stack has at least 1 byte and at most 64 MiB".into())
        }
        Why::Name => CreateReason::BadSpec("a name must not hold a zero byte".into()),
        Why::Kernel(Errno::EAGAIN) => {
            CreateReason::OutOfThreads("the kernel's thread table is full (EAGAIN)".into())
        }
        Why::Kernel(Errno::ENOMEM) => {
            CreateReason::OutOfThreads("the kernel has no memory for a stack (ENOMEM)".into())
        }
        Why::Kernel(why) => CreateReason::OutOfThreads(why.name().into()),
    }
}
