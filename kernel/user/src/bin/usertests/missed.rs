//! Signals, stops and ends that come while those whom they are for change: nobody is missed.

use exec_core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use user::kernel::schedule;
use user::process::{self, News, Pid};
use user::signal::{self, Disposition, Saved, Signal};
use user::syscall::{self, Errno};
use user::thread;

use crate::Case;
use crate::signals::{count_up, counted, end};

pub(crate) const CASES: &[Case] = &[
    ("a process that makes threads stops whole", stops_whole),
    ("a process can be killed while it is made", killed_young),
    (
        "a signal goes to a thread that does not block it",
        elsewhere,
    ),
];

/// Whoever takes the first of two signals blocks the second meanwhile and waits until it was taken.
fn elsewhere() {
    extern "C" fn wait_for_the_other(_: i32, _: &mut Saved) {
        while counted() == 0 {
            syscall::yield_now();
        }
    }
    let handler = Disposition::Handle(wait_for_the_other);
    signal::set_blocking(Signal::USR1, handler, &[Signal::USR2]).expect("it can be caught");
    for _ in 0..20 {
        count_up(Signal::USR2);
        let other = thread::spawn(|| {
            while counted() == 0 {
                core::hint::spin_loop();
            }
            0
        });
        let own = process::id();
        let sender = process::spawn(move || {
            for signal in [Signal::USR1, Signal::USR2] {
                signal::kill(own, signal).expect("it can be sent");
            }
            0
        });
        let sender = sender.expect("a child");
        while counted() == 0 {
            core::hint::spin_loop();
        }
        let (tid, stack) = other.into_parts();
        while syscall::thread_join(tid) == Err(Errno::EINTR) {}
        drop(stack);
        while process::wait(Some(sender)) == Err(Errno::EINTR) {}
        // The first may be pending still. It is taken in the next call, and waits for nothing.
        signal::unblock(Signal::USR1);
        assert_eq!(counted(), 1);
    }
    for signal in [Signal::USR1, Signal::USR2] {
        signal::set(signal, Disposition::Default).expect("it can be set");
    }
}

/// Whether each thread of the process stands still.
fn has_stopped(process: Pid) -> bool {
    let threads = schedule::threads();
    let mut own = threads.iter().filter(|info| info.pid == process.0);
    own.all(|info| info.state() == "stopped")
}

fn stops_whole() {
    for round in 0..20 {
        let child = process::spawn(|| {
            for _ in 0..24 {
                core::mem::forget(thread::spawn(|| {
                    loop {
                        syscall::yield_now();
                    }
                }));
            }
            loop {
                syscall::yield_now();
            }
        });
        let child = child.expect("a child");
        let made = || {
            let threads = schedule::threads();
            threads.iter().filter(|info| info.pid == child.0).count()
        };
        while made() < round + 1 {
            syscall::yield_now();
        }
        signal::kill(child, Signal::STOP).expect("it can be sent");
        let news = process::wait_change(Some(child));
        assert_eq!(news, Ok((child, News::Stopped(19))));
        while !has_stopped(child) {
            syscall::yield_now();
        }
        end(child);
    }
}

fn killed_young() {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static DONE: AtomicBool = AtomicBool::new(false);
    let killer = thread::spawn(|| {
        let mut sent = 0;
        while !DONE.load(SeqCst) {
            let next = NEXT.load(SeqCst);
            let signal = [Signal::KILL, Signal::TERM][next as usize % 2];
            if next != sent && signal::kill(Pid(next), signal).is_ok() {
                sent = next;
            } else {
                syscall::yield_now();
            }
        }
        0
    });
    let mut last = process::spawn(|| 0).expect("a child");
    process::wait(Some(last)).expect("it ends");
    for _ in 0..1000 {
        NEXT.store(last.0 + 1, SeqCst);
        let child = process::spawn(|| {
            loop {
                syscall::yield_now();
            }
        });
        last = child.expect("a child");
        assert_eq!(last.0, NEXT.load(SeqCst), "numbers go up");
        let (_, news) = process::wait(Some(last)).expect("it ends");
        assert!(matches!(news, News::Killed(9 | 15)), "{news:?}");
    }
    DONE.store(true, SeqCst);
    killer.join();
}
