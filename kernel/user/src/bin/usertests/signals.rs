//! Signals: what they do by themselves, handlers, masks, stops, and faults that a program handles.

use core::arch::asm;

use exec_core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use user::process::{self, News, Pid};
use user::signal::{self, Disposition, Saved, Signal};
use user::syscall::{self, Errno, Protection};
use user::thread;

use crate::Case;
use crate::processes::returns_all;

pub(crate) const CASES: &[Case] = &[
    ("a handler is called and all goes on", handler),
    ("handlers keep every register", registers),
    ("a spinning thread takes a signal", spinning),
    ("a blocked signal waits", blocked),
    ("an ignored signal is gone", ignored),
    ("a signal ends a process", default_end),
    ("KILL and STOP cannot be caught", uncatchable),
    ("calls that wait end with EINTR", interrupted),
    ("a process stops and goes on", stop_and_continue),
    ("a stopped process can be killed", kill_stopped),
    ("a child's end sends CHLD", child_ends),
    ("ignored children leave no zombies", no_zombies),
    ("a handled bad address", bad_address),
    ("a handled division by zero", division),
    ("a handled illegal instruction", illegal),
    ("who may send what to whom", permission),
    ("a handler without a stack ends the process", no_stack),
    ("nonsense to sigreturn ends the process", bad_return),
    ("a signal for one thread", one_thread),
    (
        "a child inherits handlers, a mask, nothing pending",
        inheritance,
    ),
    ("a storm of signals", storm),
];

static COUNT: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32, _: &mut Saved) {
    COUNT.fetch_add(1, SeqCst);
}

/// Counts `signal` from now on.
pub(crate) fn count_up(signal: Signal) {
    COUNT.store(0, SeqCst);
    signal::set(signal, Disposition::Handle(count)).expect("it can be caught");
}

pub(crate) fn counted() -> u32 {
    COUNT.load(SeqCst)
}

/// Runs `body` in a child and returns what became of it.
fn child(body: impl FnOnce() -> i32) -> News {
    let child = process::spawn(body).expect("a child");
    process::wait(Some(child)).expect("it ends").1
}

fn handler() {
    count_up(Signal::USR1);
    for round in 1..100 {
        signal::kill(process::id(), Signal::USR1).expect("it can be sent");
        assert_eq!(counted(), round);
    }
}

fn registers() {
    count_up(Signal::USR1);
    let (sum, flags): (u64, u64);
    // SAFETY: kill(own pid, 10) calls the handler before it returns; every register is declared.
    unsafe {
        asm!(
            "push rbx", "push rbp",
            "mov rbx, 1", "mov rbp, 20", "mov r12, 300", "mov r13, 4000", "mov r14, 50000",
            "mov r15, 600000", "movq xmm9, r15", "mov r8, 7000000", "mov r9, 80000000",
            "mov r10, 900000000",
            "mov eax, 0x119",
            "syscall",
            "add rbx, rbp", "add rbx, r12", "add rbx, r13", "add rbx, r14", "add rbx, r15",
            "add rbx, r8", "add rbx, r9", "add rbx, r10",
            "movq r15, xmm9",
            "add rbx, r15",
            "mov rcx, rbx", "mov rdx, rax",
            "pop rbp", "pop rbx",
            in("rdi") u64::from(process::id().0), in("rsi") 10_u64,
            out("rax") _, out("rcx") sum, lateout("rdx") flags, out("r8") _, out("r9") _, out("r10") _,
            out("r11") _, out("r12") _, out("r13") _, out("r14") _, out("r15") _, out("xmm9") _,
        );
    }
    assert_eq!((sum, flags), (988_254_321, 0));
    assert_eq!(counted(), 1);
}

fn spinning() {
    count_up(Signal::USR1);
    let own = process::id();
    let sender = thread::spawn(move || {
        signal::kill(own, Signal::USR1).expect("it can be sent");
        0
    });
    // Whoever takes it: nobody makes a call meanwhile but the joiner.
    while counted() == 0 {
        core::hint::spin_loop();
    }
    sender.join();
    assert_eq!(counted(), 1);
}

fn blocked() {
    count_up(Signal::USR1);
    signal::block(Signal::USR1);
    for _ in 0..5 {
        signal::kill(process::id(), Signal::USR1).expect("it can be sent");
    }
    assert_eq!(counted(), 0);
    assert!(signal::is_pending(Signal::USR1));
    signal::unblock(Signal::USR1);
    assert_eq!(counted(), 1, "pending once");
    assert!(!signal::is_pending(Signal::USR1));
}

fn ignored() {
    signal::set(Signal::USR2, Disposition::Ignore).expect("it can be ignored");
    signal::kill(process::id(), Signal::USR2).expect("it can be sent");
    assert!(!signal::is_pending(Signal::USR2));
    signal::kill(process::id(), Signal::CHLD).expect("it can be sent");
    signal::set(Signal::USR2, Disposition::Default).expect("it can be set");
}

fn default_end() {
    returns_all(|| {
        for number in [1, 2, 3, 6, 9, 12, 13, 14, 15, 24, 31] {
            let spinner = process::spawn(|| {
                loop {
                    core::hint::spin_loop();
                }
            });
            let spinner = spinner.expect("a child");
            signal::kill(spinner, Signal(number)).expect("it can be sent");
            let ended = process::wait(Some(spinner));
            assert_eq!(ended, Ok((spinner, News::Killed(number))));
        }
    });
    let own = child(|| {
        signal::kill(process::id(), Signal::TERM).expect("it can be sent");
        0
    });
    assert_eq!(own, News::Killed(15));
}

fn uncatchable() {
    for signal in [
        Signal::KILL,
        Signal::STOP,
        Signal(0),
        Signal(32),
        Signal(-1),
    ] {
        for disposition in [
            Disposition::Default,
            Disposition::Ignore,
            Disposition::Handle(count),
        ] {
            assert_eq!(signal::set(signal, disposition), Err(Errno::EINVAL));
        }
    }
    let killed = child(|| {
        signal::block(Signal::KILL);
        signal::kill(process::id(), Signal::KILL).expect("it can be sent");
        0
    });
    assert_eq!(killed, News::Killed(9));
    // A handler in the kernel's half is refused.
    // SAFETY: the kernel refuses it.
    let refused = unsafe { syscall::raw(0x11a, [10, 1 << 63, 0, 0x401000, 0, 0]) };
    assert_eq!(refused, -14);
}

/// A child that sends its parent `USR1` until it is killed.
fn nagger() -> Pid {
    let parent = process::id();
    let child = process::spawn(move || {
        while signal::kill(parent, Signal::USR1).is_ok() {
            syscall::yield_now();
        }
        0
    });
    child.expect("a child")
}

pub(crate) fn end(child: Pid) {
    signal::kill(child, Signal::KILL).expect("it can be sent");
    while process::wait(Some(child)) == Err(Errno::EINTR) {}
}

fn interrupted() {
    count_up(Signal::USR1);
    let child = nagger();
    let word = AtomicU32::new(0);
    assert_eq!(syscall::futex_wait(&word, 0, u64::MAX), Err(Errno::EINTR));
    let in_time = syscall::futex_wait(&word, 0, 60_000_000_000);
    assert_eq!(in_time, Err(Errno::EINTR));
    assert_eq!(process::wait(Some(child)), Err(Errno::EINTR));
    let sleeper = thread::spawn(|| {
        signal::block(Signal::USR1);
        static STOP: AtomicU32 = AtomicU32::new(0);
        let _ = syscall::futex_wait(&STOP, 0, 50_000_000);
        3
    });
    let (tid, _stack) = sleeper.into_parts();
    // It blocks the signal from some moment on, and takes it before: both are right.
    let mut interrupted = 0;
    let status = loop {
        match syscall::thread_join(tid) {
            Err(Errno::EINTR) => interrupted += 1,
            other => break other,
        }
    };
    assert_eq!(
        status,
        Ok(3),
        "after {interrupted} interruptions it can still be joined"
    );
    signal::suspend();
    assert!(counted() > 0);
    end(child);
}

fn stop_and_continue() {
    let shared = AtomicU64::new(0);
    let child = process::spawn(|| {
        loop {
            shared.fetch_add(1, SeqCst);
            syscall::yield_now();
        }
    });
    let child = child.expect("a child");
    let before = syscall::clock();
    for signal in [Signal::STOP, Signal(20)] {
        signal::kill(child, signal).expect("it can be sent");
        assert_eq!(
            process::wait_change(Some(child)),
            Ok((child, News::Stopped(signal.0)))
        );
        assert_eq!(process::try_wait(Some(child)), Ok(None), "it has not ended");
        signal::kill(child, Signal::CONT).expect("it can be sent");
        assert_eq!(
            process::wait_change(Some(child)),
            Ok((child, News::Continued))
        );
    }
    // A sleeping child that is stopped and goes on sleeps out its time.
    let word = AtomicU32::new(0);
    let sleeper = process::spawn(|| {
        let ended = syscall::futex_wait(&word, 0, 30_000_000);
        i32::from(ended == Err(Errno::ETIMEDOUT))
    });
    let sleeper = sleeper.expect("a child");
    signal::kill(sleeper, Signal::STOP).expect("it can be sent");
    assert_eq!(
        process::wait_change(Some(sleeper)),
        Ok((sleeper, News::Stopped(19)))
    );
    signal::kill(sleeper, Signal::CONT).expect("it can be sent");
    assert_eq!(process::wait(Some(sleeper)), Ok((sleeper, News::Exited(1))));
    end(child);
    assert!(syscall::clock() > before);
}

fn kill_stopped() {
    returns_all(|| {
        let child = process::spawn(|| {
            let _sibling = thread::spawn(|| {
                loop {
                    core::hint::spin_loop();
                }
            });
            let word = AtomicU32::new(0);
            let _ = syscall::futex_wait(&word, 0, u64::MAX);
            0
        });
        let child = child.expect("a child");
        signal::kill(child, Signal::STOP).expect("it can be sent");
        assert_eq!(
            process::wait_change(Some(child)),
            Ok((child, News::Stopped(19)))
        );
        signal::kill(child, Signal::TERM).expect("it can be sent");
        assert_eq!(
            process::try_wait(Some(child)),
            Ok(None),
            "it waits until it goes on"
        );
        signal::kill(child, Signal::KILL).expect("it can be sent");
        assert_eq!(process::wait(Some(child)), Ok((child, News::Killed(9))));
    });
}

fn child_ends() {
    count_up(Signal::CHLD);
    assert_eq!(child(|| 1), News::Exited(1));
    while counted() == 0 {
        syscall::yield_now();
    }
    signal::set(Signal::CHLD, Disposition::Default).expect("it can be set");
}

fn no_zombies() {
    signal::set(Signal::CHLD, Disposition::Ignore).expect("it can be ignored");
    for _ in 0..3 {
        process::spawn(|| 0).expect("a child");
    }
    assert_eq!(
        process::wait(None),
        Err(Errno::ECHILD),
        "waits until all have gone"
    );
    signal::set(Signal::CHLD, Disposition::Default).expect("it can be set");
}

const PAGE: usize = 0x20_0000_0000;

extern "C" fn map_page(signal: i32, saved: &mut Saved) {
    assert_eq!((signal, saved.address), (11, PAGE as u64 + 24));
    // SAFETY: nothing else of this program is there.
    unsafe { syscall::mmap(PAGE, 4096, Protection::READ_WRITE) }.expect("a page can be mapped");
}

fn bad_address() {
    let news = child(|| {
        signal::set(Signal::SEGV, Disposition::Handle(map_page)).expect("it can be caught");
        let at: *mut u64 = core::ptr::with_exposed_provenance_mut(PAGE + 24);
        // SAFETY: mapped by the handler of the fault that this is.
        unsafe { at.write_volatile(5) };
        // SAFETY: as above.
        unsafe { at.read_volatile() as i32 }
    });
    assert_eq!(news, News::Exited(5));
    // The handler's own fault is not handled: its signal is blocked.
    extern "C" fn faults(_: i32, _: &mut Saved) {
        let nowhere: *const u8 = core::ptr::without_provenance(8);
        // SAFETY: not sound, and meant to be.
        unsafe { nowhere.read_volatile() };
    }
    let news = child(|| {
        signal::set(Signal::SEGV, Disposition::Handle(faults)).expect("it can be caught");
        faults(0, &mut unsafe_saved());
        0
    });
    assert_eq!(news, News::Faulted(11));
}

/// Something to call a handler with by hand.
fn unsafe_saved() -> Saved {
    // SAFETY: all of it is integers.
    unsafe { core::mem::zeroed() }
}

extern "C" fn divide_by_one(_: i32, saved: &mut Saved) {
    saved.registers.rcx = 1;
}

fn division() {
    let news = child(|| {
        signal::set(Signal::FPE, Disposition::Handle(divide_by_one)).expect("it can be caught");
        let quotient: u64;
        // SAFETY: touches registers only; the handler repairs the divisor.
        unsafe {
            asm!("div rcx", inout("rcx") 0_u64 => _, inout("rax") 42_u64 => quotient,
                inout("rdx") 0_u64 => _);
        }
        quotient as i32
    });
    assert_eq!(news, News::Exited(42));
}

extern "C" fn step_over(_: i32, saved: &mut Saved) {
    saved.registers.rip += 2;
}

fn illegal() {
    let news = child(|| {
        signal::set(Signal::ILL, Disposition::Handle(step_over)).expect("it can be caught");
        // SAFETY: the handler steps over it.
        unsafe { asm!("ud2") };
        6
    });
    assert_eq!(news, News::Exited(6));
    assert_eq!(
        child(|| {
            // SAFETY: ends the child.
            unsafe { asm!("ud2") };
            0
        }),
        News::Faulted(4)
    );
}

fn permission() {
    assert_eq!(signal::probe(Pid(77_777)), Err(Errno::ESRCH));
    assert_eq!(signal::probe(Pid(0)), Err(Errno::ESRCH));
    assert_eq!(signal::probe(process::id()), Ok(()));
    assert_eq!(signal::kill(process::id(), Signal(32)), Err(Errno::EINVAL));
    let parent = process::id();
    let news = child(|| {
        process::set_user(5).expect("user 0 may");
        assert_eq!(signal::kill(parent, Signal::KILL), Err(Errno::EPERM));
        assert_eq!(signal::probe(parent), Err(Errno::EPERM));
        let own = process::spawn(|| {
            loop {
                syscall::yield_now();
            }
        });
        end(own.expect("a child"));
        0
    });
    assert_eq!(news, News::Exited(0));
    let zombie = process::spawn(|| 0).expect("a child");
    signal::kill(zombie, Signal::TERM).expect("one that has ended takes anything");
    while process::try_wait(Some(zombie)) == Ok(None) {
        signal::probe(zombie).expect("it is there");
    }
    assert_eq!(signal::probe(zombie), Err(Errno::ESRCH));
}

fn no_stack() {
    let news = child(|| {
        signal::set(Signal::USR1, Disposition::Handle(count)).expect("it can be caught");
        // SAFETY: never returns: there is no stack for the handler.
        unsafe {
            asm!("mov rsp, 64", "mov eax, 0x119", "syscall", "ud2",
                in("rdi") u64::from(process::id().0), in("rsi") 10_u64, options(noreturn));
        }
    });
    assert_eq!(news, News::Faulted(11));
}

fn bad_return() {
    for rsp in [0_u64, 64, 1 << 63, 0x7fff_ffff_ff00, 0x401000] {
        let news = child(|| {
            // SAFETY: never returns.
            unsafe {
                asm!("mov rsp, {}", "mov eax, 0x11c", "syscall", "ud2", in(reg) rsp,
                    options(noreturn));
            }
        });
        assert_eq!(news, News::Faulted(11), "{rsp:#x}");
    }
    // What is saved may be changed to anything: the kernel trusts nothing of it.
    extern "C" fn spoil(_: i32, saved: &mut Saved) {
        saved.registers.rip = 0xffff_8000_0000_0000;
        saved.registers.flags = u64::MAX;
    }
    extern "C" fn spoil_less(_: i32, saved: &mut Saved) {
        saved.registers.flags = !(1 << 10);
        saved.mask = u64::MAX;
        let words = (&raw mut *saved).cast::<u32>().wrapping_add(8 + 44 + 6);
        // SAFETY: the control word of the vector unit, which the kernel has saved behind the registers.
        unsafe { words.write_volatile(u32::MAX) };
    }
    let news = child(|| {
        signal::set(Signal::USR1, Disposition::Handle(spoil)).expect("it can be caught");
        signal::kill(process::id(), Signal::USR1).expect("it can be sent");
        0
    });
    assert_eq!(news, News::Faulted(11));
    let news = child(|| {
        signal::set(Signal::USR1, Disposition::Handle(spoil_less)).expect("it can be caught");
        signal::kill(process::id(), Signal::USR1).expect("it can be sent");
        // All that can be is blocked now.
        signal::kill(process::id(), Signal::TERM).expect("it can be sent");
        4
    });
    assert_eq!(news, News::Exited(4));
}

fn one_thread() {
    count_up(Signal::USR1);
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    extern "C" fn note(_: i32, _: &mut Saved) {
        TAKEN.store(syscall::gettid().0, SeqCst);
    }
    signal::set(Signal::USR2, Disposition::Handle(note)).expect("it can be caught");
    let spinner = thread::spawn(|| {
        while TAKEN.load(SeqCst) == 0 {
            core::hint::spin_loop();
        }
        0
    });
    let tid = spinner.tid();
    signal::kill_thread(tid, Signal::USR2).expect("it can be sent");
    spinner.join();
    assert_eq!(TAKEN.load(SeqCst), tid.0);
    assert_eq!(signal::kill_thread(tid, Signal::USR2), Err(Errno::ESRCH));
    signal::set(Signal::USR2, Disposition::Default).expect("it can be set");
}

fn inheritance() {
    count_up(Signal::USR1);
    signal::block(Signal::USR1);
    signal::kill(process::id(), Signal::USR1).expect("it can be sent");
    let news = child(|| {
        assert!(!signal::is_pending(Signal::USR1), "pending is the parent's");
        signal::kill(process::id(), Signal::USR1).expect("it can be sent");
        assert_eq!(counted(), 0, "the mask is inherited");
        signal::unblock(Signal::USR1);
        counted() as i32
    });
    assert_eq!(news, News::Exited(1));
    signal::unblock(Signal::USR1);
    assert_eq!(counted(), 1);
}

/// Children send signals while threads wait, spin and come and go: each handler call is counted, none
/// gets lost in the end, nothing hangs.
fn storm() {
    count_up(Signal::USR1);
    let children = [(); 3].map(|()| nagger());
    while counted() < 200 {
        let worker = thread::spawn(|| {
            syscall::yield_now();
            1
        });
        let (tid, stack) = worker.into_parts();
        while syscall::thread_join(tid) == Err(Errno::EINTR) {}
        drop(stack);
    }
    for child in children {
        end(child);
    }
}
