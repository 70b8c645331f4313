//! The ground that schedulers stand on: threads on recycled stacks, parking, one local pointer.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ptr;

use exec_core::Job;
use exec_core::ground::{CreateReason, Ground, Nanos, ThreadJoinError, ThreadSpec, Threads};
use exec_core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use user::kernel::{Kernel, Thread};

pub(crate) const CASES: &[super::Case] = &[
    ("threads run once and are joined", joined),
    ("bad stack sizes and names come back", bad_specs),
    ("a stack is as large as asked", large_stack),
    ("stacks are used again", recycled),
    ("detached threads are reaped", detached),
    ("a thread cannot join itself", own),
    ("an unpark before the park is kept", token),
    ("parks end in time", timed_park),
    ("a waker outlives its thread", late_wake),
    ("park and unpark lose nothing", ping_pong),
    ("each thread has its own local pointer", local),
    ("refused jobs come back when threads run out", exhausted),
];

fn create(spec: &ThreadSpec, body: impl FnOnce() + Send + 'static) -> Thread {
    Kernel
        .create(spec, Job::new(body))
        .expect("a thread can be created")
}

fn start(body: impl FnOnce() + Send + 'static) -> Thread {
    create(&ThreadSpec::new(), body)
}

fn joined() {
    let count = Arc::new(AtomicU32::new(0));
    for name in [
        "",
        "short",
        "a name that is longer than the sixty-three bytes that the ground keeps",
    ] {
        let inner = Arc::clone(&count);
        let spec = ThreadSpec::new().name(name);
        let thread = create(&spec, move || {
            inner.fetch_add(1, SeqCst);
        });
        assert!(!Kernel.is_current(&thread));
        assert_eq!(Kernel.join(thread), Ok(0));
    }
    assert_eq!(count.load(SeqCst), 3);
    assert_eq!(Arc::strong_count(&count), 1, "the jobs were dropped");
}

fn bad_specs() {
    for spec in [
        ThreadSpec::new().stack_size(0),
        ThreadSpec::new().stack_size(usize::MAX),
        ThreadSpec::new().stack_size((64 << 20) + 1),
        ThreadSpec::new().name("zero\0inside"),
    ] {
        let ran = Arc::new(AtomicU32::new(0));
        let inner = Arc::clone(&ran);
        let job = Job::new(move || {
            inner.fetch_add(1, SeqCst);
        });
        let refused = Kernel.create(&spec, job).expect_err("the spec is bad");
        assert!(
            matches!(refused.reason, CreateReason::BadSpec(_)),
            "{refused}"
        );
        // The job is whole, and still the caller's to run.
        assert!(refused.entry.run().is_ok());
        assert_eq!(ran.load(SeqCst), 1);
    }
}

fn large_stack() {
    for size in [1, 16 << 10, 100_000, 1 << 20, 8 << 20] {
        let spec = ThreadSpec::new().stack_size(size);
        let thread = create(&spec, move || {
            // A quarter of it in one frame's worth of pages, touched from top to bottom.
            touch(size.max(16 << 10) / 4096 / 2);
        });
        assert_eq!(Kernel.join(thread), Ok(0), "{size} bytes");
    }
}

/// Uses more than `kib_pairs` times two KiB of stack.
#[inline(never)]
fn touch(kib_pairs: usize) -> u64 {
    let mut room = [kib_pairs as u64; 256];
    core::hint::black_box(&mut room);
    let below = if kib_pairs == 0 {
        0
    } else {
        touch(kib_pairs - 1)
    };
    below + room[kib_pairs % 256]
}

fn recycled() {
    let addresses: Vec<_> = (0..20)
        .map(|_| {
            let place = Arc::new(AtomicUsize::new(0));
            let inner = Arc::clone(&place);
            let thread = start(move || {
                let here = 0_u8;
                inner.store(&raw const here as usize, SeqCst);
            });
            Kernel.join(thread).expect("it can be joined");
            place.load(SeqCst)
        })
        .collect();
    assert!(
        addresses.iter().all(|address| *address == addresses[0]),
        "{addresses:x?}"
    );
}

fn detached() {
    let count = Arc::new(AtomicU32::new(0));
    // Many more than fit the thread table at once: ended ones must be reaped on the way.
    const THREADS: u32 = 10_000;
    for started in 0..THREADS {
        let inner = Arc::clone(&count);
        let thread = start(move || {
            inner.fetch_add(1, SeqCst);
        });
        // Sometimes the thread is first, sometimes the drop.
        if started % 2 == 0 {
            while count.load(SeqCst) <= started {
                Kernel.yield_now();
            }
        }
        drop(thread);
        while count.load(SeqCst) + 50 < started {
            Kernel.yield_now();
        }
    }
    while count.load(SeqCst) < THREADS {
        Kernel.yield_now();
    }
}

fn own() {
    let slot: Arc<exec_core::sync::TryLock<Option<Thread>>> =
        Arc::new(exec_core::sync::TryLock::new(None));
    let ready = Arc::new(AtomicU32::new(0));
    let (inner, told) = (Arc::clone(&slot), Arc::clone(&ready));
    let thread = start(move || {
        while told.load(SeqCst) == 0 {
            Kernel.yield_now();
        }
        let own = inner
            .try_with(Option::take)
            .flatten()
            .expect("it was put there");
        assert!(Kernel.is_current(&own));
        assert_eq!(Kernel.join(own), Err(ThreadJoinError::WouldDeadlock));
        told.store(2, SeqCst);
    });
    slot.try_with(|slot| *slot = Some(thread))
        .expect("nobody else looks yet");
    ready.store(1, SeqCst);
    while ready.load(SeqCst) != 2 {
        Kernel.yield_now();
    }
}

fn token() {
    let waker = Kernel.unparker();
    waker.wake_by_ref();
    waker.wake();
    Kernel.park(None);
}

fn timed_park() {
    for limit in [0, 1, 3_000_000] {
        let until = Nanos(Kernel.now().0 + limit);
        while Kernel.now() < until {
            Kernel.park(Some(until));
        }
    }
    // A time that has passed, and a token beside an endless wait.
    Kernel.park(Some(Nanos(0)));
    Kernel.unparker().wake();
    Kernel.park(Some(Nanos::MAX));
}

fn late_wake() {
    let slot = Arc::new(exec_core::sync::TryLock::new(None));
    let inner = Arc::clone(&slot);
    let thread = start(move || {
        let waker = Kernel.unparker();
        inner
            .try_with(|slot| *slot = Some(waker))
            .expect("nobody else looks yet");
    });
    Kernel.join(thread).expect("it can be joined");
    // Another thread on the same stack must not be what the old waker wakes into trouble.
    let thread = start(|| Kernel.yield_now());
    let waker = slot
        .try_with(Option::take)
        .flatten()
        .expect("it was put there");
    waker.wake_by_ref();
    Kernel.join(thread).expect("it can be joined");
    waker.wake();
}

fn ping_pong() {
    const ROUNDS: u32 = 3000;
    let turn = Arc::new(AtomicU32::new(0));
    let here = Kernel.unparker();
    let there = Arc::new(exec_core::sync::TryLock::new(None));
    let (inner, put) = (Arc::clone(&turn), Arc::clone(&there));
    let thread = start(move || {
        put.try_with(|slot| *slot = Some(Kernel.unparker()))
            .expect("nobody else looks yet");
        inner.store(1, SeqCst);
        here.wake_by_ref();
        for round in 1..=ROUNDS {
            while inner.load(SeqCst) != 2 * round {
                Kernel.park(None);
            }
            inner.store(2 * round + 1, SeqCst);
            here.wake_by_ref();
        }
    });
    while turn.load(SeqCst) != 1 {
        Kernel.park(None);
    }
    let there = there
        .try_with(Option::take)
        .flatten()
        .expect("it was put there");
    for round in 1..=ROUNDS {
        turn.store(2 * round, SeqCst);
        there.wake_by_ref();
        while turn.load(SeqCst) != 2 * round + 1 {
            Kernel.park(None);
        }
    }
    assert_eq!(Kernel.join(thread), Ok(0));
}

/// A block as the ground's convention wants it: the first word tells the owner.
struct Local {
    _owner: *const u8,
    number: usize,
}

fn local() {
    assert!(Kernel.local().is_null());
    let threads: Vec<_> = (1..8)
        .map(|number| {
            start(move || {
                assert!(
                    Kernel.local().is_null(),
                    "a fresh thread has somebody's pointer"
                );
                let mut block = Local {
                    _owner: ptr::null(),
                    number,
                };
                // SAFETY: the block lives until the pointer is put back below.
                unsafe { Kernel.set_local((&raw mut block).cast()) };
                for _ in 0..200 {
                    Kernel.yield_now();
                    let local: *const Local = Kernel.local().cast_const().cast();
                    // SAFETY: set above, and the block lives.
                    assert_eq!(unsafe { (*local).number }, number);
                }
                // SAFETY: null is always allowed.
                unsafe { Kernel.set_local(ptr::null_mut()) };
            })
        })
        .collect();
    for thread in threads {
        Kernel.join(thread).expect("it can be joined");
    }
    assert!(Kernel.local().is_null());
}

fn exhausted() {
    let gate = Arc::new(AtomicU32::new(0));
    let ran = Arc::new(AtomicU32::new(0));
    let spec = ThreadSpec::new().stack_size(1);
    let mut threads = Vec::new();
    let refused = loop {
        let (gate, ran) = (Arc::clone(&gate), Arc::clone(&ran));
        let job = Job::new(move || {
            while gate.load(SeqCst) == 0 {
                let _ = user::syscall::futex_wait(&gate, 0, u64::MAX);
            }
            ran.fetch_add(1, SeqCst);
        });
        match Kernel.create(&spec, job) {
            Ok(thread) => threads.push(thread),
            Err(refused) => break refused,
        }
    };
    assert!(
        matches!(refused.reason, CreateReason::OutOfThreads(_)),
        "{refused}"
    );
    gate.store(1, SeqCst);
    assert!(refused.entry.run().is_ok());
    user::syscall::futex_wake(gate.as_ptr(), u32::MAX).expect("a good address");
    let count = threads.len() as u32;
    for thread in threads {
        assert_eq!(Kernel.join(thread), Ok(0));
    }
    assert_eq!(ran.load(SeqCst), count + 1);
}
