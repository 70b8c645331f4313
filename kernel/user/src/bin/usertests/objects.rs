//! Semaphores and mailboxes: values, order, limits, and the end of those who wait.

use alloc::sync::Arc;
use alloc::vec::Vec;

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::object::{self, MailboxId, Rights, SemaphoreId};
use user::syscall::{self, Errno, number};
use user::thread;

use super::pointers::{BAD, call, with_page};
use super::without_loss;

pub(crate) const CASES: &[super::Case] = &[
    ("a semaphore counts", counts),
    ("a semaphore waits no longer than asked", semaphore_timeout),
    (
        "a semaphore lets as many go on as were posted",
        semaphore_threads,
    ),
    ("a mailbox keeps order and sizes", mailbox),
    ("a mailbox is full and empty", full_and_empty),
    ("a mailbox between threads loses nothing", mailbox_threads),
    ("who waits is told of the destruction", destroyed),
    ("objects run out and come back", exhausted),
    ("the owner says what it may do", rights),
    ("bad pointers are refused and nothing is lost", bad_pointers),
];

const FOREVER: u64 = u64::MAX;
const MS: u64 = 1_000_000;

fn semaphore(value: u32) -> SemaphoreId {
    object::semaphore_create(value, Rights::ALL).expect("a semaphore can be made")
}

fn mail(messages: usize, len: usize) -> MailboxId {
    object::mailbox_create(messages, len, Rights::ALL).expect("a mailbox can be made")
}

fn counts() {
    let id = semaphore(2);
    assert_eq!(object::semaphore_wait(id, FOREVER), Ok(()));
    assert_eq!(object::semaphore_wait(id, 0), Ok(()));
    assert_eq!(object::semaphore_wait(id, 0), Err(Errno::EAGAIN));
    assert_eq!(object::semaphore_post(id, 3), Ok(()));
    assert_eq!(object::semaphore_post(id, 0), Ok(()));
    assert_eq!(
        object::semaphore_post(id, u32::MAX),
        Err(Errno::EINVAL),
        "too great"
    );
    for _ in 0..3 {
        assert_eq!(object::semaphore_wait(id, 0), Ok(()));
    }
    assert_eq!(object::semaphore_wait(id, 0), Err(Errno::EAGAIN));
    object::semaphore_destroy(id).expect("it is there");
    assert_eq!(object::semaphore_destroy(id), Err(Errno::ENOENT));
    assert_eq!(object::semaphore_wait(id, 0), Err(Errno::ENOENT));
    assert_eq!(object::semaphore_post(id, 1), Err(Errno::ENOENT));
    let other = semaphore(1);
    assert_ne!(other, id, "a number is not used again at once");
    assert_eq!(object::semaphore_wait(id, 0), Err(Errno::ENOENT));
    object::semaphore_destroy(other).expect("it is there");
    for value in [1 << 31, u32::MAX] {
        assert_eq!(
            object::semaphore_create(value, Rights::ALL),
            Err(Errno::EINVAL)
        );
    }
    for number in [0, 1, 1 << 30, u32::MAX] {
        let end = object::semaphore_wait(SemaphoreId(number), 0);
        assert_eq!(end, Err(Errno::ENOENT), "{number}");
    }
}

fn semaphore_timeout() {
    let id = semaphore(0);
    for limit in [1, MS / 2, 3 * MS] {
        let start = syscall::clock();
        assert_eq!(object::semaphore_wait(id, limit), Err(Errno::ETIMEDOUT));
        assert!(syscall::clock() - start >= limit);
    }
    object::semaphore_destroy(id).expect("it is there");
}

fn semaphore_threads() {
    let id = semaphore(0);
    let through = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let through = Arc::clone(&through);
            thread::spawn(move || {
                for _ in 0..50 {
                    object::semaphore_wait(id, FOREVER).expect("it is posted");
                    through.fetch_add(1, SeqCst);
                }
                0
            })
        })
        .collect();
    for count in [1, 2, 7, 90, 100, 100] {
        object::semaphore_post(id, count).expect("the value is small");
        syscall::yield_now();
    }
    for thread in threads {
        thread.join();
    }
    assert_eq!(through.load(SeqCst), 300);
    assert_eq!(object::semaphore_wait(id, 0), Err(Errno::EAGAIN));
    object::semaphore_destroy(id).expect("it is there");
}

fn mailbox() {
    let id = mail(5, 64);
    let mut buffer = [0; 64];
    let messages: [&[u8]; 5] = [b"first", b"", b"third", &[7; 64], b"fifth"];
    for _ in 0..3 {
        for message in messages {
            object::mailbox_send(id, message, 0).expect("there is room");
        }
        for message in messages {
            let (len, sender) = object::mailbox_receive(id, &mut buffer, 0).expect("one is there");
            assert_eq!((&buffer[..len], sender), (message, 1));
        }
    }
    assert_eq!(
        object::mailbox_send(id, &[0; 65], FOREVER),
        Err(Errno::EMSGSIZE)
    );
    assert_eq!(
        object::mailbox_send(id, &[0; 5000], FOREVER),
        Err(Errno::EMSGSIZE)
    );
    object::mailbox_send(id, b"stays", 0).expect("there is room");
    assert_eq!(
        object::mailbox_receive(id, &mut [0; 63], 0),
        Err(Errno::EMSGSIZE)
    );
    let mut large = [0; 2000];
    assert_eq!(object::mailbox_receive(id, &mut large, 0), Ok((5, 1)));
    assert_eq!(&large[..5], b"stays");
    object::mailbox_destroy(id).expect("it is there");
    let id = mail(3, 1024);
    object::mailbox_send(id, &[9; 1024], 0).expect("there is room");
    assert_eq!(object::mailbox_receive(id, &mut large, 0), Ok((1024, 1)));
    assert_eq!(large[..1024], [9; 1024]);
    object::mailbox_destroy(id).expect("it is there");
    for (messages, len) in [
        (0, 8),
        (8, 0),
        (1025, 1),
        (1, 1025),
        (1024, 1024),
        (usize::MAX, usize::MAX),
    ] {
        let end = object::mailbox_create(messages, len, Rights::ALL);
        assert_eq!(end, Err(Errno::EINVAL), "{messages} of {len}");
    }
}

fn full_and_empty() {
    let id = mail(2, 8);
    let mut buffer = [0; 8];
    assert_eq!(
        object::mailbox_receive(id, &mut buffer, 0),
        Err(Errno::EAGAIN)
    );
    let start = syscall::clock();
    assert_eq!(
        object::mailbox_receive(id, &mut buffer, MS),
        Err(Errno::ETIMEDOUT)
    );
    assert!(syscall::clock() - start >= MS);
    object::mailbox_send(id, b"1", FOREVER).expect("there is room");
    object::mailbox_send(id, b"2", MS).expect("there is room");
    assert_eq!(object::mailbox_send(id, b"3", 0), Err(Errno::EAGAIN));
    let start = syscall::clock();
    assert_eq!(object::mailbox_send(id, b"3", MS), Err(Errno::ETIMEDOUT));
    assert!(syscall::clock() - start >= MS);
    for expected in [b"1", b"2"] {
        assert_eq!(object::mailbox_receive(id, &mut buffer, 0), Ok((1, 1)));
        assert_eq!(&buffer[..1], expected);
    }
    object::mailbox_destroy(id).expect("it is there");
}

fn mailbox_threads() {
    const EACH: u32 = 300;
    let id = mail(4, 16);
    let senders: Vec<_> = (0..3_u32)
        .map(|own| {
            thread::spawn(move || {
                for n in 0..EACH {
                    let message = (u64::from(own) << 32 | u64::from(n)).to_ne_bytes();
                    object::mailbox_send(id, &message, FOREVER).expect("somebody receives");
                }
                0
            })
        })
        .collect();
    let receivers: Vec<_> = (0..3)
        .map(|_| {
            thread::spawn(move || {
                let mut last = [None; 3];
                let mut sum = 0;
                for _ in 0..EACH {
                    let mut buffer = [0; 16];
                    let (len, _) =
                        object::mailbox_receive(id, &mut buffer, FOREVER).expect("somebody sends");
                    assert_eq!(len, 8);
                    let message = u64::from_ne_bytes(*buffer.first_chunk().expect("eight bytes"));
                    let (own, n) = ((message >> 32) as usize, message as u32);
                    // What one receiver gets from one sender is in order.
                    assert!(last[own].is_none_or(|last| last < n));
                    last[own] = Some(n);
                    sum += n as i32;
                }
                sum
            })
        })
        .collect();
    let sum: i32 = receivers.into_iter().map(thread::Thread::join).sum();
    assert_eq!(sum as u32, 3 * (EACH * (EACH - 1) / 2));
    senders.into_iter().for_each(|thread| {
        thread.join();
    });
    assert_eq!(
        object::mailbox_receive(id, &mut [0; 16], 0),
        Err(Errno::EAGAIN)
    );
    object::mailbox_destroy(id).expect("it is there");
}

/// A wait for a semaphore, an empty and a full mailbox.
type Wait = fn(SemaphoreId, MailboxId, MailboxId) -> Result<(), Errno>;

fn destroyed() {
    for _ in 0..20 {
        let (semaphore, empty, full) = (semaphore(0), mail(1, 8), mail(1, 8));
        object::mailbox_send(full, b"in", 0).expect("there is room");
        let waits: [Wait; 4] = [
            |semaphore, _, _| object::semaphore_wait(semaphore, FOREVER),
            |semaphore, _, _| object::semaphore_wait(semaphore, 1_000_000 * MS),
            |_, empty, _| object::mailbox_receive(empty, &mut [0; 8], FOREVER).map(drop),
            |_, _, full| object::mailbox_send(full, b"more", FOREVER),
        ];
        let started = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = waits
            .into_iter()
            .chain(waits)
            .map(|wait| {
                let started = Arc::clone(&started);
                thread::spawn(move || {
                    started.fetch_add(1, SeqCst);
                    let end = wait(semaphore, empty, full);
                    // It may come too late to wait.
                    assert!(matches!(end, Err(Errno::EIDRM | Errno::ENOENT)), "{end:?}");
                    i32::from(end == Err(Errno::EIDRM))
                })
            })
            .collect();
        while started.load(SeqCst) < 8 {
            syscall::yield_now();
        }
        object::semaphore_destroy(semaphore).expect("it is there");
        object::mailbox_destroy(empty).expect("it is there");
        object::mailbox_destroy(full).expect("it is there");
        let told: i32 = threads.into_iter().map(thread::Thread::join).sum();
        assert!(told <= 8);
    }
}

fn exhausted() {
    without_loss(|| {
        for _ in 0..2 {
            let mut mailboxes = Vec::new();
            let refused = loop {
                match object::mailbox_create(10, 100, Rights::ALL) {
                    Ok(id) => mailboxes.push(id),
                    Err(why) => break why,
                }
            };
            assert_eq!(refused, Errno::EAGAIN, "as many as a process may own");
            assert_eq!(mailboxes.len(), 128);
            assert_eq!(object::semaphore_create(0, Rights::ALL), Err(Errno::EAGAIN));
            for id in mailboxes {
                object::mailbox_destroy(id).expect("it is there");
            }
        }
    });
}

fn rights() {
    // The only process is the owner of everything; what others may do is tried by other processes.
    let id = object::mailbox_create(2, 8, Rights(0o10)).expect("a mailbox can be made");
    assert_eq!(object::mailbox_send(id, b"x", 0), Err(Errno::EACCES));
    assert_eq!(
        object::mailbox_receive(id, &mut [0; 8], 0),
        Err(Errno::EAGAIN)
    );
    object::mailbox_destroy(id).expect("the owner may, whatever else");
    let id = object::semaphore_create(1, Rights(0o03)).expect("a semaphore can be made");
    assert_eq!(object::semaphore_wait(id, 0), Err(Errno::EACCES));
    assert_eq!(object::semaphore_post(id, 1), Err(Errno::EACCES));
    object::semaphore_destroy(id).expect("the owner may, whatever else");
    for rights in [0o4, 0o40, 0o100, usize::MAX] {
        assert_eq!(
            object::semaphore_create(0, Rights(rights)),
            Err(Errno::EINVAL),
            "{rights:o}"
        );
    }
}

fn bad_pointers() {
    let id = mail(4, 8);
    let number = id.0 as usize;
    object::mailbox_send(id, b"first", 0).expect("there is room");
    object::mailbox_send(id, b"second", 0).expect("there is room");
    for at in BAD {
        let send = call(number::MAILBOX_SEND, [number, at, 4, 0]);
        assert_eq!(send, Err(Errno::EFAULT), "{at:#x}");
        let receive = call(number::MAILBOX_RECEIVE, [number, at, 8, 0]);
        assert_eq!(receive, Err(Errno::EFAULT), "{at:#x}");
        let receive = call(number::MAILBOX_RECEIVE, [number, at, usize::MAX, 0]);
        assert_eq!(receive, Err(Errno::EFAULT), "{at:#x}");
    }
    static CONSTANT: [u8; 8] = [7; 8];
    let constant = CONSTANT.as_ptr() as usize;
    let receive = call(number::MAILBOX_RECEIVE, [number, constant, 8, 0]);
    assert_eq!(receive, Err(Errno::EFAULT));
    let mut buffer = [0; 8];
    with_page(|page| {
        let straddling = page + 4096 - 3;
        let receive = call(number::MAILBOX_RECEIVE, [number, straddling, 8, 0]);
        assert_eq!(receive, Err(Errno::EFAULT));
        let send = call(number::MAILBOX_SEND, [number, straddling, 8, 0]);
        assert_eq!(send, Err(Errno::EFAULT));
    });
    for expected in [&b"first"[..], b"second"] {
        let (len, _) = object::mailbox_receive(id, &mut buffer, 0).expect("none was lost");
        assert_eq!(&buffer[..len], expected);
    }
    assert_eq!(
        object::mailbox_receive(id, &mut buffer, 0),
        Err(Errno::EAGAIN),
        "none was sent"
    );
    object::mailbox_destroy(id).expect("it is there");
}
