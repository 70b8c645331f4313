//! Joining: one winner, full statuses, errors, numbers that come again, and the race with exit.

use alloc::sync::Arc;
use alloc::vec::Vec;

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::kernel::{schedule::STATES, trace};
use user::syscall::{self, Errno, Tid};
use user::{chart, thread};

pub(crate) const CASES: &[super::Case] = &[
    ("statuses arrive whole", statuses),
    ("an unknown thread", unknown),
    ("the caller itself", own),
    ("a thread joined already", twice),
    ("one of two waiting joiners wins", two_joiners),
    ("a chain of joins", chain),
    ("numbers never confuse two threads", reuse),
    ("join against exit", race),
    ("a joined thread has ended in the recording", recorded),
    ("a detached thread cannot be joined", detached),
    ("the thread table fills and empties", table),
];

/// The last state of a thread is recorded before its joiner can go on, on whatever processor.
fn recorded() {
    let alone = syscall::cpu_count() == 1;
    for round in 0..200_u32 {
        trace::begin();
        let thread = thread::spawn(|| 0);
        let tid = thread.tid();
        // Spins, so that it is on another processor when the thread ends, if there is one.
        while syscall::thread_stats(Some(tid)).is_ok() {
            if alone {
                syscall::yield_now();
            }
        }
        // It is about to leave its code: comes a little later each time.
        (0..round).for_each(|step| {
            core::hint::black_box(step);
        });
        thread.join();
        trace::end();
        let steps = chart::steps();
        let last = steps.iter().rfind(|step| step.tid == tid.0);
        let state = last.and_then(|step| STATES.get(step.state as usize));
        assert_eq!(state, Some(&"terminated"), "thread {tid:?}");
    }
}

fn statuses() {
    for status in [0, 1, -1, 255, 256, -77, i32::MAX, i32::MIN] {
        assert_eq!(thread::spawn(move || status).join(), status);
    }
}

fn unknown() {
    for tid in [0, 999_999, u64::MAX, 1 << 63] {
        let mut status = 4711_i32;
        let args = [tid as usize, &raw mut status as usize, 0, 0, 0, 0];
        // SAFETY: the status is ours; the kernel must not even write it.
        let result = unsafe { syscall::raw(syscall::number::THREAD_JOIN, args) };
        assert!(result < 0, "{tid:#x} gave {result}");
        assert_eq!(status, 4711, "{tid:#x} wrote a status");
    }
}

fn own() {
    let result = syscall::thread_join(syscall::gettid());
    assert!(
        matches!(result, Err(Errno::EDEADLK | Errno::EINVAL)),
        "{result:?}"
    );
    let thread = thread::spawn(|| match syscall::thread_join(syscall::gettid()) {
        Err(Errno::EDEADLK | Errno::EINVAL) => 1,
        _ => 0,
    });
    assert_eq!(thread.join(), 1);
}

fn twice() {
    let (tid, stack) = thread::spawn(|| 3).into_parts();
    assert_eq!(syscall::thread_join(tid), Ok(3));
    let again = syscall::thread_join(tid);
    assert!(
        matches!(again, Err(Errno::ESRCH | Errno::EINVAL)),
        "{again:?}"
    );
    drop(stack);
}

fn two_joiners() {
    for _ in 0..50 {
        let gate = Arc::new(AtomicU32::new(0));
        let inner = Arc::clone(&gate);
        let (target, stack) = thread::spawn(move || {
            while inner.load(SeqCst) == 0 {
                let _ = syscall::futex_wait(&inner, 0, u64::MAX);
            }
            42
        })
        .into_parts();
        // Both are somewhere before, in or after the call when the target ends.
        let joiners: Vec<_> = (0..2)
            .map(|_| {
                thread::spawn(move || match syscall::thread_join(target) {
                    Ok(status) => status,
                    Err(Errno::EINVAL | Errno::ESRCH) => -1,
                    Err(_) => -2,
                })
            })
            .collect();
        syscall::yield_now();
        gate.store(1, SeqCst);
        syscall::futex_wake(gate.as_ptr(), u32::MAX).expect("a good address");
        let mut results: Vec<_> = joiners.into_iter().map(thread::Thread::join).collect();
        results.sort_unstable();
        assert_eq!(results, [-1, 42]);
        drop(stack);
    }
}

fn chain() {
    let mut last = thread::spawn(|| 1);
    for _ in 0..40 {
        let before = last;
        last = thread::spawn(move || before.join() + 1);
    }
    assert_eq!(last.join(), 41);
}

fn reuse() {
    let mut old: Vec<Tid> = Vec::new();
    let keeper_gate = Arc::new(AtomicU32::new(0));
    let inner = Arc::clone(&keeper_gate);
    let keeper = thread::spawn(move || {
        while inner.load(SeqCst) == 0 {
            let _ = syscall::futex_wait(&inner, 0, u64::MAX);
        }
        9
    });
    for round in 0..300 {
        let thread = thread::spawn(move || round);
        let tid = thread.tid();
        assert!(
            tid != keeper.tid() && tid != syscall::gettid(),
            "two threads share {tid:?}"
        );
        assert!(
            !old.contains(&tid),
            "{tid:?} was given out again after {round} threads"
        );
        assert_eq!(thread.join(), round);
        old.push(tid);
    }
    for tid in old {
        let result = syscall::thread_join(tid);
        assert!(
            matches!(result, Err(Errno::ESRCH | Errno::EINVAL)),
            "{tid:?}: {result:?}"
        );
    }
    keeper_gate.store(1, SeqCst);
    syscall::futex_wake(keeper_gate.as_ptr(), 1).expect("a good address");
    assert_eq!(keeper.join(), 9);
}

fn race() {
    for round in 0..1000_i32 {
        let thread = thread::spawn(move || {
            // Ends before, while or after its joiner goes to sleep.
            for _ in 0..(round % 7) * 40 {
                core::hint::spin_loop();
            }
            if round % 5 == 0 {
                syscall::yield_now();
            }
            round
        });
        for _ in 0..(round % 11) * 25 {
            core::hint::spin_loop();
        }
        assert_eq!(thread.join(), round);
    }
}

fn detached() {
    let unknown = syscall::thread_detach(Tid(u64::MAX));
    assert_eq!(unknown, Err(Errno::ESRCH));
    // More than fit the table at once: the numbers must come back by themselves.
    for round in 0..5000 {
        let ended = Arc::new(AtomicU32::new(0));
        let inner = Arc::clone(&ended);
        let (tid, stack) = thread::spawn(move || {
            if round % 2 == 0 {
                syscall::yield_now();
            }
            inner.store(1, SeqCst);
            0
        })
        .into_parts();
        assert_eq!(syscall::thread_detach(tid), Ok(()));
        let joined = syscall::thread_join(tid);
        assert!(
            matches!(joined, Err(Errno::ESRCH | Errno::EINVAL)),
            "{joined:?}"
        );
        let again = syscall::thread_detach(tid);
        assert!(again.is_err(), "{tid:?} was detached twice");
        while ended.load(SeqCst) == 0 {
            syscall::yield_now();
        }
        // Nobody can know when a detached thread has left its stack for good.
        core::mem::forget(stack);
    }
}

fn table() {
    let mut first = None;
    let mut free = None;
    for _ in 0..3 {
        let gate = Arc::new(AtomicU32::new(0));
        let mut threads = Vec::new();
        let refused = loop {
            let inner = Arc::clone(&gate);
            let started = thread::try_spawn(c"crowd", move || {
                while inner.load(SeqCst) == 0 {
                    let _ = syscall::futex_wait(&inner, 0, u64::MAX);
                }
                1
            });
            match started {
                Ok(thread) => threads.push(thread),
                Err(why) => break why,
            }
            assert!(threads.len() < 100_000, "the thread table has no end");
        };
        assert_eq!(refused, Errno::EAGAIN, "after {} threads", threads.len());
        let count = threads.len();
        gate.store(1, SeqCst);
        syscall::futex_wake(gate.as_ptr(), u32::MAX).expect("a good address");
        let ended: i32 = threads.into_iter().map(thread::Thread::join).sum();
        assert_eq!(ended as usize, count);
        // Everything came back: the next round gets as many, and no page was lost for a thread. The
        // heap may have touched a few more.
        assert_eq!(*first.get_or_insert(count), count);
        let now = syscall::free_memory();
        let before = *free.get_or_insert(now);
        assert!(now + 64 >= before, "{before} pages were free, now {now}");
    }
}
