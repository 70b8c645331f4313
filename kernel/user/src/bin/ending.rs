//! Ways for a process to end, named by the arguments: who calls what, while the others do what.
//!
//! `ending CALLER STATUS`: `group` ends all with siblings that spin, sleep, wait for a join, wait
//! with a limit, and make calls; `sibling` does so from a thread that is not the first; `last` lets
//! the first thread exit alone and another go on; `return` returns from `main`; `panic` panics;
//! `shutdown` ends the machine with a value.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::sync::Arc;

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::object::{self, Rights};
use user::syscall;
use user::{Args, file, println, thread};

user::program!(main);

fn main(args: Args) -> i32 {
    let caller = args.get(1).expect("usage: ending CALLER STATUS");
    let status = args
        .get(2)
        .and_then(|word| word.parse().ok())
        .expect("STATUS is a number");
    match caller {
        "group" => {
            surround();
            println!("ending all");
            syscall::exit_group(status)
        }
        "sibling" => {
            surround();
            let _killer = thread::spawn(move || {
                println!("ending all");
                syscall::exit_group(status)
            });
            loop {
                syscall::yield_now();
            }
        }
        "last" => {
            let first = syscall::gettid();
            let _last = thread::spawn(move || {
                // The first thread ends for itself alone, and can be joined like any other.
                assert_eq!(syscall::thread_join(first), Ok(5));
                println!("the first thread has ended");
                status
            });
            syscall::exit(5)
        }
        "return" => {
            surround();
            println!("returning");
            status
        }
        "shutdown" => {
            surround();
            println!("shutting down");
            let value = u8::try_from(status).expect("a value has eight bits");
            panic!(
                "the first process may shut down: {}",
                syscall::shutdown(value)
            );
        }
        "panic" => {
            surround();
            panic!("as asked, with {status}");
        }
        _ => panic!("no ending is named {caller}"),
    }
}

/// Starts siblings in every state that an ending must reach, and waits until all have started.
fn surround() {
    let started = Arc::new(AtomicU32::new(0));
    let never = Arc::new(AtomicU32::new(0));
    let mut count = 0;
    let mut start = |body: fn(&AtomicU32)| {
        let (started, never) = (Arc::clone(&started), Arc::clone(&never));
        // Never joined: the process ends with all of them as they are.
        core::mem::forget(thread::spawn(move || {
            started.fetch_add(1, SeqCst);
            loop {
                body(&never);
            }
        }));
        count += 1;
    };
    start(|_| core::hint::spin_loop());
    start(|_| core::hint::spin_loop());
    start(|never| {
        let _ = syscall::futex_wait(never, 0, u64::MAX);
    });
    start(|never| {
        let _ = syscall::futex_wait(never, 0, 1_000_000_000_000);
    });
    start(|_| syscall::yield_now());
    start(|_| {
        let _ = syscall::clock();
    });
    start(|_| {
        thread::spawn(|| 0).join();
    });
    start(|never| {
        let inner: *const AtomicU32 = never;
        let word = inner.expose_provenance();
        thread::spawn(move || {
            // SAFETY: the joiner holds the word's owner, and only the process's end ends the wait.
            let never = unsafe { &*core::ptr::with_exposed_provenance::<AtomicU32>(word) };
            let _ = syscall::futex_wait(never, 0, u64::MAX);
            0
        })
        .join();
    });
    // In each kind of wait for another process: none of them ever ends by itself.
    start(|_| {
        let (from, _to) = file::pipe().expect("a pipe");
        let _ = syscall::read(from, &mut [0; 4]);
    });
    start(|_| {
        let (_from, to) = file::pipe().expect("a pipe");
        let _ = syscall::write(to, &[0; 10_000]);
    });
    start(|_| {
        // The others may have made it.
        let _ = file::mkfifo(c"/never");
        let _ = syscall::open(c"/never");
    });
    start(|_| {
        let id = object::semaphore_create(0, Rights::ALL).expect("a semaphore");
        let _ = object::semaphore_wait(id, u64::MAX);
    });
    start(|_| {
        let id = object::mailbox_create(1, 8, Rights::ALL).expect("a mailbox");
        let _ = object::mailbox_receive(id, &mut [0; 8], u64::MAX);
    });
    start(|_| {
        let id = object::mailbox_create(1, 8, Rights::ALL).expect("a mailbox");
        object::mailbox_send(id, b"full", 0).expect("there is room");
        let _ = object::mailbox_send(id, b"more", 1_000_000_000_000);
    });
    start(|_| {
        let _ = object::message_receive(&mut [0; object::MESSAGE_LEN], u64::MAX);
    });
    start(|_| {
        let fd = object::socket_listen(c"lonely", 1).expect("the name is free");
        let _ = object::socket_accept(fd, u64::MAX);
    });
    start(|_| {
        let _fd = object::socket_listen(c"busy", 1).expect("the name is free");
        let _waiting = object::socket_connect(c"busy", 0).expect("there is room");
        let _ = object::socket_connect(c"busy", u64::MAX);
    });
    while started.load(SeqCst) < count {
        syscall::yield_now();
    }
}
