//! What a thread is told about itself and others: switches, calls and time.

use alloc::sync::Arc;
use alloc::vec::Vec;

use exec_core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use user::kernel::schedule;
use user::syscall::{self, Protection, ThreadStats};
use user::{process, thread};

pub(crate) const CASES: &[super::Case] = &[
    ("calls are counted", calls),
    ("waiting is a voluntary switch", voluntary),
    ("losing the processor is an involuntary switch", involuntary),
    ("time passes where it is spent", time),
    ("another thread can be asked about", other),
    ("the process is the sum of its threads", process),
    ("page faults are counted where they come from", faults),
];

const MS: u64 = 1_000_000;
/// Where nothing else is mapped.
const PLACE: usize = 0x31_0000_0000;

fn own() -> ThreadStats {
    syscall::thread_stats(None).expect("a thread may ask about itself")
}

fn calls() {
    let before = own();
    for _ in 0..100 {
        let _ = syscall::gettid();
    }
    let after = own();
    // One hundred, and one of the two that asked.
    assert_eq!(after.syscalls - before.syscalls, 101);
}

fn voluntary() {
    let word = AtomicU32::new(0);
    let before = own();
    for _ in 0..10 {
        let _ = syscall::futex_wait(&word, 0, 10_000);
    }
    let after = own();
    let waited = after.voluntary - before.voluntary;
    // A wait may be over before the thread could be switched away.
    assert!((1..=10).contains(&waited), "{waited} switches in 10 waits");

    // Each switch of the peer is one of its yields, when there is nobody else to run in between.
    let peer = thread::spawn(|| {
        let before = own();
        for _ in 0..50 {
            syscall::yield_now();
        }
        (own().voluntary - before.voluntary) as i32
    });
    let switches = peer.join();
    assert!(
        (0..=50).contains(&switches),
        "{switches} switches in 50 yields"
    );
}

fn involuntary() {
    let stop = Arc::new(AtomicBool::new(false));
    let spinners: Vec<_> = (0..2 * syscall::cpu_count())
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let before = own();
                while !stop.load(SeqCst) {
                    core::hint::spin_loop();
                }
                let after = own();
                // Between the two it never gave its processor up.
                assert_eq!(after.voluntary, before.voluntary);
                (after.involuntary - before.involuntary) as i32
            })
        })
        .collect();
    let until = syscall::clock() + 60 * MS;
    let word = AtomicU32::new(0);
    while syscall::clock() < until {
        let _ = syscall::futex_wait(&word, 0, until.saturating_sub(syscall::clock()));
    }
    stop.store(true, SeqCst);
    let preempted: i32 = spinners.into_iter().map(thread::Thread::join).sum();
    assert!(
        preempted >= 2,
        "{preempted} preemptions in 60 ms of too many spinners"
    );
}

fn time() {
    // The clock is read first and last: the host may take a processor away at any point, and for the
    // thread that runs there this is time on a processor.
    let start = syscall::clock();
    let before = own();
    // Spin without calls most of the time.
    while syscall::clock() - start < 20 * MS {
        for _ in 0..10_000 {
            core::hint::spin_loop();
        }
    }
    let after = own();
    let (user, system) = (
        after.user_ns - before.user_ns,
        after.system_ns - before.system_ns,
    );
    let wall = syscall::clock() - start;
    assert!(user > 0, "no time in the program");
    assert!(user + system <= wall, "{user} + {system} ns in {wall} ns");

    // So a sleep may cost more than it should, but not each of several.
    let word = AtomicU32::new(0);
    let used = || {
        let before = own();
        let _ = syscall::futex_wait(&word, 0, 20 * MS);
        let after = own();
        after.user_ns + after.system_ns - before.user_ns - before.system_ns
    };
    let least = (0..5).map(|_| used()).min().expect("five sleeps");
    assert!(
        least < 5 * MS,
        "{least} ns of processor time in a sleep of 20 ms"
    );
}

fn other() {
    let gate = Arc::new(AtomicU32::new(0));
    let ready = Arc::new(AtomicU32::new(0));
    let (inner, told) = (Arc::clone(&gate), Arc::clone(&ready));
    let peer = thread::spawn(move || {
        for _ in 0..30 {
            let _ = syscall::gettid();
        }
        told.store(1, SeqCst);
        syscall::futex_wake(told.as_ptr(), 1).expect("a good address");
        while inner.load(SeqCst) == 0 {
            let _ = syscall::futex_wait(&inner, 0, u64::MAX);
        }
        0
    });
    while ready.load(SeqCst) == 0 {
        let _ = syscall::futex_wait(&ready, 0, u64::MAX);
    }
    let stats = syscall::thread_stats(Some(peer.tid())).expect("it lives");
    assert!(stats.syscalls >= 30, "{stats:?}");
    gate.store(1, SeqCst);
    syscall::futex_wake(gate.as_ptr(), 1).expect("a good address");
    peer.join();
}

fn process() {
    let before = syscall::process_stats();
    let threads: Vec<_> = (0..10)
        .map(|_| {
            thread::spawn(|| {
                for _ in 0..20 {
                    let _ = syscall::gettid();
                }
                0
            })
        })
        .collect();
    for thread in threads {
        thread.join();
    }
    let after = syscall::process_stats();
    let calls = after.syscalls - before.syscalls;
    // Ten times twenty, ten exits, and what this thread called meanwhile.
    assert!((230..300).contains(&calls), "{calls} calls");
    assert!(after.user_ns >= before.user_ns && after.system_ns > before.system_ns);
    assert!(after.voluntary >= own().voluntary);
}

fn faults() {
    const PAGE: usize = 4096;
    let touch = |pages: usize| {
        let before = own().faults;
        // SAFETY: nothing else is there.
        let base = unsafe { syscall::mmap(PLACE, pages * PAGE, Protection::READ_WRITE) };
        let base = base.expect("there is memory");
        let mapped = own().faults;
        for page in 0..pages {
            // SAFETY: just mapped.
            unsafe { base.wrapping_add(page * PAGE).write_volatile(1) };
        }
        let touched = own().faults;
        for page in 0..pages {
            // SAFETY: as above.
            unsafe { base.wrapping_add(page * PAGE).write_volatile(2) };
        }
        assert_eq!(own().faults, touched, "a page is made once");
        // SAFETY: it is ours, and nobody uses it any more.
        unsafe { syscall::munmap(base) }.expect("it is mapped");
        (mapped - before, touched - mapped)
    };
    touch(1);
    assert_eq!(touch(7), (0, 7));

    // The faults of a thread that has ended are the process's.
    let before = syscall::process_stats().faults;
    let theirs = thread::spawn(move || touch(5).1 as i32).join();
    assert_eq!(theirs, 5);
    assert!(syscall::process_stats().faults >= before + 5);
    let listed = schedule::threads();
    let own_pid = process::id().0;
    let listed = listed.iter().filter(|info| info.pid == own_pid);
    assert!(listed.map(|info| info.faults).max() > Some(0));
}
