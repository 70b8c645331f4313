//! What the basic operations cost, in instructions, on one processor that counts them.
//!
//! Under `-icount shift=0` the time-stamp counter advances by one an instruction, in the program and
//! in the kernel. Each operation is done in batches; the cheapest batch counts, since the timer's
//! tick falls into some of them. A line a figure: `measure NAME OPERATIONS INSTRUCTIONS`.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::sync::Arc;

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::syscall::{self, Tid};
use user::{Args, object, println, process, thread};

user::program!(main);

/// Operations in a batch: few enough that some batches see no tick.
const BATCH: u64 = 100;

/// Batches of an operation.
const BATCHES: u64 = 40;

fn now() -> u64 {
    // SAFETY: reads a counter that programs may read.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Prints the cheapest batch of `operation`.
fn measure(name: &str, mut operation: impl FnMut()) {
    let mut least = u64::MAX;
    for _ in 0..BATCHES {
        let start = now();
        for _ in 0..BATCH {
            operation();
        }
        least = least.min(now() - start);
    }
    println!("measure {name} {BATCH} {least}");
}

/// The operations.
const ALL: &[(&str, fn())] = &[
    ("null-syscall", null_syscall),
    ("yield-switch", yield_switch),
    ("create-join", create_join),
    ("futex-round-trip", futex_round_trip),
    ("mailbox-message", mailbox_message),
    ("fork-exit-wait", fork_exit_wait),
];

/// Measures everything, or what its argument names.
fn main(args: Args) -> i32 {
    let wanted = args.get(1);
    for (name, operation) in ALL {
        if wanted.is_none_or(|wanted| wanted == *name) {
            operation();
        }
    }
    0
}

fn null_syscall() {
    measure("null-syscall", || {
        let _ = core::hint::black_box(syscall::gettid());
    });
}

/// A child that ends at once, and the wait for it. The parent is this program: some twenty pages.
fn fork_exit_wait() {
    measure("fork-exit-wait", || {
        let child = process::fork().expect("a child");
        if child.is_none() {
            syscall::exit_group(0);
        }
        process::wait(child).expect("it ends");
    });
}

/// Two threads that do nothing but yield to each other: each yield is one switch.
fn yield_switch() {
    let stop = Arc::new(AtomicU32::new(0));
    let inner = Arc::clone(&stop);
    let peer = thread::spawn(move || {
        while inner.load(SeqCst) == 0 {
            syscall::yield_now();
        }
        0
    });
    let mut least = u64::MAX;
    for _ in 0..BATCHES {
        let start = now();
        for _ in 0..BATCH {
            syscall::yield_now();
        }
        least = least.min(now() - start);
    }
    stop.store(1, SeqCst);
    peer.join();
    // There and back again.
    println!("measure yield-switch {} {least}", 2 * BATCH);
}

unsafe extern "C" fn nothing(_: *mut ()) -> ! {
    syscall::exit(0)
}

/// Creates a thread on a stack that was used before, and waits for its end.
fn create_join() {
    let stack = thread::Stack::map().expect("a stack can be mapped");
    measure("create-join", || {
        // SAFETY: the thread that ran on the stack before has been joined.
        let tid: Result<Tid, _> = unsafe {
            syscall::thread_create(c"nothing", stack.top(), nothing, core::ptr::null_mut())
        };
        let tid = tid.expect("a thread can be created");
        syscall::thread_join(tid).expect("it can be joined");
    });
}

/// Two processes that send each other 64 bytes, one always asleep: each message is one send, one
/// receive, and one switch of process.
fn mailbox_message() {
    let mailbox = || object::mailbox_create(4, 64, object::Rights::ALL).expect("a mailbox");
    let (there, back) = (mailbox(), mailbox());
    let mut message = [7; 64];
    let peer = process::spawn(|| {
        let mut message = [0; 64];
        while object::mailbox_receive(there, &mut message, u64::MAX).is_ok() {
            object::mailbox_send(back, &message, u64::MAX).expect("there is room");
        }
        0
    });
    let peer = peer.expect("a child");
    let mut least = u64::MAX;
    for _ in 0..BATCHES {
        let start = now();
        for _ in 0..BATCH {
            object::mailbox_send(there, &message, u64::MAX).expect("there is room");
            object::mailbox_receive(back, &mut message, u64::MAX).expect("it comes back");
        }
        least = least.min(now() - start);
    }
    object::mailbox_destroy(there).expect("it is there");
    process::wait(Some(peer)).expect("it ends");
    object::mailbox_destroy(back).expect("it is there");
    // There and back again.
    println!("measure mailbox-message {} {least}", 2 * BATCH);
}

/// Two threads, one always asleep: a wake and a wait on each side, two switches, four calls.
fn futex_round_trip() {
    let ball = Arc::new(AtomicU32::new(0));
    let inner = Arc::clone(&ball);
    let peer = thread::spawn(move || {
        loop {
            // Odd: ours to return. u32::MAX: the game is over.
            match inner.load(SeqCst) {
                u32::MAX => return 0,
                held if held % 2 == 1 => {
                    inner.store(held + 1, SeqCst);
                    syscall::futex_wake(inner.as_ptr(), 1).expect("a good address");
                }
                held => {
                    let _ = syscall::futex_wait(&inner, held, u64::MAX);
                }
            }
        }
    });
    syscall::yield_now();
    let mut round = 0;
    measure("futex-round-trip", || {
        ball.store(round + 1, SeqCst);
        syscall::futex_wake(ball.as_ptr(), 1).expect("a good address");
        while ball.load(SeqCst) == round + 1 {
            let _ = syscall::futex_wait(&ball, round + 1, u64::MAX);
        }
        round += 2;
    });
    ball.store(u32::MAX, SeqCst);
    syscall::futex_wake(ball.as_ptr(), 1).expect("a good address");
    peer.join();
}
