//! Preemption, yielding, and threads that share what processors there are.

use alloc::sync::Arc;
use alloc::vec::Vec;

use exec_core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use user::kernel::schedule::{self, Policy, Whose};
use user::syscall::{self, Tid};
use user::thread;

pub(crate) const CASES: &[super::Case] = &[
    ("a spinning thread is preempted", spinner),
    ("spinning threads share the processors", sharing),
    ("a yield lets others run", yielding),
    ("the clock never runs backwards", clock),
    ("there is a processor", processors),
    ("bad settings are refused", bad_settings),
    ("threads of every policy go on", every_policy),
    ("a thread stays where it may run", affinity),
    ("who says where it may run is there", own_affinity),
    ("a running thread is moved", moved),
    ("the list shows every thread", list),
];

const MS: u64 = 1_000_000;

/// Starts a thread that counts and never gives up its processor, until told.
fn spin(stop: &Arc<AtomicBool>, count: &Arc<AtomicU64>) -> thread::Thread {
    let (stop, count) = (Arc::clone(stop), Arc::clone(count));
    thread::spawn(move || {
        while !stop.load(SeqCst) {
            count.fetch_add(1, SeqCst);
        }
        7
    })
}

fn spinner() {
    let (stop, count) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    // More spinners than processors: this thread only runs again if one of them is preempted.
    let spinners: Vec<_> = (0..syscall::cpu_count() + 1)
        .map(|_| spin(&stop, &count))
        .collect();
    while count.load(SeqCst) == 0 {
        syscall::yield_now();
    }
    stop.store(true, SeqCst);
    for spinner in spinners {
        assert_eq!(spinner.join(), 7);
    }
}

fn sharing() {
    let stop = Arc::new(AtomicBool::new(false));
    let counts: Vec<_> = (0..2 * syscall::cpu_count())
        .map(|_| Arc::new(AtomicU64::new(0)))
        .collect();
    let spinners: Vec<_> = counts.iter().map(|count| spin(&stop, count)).collect();
    // Each of them must get its turn while all the others keep spinning.
    for count in &counts {
        while count.load(SeqCst) < 1000 {
            syscall::yield_now();
        }
    }
    stop.store(true, SeqCst);
    for spinner in spinners {
        spinner.join();
    }
}

fn yielding() {
    let turns = Arc::new(AtomicU64::new(0));
    let other = Arc::clone(&turns);
    let peer = thread::spawn(move || {
        for _ in 0..100 {
            other.fetch_add(1, SeqCst);
            syscall::yield_now();
        }
        0
    });
    while turns.load(SeqCst) < 100 {
        syscall::yield_now();
    }
    assert_eq!(peer.join(), 0);
}

fn clock() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                let mut last = syscall::clock();
                for _ in 0..5000 {
                    let now = syscall::clock();
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
                0
            })
        })
        .collect();
    for thread in threads {
        thread.join();
    }
    let start = syscall::clock();
    while syscall::clock() - start < MS {}
}

fn processors() {
    let count = syscall::cpu_count();
    assert!((1..=64).contains(&count), "{count} processors");
}

fn bad_settings() {
    let own = syscall::gettid();
    for nice in [-21, 20, i32::MIN, i32::MAX] {
        assert!(schedule::set_nice(Whose::Own, nice).is_err(), "{nice}");
        assert!(schedule::set_thread_nice(own, nice).is_err(), "{nice}");
    }
    for pid in [4_000_000_000, u32::MAX] {
        assert!(schedule::set_nice(Whose::Pid(pid), 0).is_err(), "{pid}");
        assert!(schedule::set_policy(Whose::Pid(pid), Policy::Fair).is_err());
    }
    assert!(schedule::set_affinity(None, 0).is_err(), "no processor");
    assert!(schedule::set_affinity(None, 1 << 63).is_err(), "not there");
    assert!(schedule::set_affinity(Some(Tid(7)), 1).is_err());
    for policy in [5, 100, usize::MAX] {
        // SAFETY: the call touches no memory.
        let refused = unsafe { syscall::raw(0x180, [0, policy, 0, 0, 0, 0]) };
        assert_eq!(refused, -22, "{policy}");
    }
}

fn every_policy() {
    for policy in Policy::ALL {
        schedule::set_policy(Whose::Own, policy).expect("our own process");
        let threads: Vec<_> = (0..6)
            .map(|_| {
                thread::spawn(|| {
                    for _ in 0..50 {
                        syscall::yield_now();
                    }
                    3
                })
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join(), 3, "{policy:?}");
        }
    }
    schedule::set_policy(Whose::Own, Policy::RoundRobin).expect("our own process");
}

fn affinity() {
    // All on one processor, which is not the one that some of them start on.
    for cpu in 0..syscall::cpu_count() {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(move || {
                    schedule::set_affinity(None, 1 << cpu).expect("the processor is there");
                    let until = syscall::clock() + 2 * MS;
                    while syscall::clock() < until {
                        syscall::yield_now();
                    }
                    5
                })
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join(), 5);
        }
    }
}

/// The number of the processor's local APIC, which is nobody's but its own.
fn apic() -> u32 {
    core::arch::x86_64::__cpuid(1).ebx >> 24
}

/// The local APICs of all processors, each asked there.
fn own_apics() -> Vec<u32> {
    let apics = (0..syscall::cpu_count())
        .map(|cpu| {
            schedule::set_affinity(None, 1 << cpu).expect("the processor is there");
            apic()
        })
        .collect();
    schedule::set_affinity(None, u64::MAX).expect("everywhere");
    apics
}

fn own_affinity() {
    let first = own_apics();
    for (cpu, here) in first.iter().enumerate() {
        assert!(
            !first[..cpu].contains(here),
            "still on {here}, not on {cpu}"
        );
    }
    for round in 0..100 {
        assert_eq!(own_apics(), first, "round {round}");
    }
}

/// A thread that never gives its processor up, and has it for itself, is moved all the same.
fn moved() {
    let stop = Arc::new(AtomicBool::new(false));
    let place = Arc::new(AtomicU64::new(u64::MAX));
    let (inner, told) = (Arc::clone(&stop), Arc::clone(&place));
    let thread = thread::spawn(move || {
        while !inner.load(SeqCst) {
            told.store(u64::from(apic()), SeqCst);
        }
        0
    });
    for (cpu, here) in own_apics().into_iter().enumerate() {
        schedule::set_affinity(Some(thread.tid()), 1 << cpu).expect("the processor is there");
        while place.load(SeqCst) != u64::from(here) {
            core::hint::spin_loop();
        }
    }
    stop.store(true, SeqCst);
    assert_eq!(thread.join(), 0);
}

fn list() {
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let spinner = spin(&stop, &count);
    schedule::set_thread_nice(spinner.tid(), 7).expect("the thread lives");
    let threads = schedule::threads();
    let find = |tid: Tid| {
        let found = threads.iter().find(|info| u64::from(info.tid) == tid.0);
        *found.expect("it is listed")
    };
    let (own, peer) = (find(syscall::gettid()), find(spinner.tid()));
    assert_eq!(own.state(), "running");
    assert_eq!(own.pid, peer.pid);
    assert_eq!((own.nice, peer.nice), (0, 7));
    assert_eq!(peer.policy(), Some(Policy::RoundRobin));
    assert_eq!(peer.name(), "test");
    assert!(own.user_ns > 0 && own.cpus != 0);
    stop.store(true, SeqCst);
    spinner.join();
}
