//! The host's threads as a ground.
//!
//! [`Host`] is std's threads with three differences that a scheduler needs: a thread that cannot
//! be created gives its entry back, a wrong stack size or name is an error and not a panic, and a
//! join that could never end says so.
//!
//! # Protocol of create
//! std's builder consumes its closure even when it fails, so the entry does not travel in the
//! closure. It lies in a slot that the new thread and the creator share: the thread takes it when
//! it starts, the creator takes it back when there is no thread.
//!
//! # Protocol of join
//! On Unix the thread is joined through pthread's own call. A thread that joins itself is told so
//! before that. Two threads that join each other hang, as they do everywhere; where the system
//! sees it (glibc does when one of them is early enough) it answers `EDEADLK`, which is an error
//! here, while std would panic.

use std::cell::Cell;

use exec_core::{
    CreateError, CreateReason, Ground, Job, Nanos, StdGround, ThreadJoinError, ThreadSpec, Threads,
    sync::{
        Arc, TryLock,
        atomic::{AtomicBool, Ordering::Relaxed},
        thread,
    },
    unwind,
};

/// The smallest stack that is made: what a thread of the host needs to start at all.
pub const MIN_STACK: usize = 16 << 10;

/// The largest stack that is made: 1 TiB, or 1 GiB where addresses have 32 bits.
pub const MAX_STACK: usize = if usize::BITS < 64 {
    1 << 30
} else {
    (1_u64 << 40) as usize
};

/// What a thread ends with when its entry panicked and nobody else will see the panic.
const PANICKED: i32 = 101;

std::thread_local! {
    /// `Threads::local`; no destructor, so it can be read at any time of a thread's life.
    static LOCAL: Cell<*mut ()> = const { Cell::new(core::ptr::null_mut()) };
}

/// The threads of the operating system this program runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host;

/// A thread of the host; dropping it detaches the thread.
#[derive(Debug)]
pub struct HostThread {
    handle: thread::JoinHandle<()>,
    shared: Arc<Shared>,
}

/// What a thread and the holder of its handle share.
#[derive(Debug)]
struct Shared {
    entry: TryLock<Option<Job>>,
    panicked: AtomicBool,
}

impl Shared {
    fn take_entry(&self) -> Option<Job> {
        self.entry.try_with(Option::take).flatten()
    }

    /// The body of the new thread.
    fn run(&self) {
        let entry = self
            .take_entry()
            .expect("invariant: the entry lies in the slot until the one thread starts");
        if let Err(payload) = entry.run() {
            // ORDERING: read after the thread was joined, which orders everything.
            self.panicked.store(true, Relaxed);
            unwind::discard(payload);
        }
    }
}

impl Ground for Host {
    fn park(&self, until: Option<Nanos>) {
        StdGround.park(until);
    }
    fn unparker(&self) -> core::task::Waker {
        StdGround.unparker()
    }
    fn yield_now(&self) {
        StdGround.yield_now();
    }
    fn now(&self) -> Nanos {
        StdGround.now()
    }
    fn parallelism(&self) -> usize {
        StdGround.parallelism()
    }
}

impl Threads for Host {
    type Thread = HostThread;

    fn create(&self, spec: &ThreadSpec, entry: Job) -> Result<HostThread, CreateError> {
        let builder = match builder(spec) {
            Ok(builder) => builder,
            Err(reason) => return Err(CreateError { entry, reason }),
        };
        let shared = Arc::new(Shared {
            entry: TryLock::new(Some(entry)),
            panicked: AtomicBool::new(false),
        });
        let inside = shared.clone();
        match builder.spawn(move || inside.run()) {
            Ok(handle) => Ok(HostThread { handle, shared }),
            Err(error) => Err(CreateError {
                entry: shared
                    .take_entry()
                    .expect("invariant: no thread was started that could take the entry"),
                reason: CreateReason::OutOfThreads(error.to_string().into()),
            }),
        }
    }

    fn join(&self, thread: HostThread) -> Result<i32, ThreadJoinError> {
        if self.is_current(&thread) {
            return Err(ThreadJoinError::WouldDeadlock);
        }
        let HostThread { handle, shared } = thread;
        join(handle)?;
        // ORDERING: the join orders it.
        Ok(if shared.panicked.load(Relaxed) {
            PANICKED
        } else {
            0
        })
    }

    fn is_current(&self, thread: &HostThread) -> bool {
        thread.handle.thread().id() == thread::current().id()
    }

    #[inline]
    fn local(&self) -> *mut () {
        LOCAL.get()
    }

    unsafe fn set_local(&self, p: *mut ()) {
        LOCAL.set(p);
    }

    fn be_punctual(&self) {
        #[cfg(target_os = "linux")]
        {
            // A nanosecond; 0 would stand for the system's own 50 µs.
            let slack: libc::c_ulong = 1;
            // SAFETY: this option takes a number and changes nothing but this thread's timers.
            // A system that refuses leaves them as they are.
            let _ = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, slack) };
        }
    }
}

/// A builder for the spec, or why there is none.
fn builder(spec: &ThreadSpec) -> Result<thread::Builder, CreateReason> {
    let mut builder = thread::Builder::new();
    if let Some(name) = &spec.name {
        if name.contains('\0') {
            return Err(CreateReason::BadSpec(
                "a thread's name cannot contain a zero byte".into(),
            ));
        }
        builder = builder.name(name.clone().into_owned());
    }
    if let Some(bytes) = spec.stack_size {
        if !(MIN_STACK..=MAX_STACK).contains(&bytes) {
            return Err(CreateReason::BadSpec(
                format!("a stack of {bytes} bytes; it must have {MIN_STACK} to {MAX_STACK} bytes")
                    .into(),
            ));
        }
        builder = builder.stack_size(bytes);
    }
    Ok(builder)
}

#[cfg(unix)]
fn join(handle: thread::JoinHandle<()>) -> Result<(), ThreadJoinError> {
    use std::os::unix::thread::JoinHandleExt;

    let thread = handle.into_pthread_t();
    // SAFETY: `into_pthread_t` passed on the one right to join or detach this thread, which has
    // done neither; a null result pointer is allowed.
    let code = unsafe { libc::pthread_join(thread, core::ptr::null_mut()) };
    if code == 0 {
        return Ok(());
    }
    // SAFETY: a join that failed has not used up the right.
    unsafe { libc::pthread_detach(thread) };
    Err(if code == libc::EDEADLK {
        ThreadJoinError::WouldDeadlock
    } else {
        ThreadJoinError::Unknown
    })
}

#[cfg(not(unix))]
fn join(handle: thread::JoinHandle<()>) -> Result<(), ThreadJoinError> {
    handle.join().map_err(|payload| {
        unwind::discard(payload);
        ThreadJoinError::Unknown
    })
}
