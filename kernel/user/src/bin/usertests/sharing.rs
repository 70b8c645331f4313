//! What processes share: pipes, memory, objects, messages, sockets; and what their ends leave.

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use kernel_bridge::ipc::{BoundedBuffer, Wait};
use user::file;
use user::kernel::Kernel;
use user::object::{self, Rights};
use user::process::{self, News, Pid};
use user::syscall::{self, Errno, Protection, number};

use super::pointers::{BAD, call};
use super::processes::returns_all;

pub(crate) const CASES: &[super::Case] = &[
    ("a pipe joins two processes and ends with one", pipe),
    ("memory is shared, also by a futex", memory),
    ("regions have limits and rights", regions),
    ("others do what the owner allows", rights),
    ("messages find a process by its number", messages),
    ("a process that ends is told of to who waits", ended),
    ("a process that dies leaves nothing", nothing_left),
    ("a bounded buffer joins processes", bounded),
];

const FOREVER: u64 = u64::MAX;
/// Where these cases map regions.
const PLACE: usize = 0x50_0000_0000;

fn child(body: impl FnOnce() -> i32) -> Pid {
    process::spawn(body).expect("a child")
}

fn expect_end(child: Pid, status: i32) {
    assert_eq!(
        process::wait(Some(child)),
        Ok((child, News::Exited(status)))
    );
}

fn pipe() {
    returns_all(|| {
        let (from, to) = file::pipe().expect("a pipe");
        let writer = child(|| {
            syscall::close(from).expect("it is open");
            assert_eq!(syscall::write(to, b"from a child"), Ok(12));
            // The end of the process closes its descriptor.
            5
        });
        syscall::close(to).expect("it is open");
        let mut buffer = [0; 20];
        assert_eq!(syscall::read(from, &mut buffer), Ok(12));
        assert_eq!(syscall::read(from, &mut buffer), Ok(0), "the end");
        syscall::close(from).expect("it is open");
        expect_end(writer, 5);
    });
}

fn map(id: object::RegionId) -> &'static [AtomicU32; 2048] {
    // SAFETY: the place is these cases' own, and nothing leads there between them.
    let len = unsafe { object::region_map(id, PLACE, Protection::READ_WRITE) };
    assert_eq!(len, Ok(8192));
    // SAFETY: mapped until `unmap`, zero or written as words, and reached through atomics only.
    unsafe { &*core::ptr::with_exposed_provenance(PLACE) }
}

fn unmap() {
    // SAFETY: nothing leads there any more.
    let unmapped = unsafe { syscall::munmap(core::ptr::with_exposed_provenance_mut(PLACE)) };
    unmapped.expect("it is mapped");
}

fn memory() {
    returns_all(|| {
        let id = object::region_create(8000, Rights::ALL).expect("a region");
        // One child inherits the mapping, one maps the region by its number.
        let mapping = child(|| {
            let words = map(id);
            while words[1].load(SeqCst) == 0 {
                let _ = syscall::futex_wait(&words[1], 0, FOREVER);
            }
            words[2000].store(7, SeqCst);
            0
        });
        let words = map(id);
        let inheriting = child(|| {
            words[0].store(42, SeqCst);
            syscall::futex_wake(words[0].as_ptr(), u32::MAX).expect("a good address");
            0
        });
        while words[0].load(SeqCst) == 0 {
            let _ = syscall::futex_wait(&words[0], 0, FOREVER);
        }
        assert_eq!(words[0].load(SeqCst), 42);
        words[1].store(1, SeqCst);
        syscall::futex_wake(words[1].as_ptr(), u32::MAX).expect("a good address");
        expect_end(inheriting, 0);
        expect_end(mapping, 0);
        assert_eq!(words[2000].load(SeqCst), 7, "another page, another process");
        object::region_destroy(id).expect("it is there");
        assert_eq!(words[2000].load(SeqCst), 7, "what is mapped stays");
        unmap();
    });
}

fn regions() {
    for len in [0, (4 << 20) + 1, usize::MAX] {
        let end = object::region_create(len, Rights::ALL);
        assert_eq!(end, Err(Errno::EINVAL), "{len}");
    }
    let readable = object::region_create(4096, Rights(0o31)).expect("a region");
    let number = readable.0 as usize;
    let reader = child(|| {
        assert_eq!(
            call(number::REGION_MAP, [number, PLACE, 3, 0]),
            Err(Errno::EACCES)
        );
        assert_eq!(call(number::REGION_MAP, [number, PLACE, 1, 0]), Ok(4096));
        assert_eq!(object::region_destroy(readable), Err(Errno::EPERM));
        0
    });
    expect_end(reader, 0);
    // One of them is only unmapped, which is a good place.
    let bad = BAD.into_iter().filter(|at| *at != 0x20_1000_0000);
    for at in bad.chain([PLACE + 8]) {
        let end = call(number::REGION_MAP, [number, at, 3, 0]);
        assert_eq!(end, Err(Errno::EINVAL), "{at:#x}");
    }
    for protection in [0, 4, 5, 6, 7, 8] {
        let end = call(number::REGION_MAP, [number, PLACE, protection, 0]);
        assert_eq!(end, Err(Errno::EINVAL), "{protection}");
    }
    assert_eq!(call(number::REGION_MAP, [number, PLACE, 3, 0]), Ok(4096));
    let again = call(number::REGION_MAP, [number, PLACE, 3, 0]);
    assert_eq!(again, Err(Errno::EEXIST));
    unmap();
    object::region_destroy(readable).expect("it is there");
    let gone = call(number::REGION_MAP, [number, PLACE, 3, 0]);
    assert_eq!(gone, Err(Errno::ENOENT));
}

fn rights() {
    let inbox = object::mailbox_create(4, 8, Rights::INBOX).expect("a mailbox");
    let closed = object::semaphore_create(1, Rights::OWNER).expect("a semaphore");
    let other = child(|| {
        assert_eq!(object::mailbox_send(inbox, b"hello", 0), Ok(()));
        let end = object::mailbox_receive(inbox, &mut [0; 8], 0);
        assert_eq!(end, Err(Errno::EACCES));
        assert_eq!(object::semaphore_wait(closed, 0), Err(Errno::EACCES));
        assert_eq!(object::semaphore_post(closed, 1), Err(Errno::EACCES));
        assert_eq!(object::mailbox_destroy(inbox), Err(Errno::EPERM));
        assert_eq!(object::semaphore_destroy(closed), Err(Errno::EPERM));
        0
    });
    expect_end(other, 0);
    let received = object::mailbox_receive(inbox, &mut [0; 8], 0);
    assert_eq!(received, Ok((5, other.0)), "who sent it is told");
    assert_eq!(object::semaphore_wait(closed, 0), Ok(()));
    object::mailbox_destroy(inbox).expect("it is there");
    object::semaphore_destroy(closed).expect("it is there");
}

fn messages() {
    let own = process::id();
    let mut buffer = [0; object::MESSAGE_LEN];
    let echo = child(|| {
        let mut buffer = [0; object::MESSAGE_LEN];
        for _ in 0..50 {
            let (len, sender) = object::message_receive(&mut buffer, FOREVER).expect("a message");
            assert_eq!(sender, own.0);
            object::message_send(sender, &buffer[..len], FOREVER).expect("it lives");
        }
        3
    });
    for n in 0..50_u8 {
        object::message_send(echo.0, &[n; 9], FOREVER).expect("it lives");
        let answer = object::message_receive(&mut buffer, FOREVER);
        assert_eq!((answer, buffer[8]), (Ok((9, echo.0)), n));
    }
    expect_end(echo, 3);
    for pid in [echo.0, 0, u32::MAX] {
        let end = object::message_send(pid, b"x", 0);
        assert_eq!(end, Err(Errno::ESRCH), "{pid}");
    }
    assert_eq!(object::message_send(own.0, b"note", 0), Ok(()));
    assert_eq!(object::message_receive(&mut buffer, 0), Ok((4, own.0)));
    assert_eq!(object::message_receive(&mut buffer, 0), Err(Errno::EAGAIN));
    assert_eq!(
        object::message_receive(&mut buffer[1..], 0),
        Err(Errno::EMSGSIZE)
    );
    assert_eq!(
        object::message_send(own.0, &[0; object::MESSAGE_LEN + 1], 0),
        Err(Errno::EMSGSIZE)
    );
    for at in BAD {
        let send = call(number::MESSAGE_SEND, [own.0 as usize, at, 4, 0]);
        assert_eq!(send, Err(Errno::EFAULT), "{at:#x}");
    }
}

fn ended() {
    for _ in 0..10 {
        let (from, to) = file::pipe().expect("a pipe");
        let owner = child(|| {
            let mailbox = object::mailbox_create(1, 8, Rights::ALL).expect("a mailbox");
            assert_eq!(syscall::write(to, &mailbox.0.to_ne_bytes()), Ok(4));
            // It ends with the first message, and its mailbox with it.
            let received = object::mailbox_receive(mailbox, &mut [0; 8], FOREVER);
            i32::from(received.is_err())
        });
        let mut number = [0; 4];
        assert_eq!(syscall::read(from, &mut number), Ok(4));
        let mailbox = object::MailboxId(u32::from_ne_bytes(number));
        assert_eq!(object::mailbox_send(mailbox, b"go", FOREVER), Ok(()));
        // Sooner or later it is full, and then gone.
        let end = loop {
            match object::mailbox_send(mailbox, b"more", FOREVER) {
                Ok(()) => {}
                Err(end) => break end,
            }
        };
        assert!(matches!(end, Errno::EIDRM | Errno::ENOENT), "{end:?}");
        expect_end(owner, 0);
        syscall::close(from).expect("it is open");
        syscall::close(to).expect("it is open");
    }
}

fn nothing_left() {
    returns_all(|| {
        let untidy = child(|| {
            for _ in 0..30 {
                let id = object::region_create(8192, Rights::ALL).expect("a region");
                map(id)[5].store(1, SeqCst);
                unmap();
                object::mailbox_create(20, 200, Rights::ALL).expect("a mailbox");
                object::semaphore_create(0, Rights::ALL).expect("a semaphore");
                file::pipe().expect("a pipe");
            }
            // It dies with one of them mapped.
            let last = object::region_create(8192, Rights::ALL).expect("a region");
            map(last)[5].store(1, SeqCst);
            object::message_send(process::id().0, b"unread", 0).expect("it lives");
            object::socket_listen(c"untidy", 4).expect("the name is free");
            object::socket_connect(c"untidy", 0).expect("there is room");
            // SAFETY: none: the process is to die.
            unsafe { core::arch::asm!("ud2", options(noreturn, nostack)) }
        });
        let (_, news) = process::wait(Some(untidy)).expect("it ends");
        assert!(matches!(news, News::Faulted(_)), "{news:?}");
        assert_eq!(
            object::socket_connect(c"untidy", 0),
            Err(Errno::ECONNREFUSED)
        );
    });
}

fn bounded() {
    const EACH: u32 = 100;
    let buffer = BoundedBuffer::new(Kernel, 4).expect("a buffer");
    let producers = [0, 1].map(|own| {
        child(|| {
            for n in 0..EACH {
                let put = buffer.put(own * EACH + n, Wait::Forever);
                put.expect("somebody takes");
            }
            0
        })
    });
    let sum: u32 = (0..2 * EACH)
        .map(|_| buffer.take(Wait::Forever).expect("somebody puts"))
        .sum();
    assert_eq!(sum, 2 * EACH * (2 * EACH - 1) / 2);
    for producer in producers {
        expect_end(producer, 0);
    }
    assert!(buffer.take(Wait::No).is_err());
}
