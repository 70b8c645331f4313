//! Local sockets: names, connections, and their ends.

use alloc::ffi::CString;
use alloc::vec;
use alloc::vec::Vec;

use user::file;
use user::object::{socket_accept, socket_connect, socket_listen};
use user::syscall::{self, Errno, number};
use user::thread;

use super::pointers::{BAD, call};
use super::without_loss;

pub(crate) const CASES: &[super::Case] = &[
    ("bytes go both ways", echo),
    ("names are taken and free again", names),
    ("a full backlog refuses or waits", backlog),
    ("a closed listener closes what waits", closed),
    ("a listener is neither read nor written", listener),
    ("many clients are served", clients),
    ("bad names and pointers are refused", bad),
];

const FOREVER: u64 = u64::MAX;
const MS: u64 = 1_000_000;

fn close(fd: i32) {
    syscall::close(fd).expect("it is open");
}

fn echo() {
    without_loss(|| {
        let listener = socket_listen(c"echo", 2).expect("the name is free");
        let client = socket_connect(c"echo", 0).expect("there is room");
        // What is written before the other side accepts is kept.
        assert_eq!(syscall::write(client, b"early"), Ok(5));
        let server = socket_accept(listener, 0).expect("one waits");
        let mut buffer = [0; 16];
        assert_eq!(syscall::read(server, &mut buffer), Ok(5));
        assert_eq!(syscall::write(server, b"answer"), Ok(6));
        assert_eq!(syscall::read(client, &mut buffer), Ok(6));
        assert_eq!(&buffer[..6], b"answer");
        assert_eq!(syscall::seek(client, 0, 0), Err(Errno::EINVAL));
        assert_eq!(syscall::write(client, b"last words"), Ok(10));
        close(client);
        assert_eq!(syscall::read(server, &mut buffer), Ok(10));
        assert_eq!(syscall::read(server, &mut buffer), Ok(0), "the end");
        assert_eq!(syscall::write(server, b"x"), Err(Errno::EPIPE));
        close(server);
        close(listener);
    });
}

fn names() {
    assert_eq!(socket_connect(c"name", FOREVER), Err(Errno::ECONNREFUSED));
    let listener = socket_listen(c"name", 1).expect("the name is free");
    assert_eq!(socket_listen(c"name", 1), Err(Errno::EADDRINUSE));
    let other = socket_listen(c"another", 1).expect("the name is free");
    let copy = file::dup(listener).expect("a number is free");
    close(listener);
    let client = socket_connect(c"name", 0).expect("a copy still listens");
    close(copy);
    assert_eq!(socket_connect(c"name", FOREVER), Err(Errno::ECONNREFUSED));
    close(socket_listen(c"name", 1).expect("the name is free again"));
    close(client);
    close(other);
}

fn backlog() {
    let listener = socket_listen(c"busy", 2).expect("the name is free");
    assert_eq!(socket_accept(listener, 0), Err(Errno::EAGAIN));
    let start = syscall::clock();
    assert_eq!(socket_accept(listener, MS), Err(Errno::ETIMEDOUT));
    assert!(syscall::clock() - start >= MS);
    let clients: Vec<_> = (0..2)
        .map(|_| socket_connect(c"busy", 0).expect("there is room"))
        .collect();
    assert_eq!(socket_connect(c"busy", 0), Err(Errno::EAGAIN));
    assert_eq!(socket_connect(c"busy", MS), Err(Errno::ETIMEDOUT));
    let late = thread::spawn(|| socket_connect(c"busy", FOREVER).expect("room comes"));
    let servers: Vec<_> = (0..3)
        .map(|_| socket_accept(listener, FOREVER).expect("three connect"))
        .collect();
    let late = late.join();
    clients.into_iter().chain(servers).for_each(close);
    close(late);
    close(listener);
}

fn closed() {
    without_loss(|| {
        for _ in 0..20 {
            let listener = socket_listen(c"brief", 1).expect("the name is free");
            let client = socket_connect(c"brief", 0).expect("there is room");
            let refused = thread::spawn(|| {
                // The backlog is full: it waits, or comes too late.
                assert_eq!(socket_connect(c"brief", FOREVER), Err(Errno::ECONNREFUSED));
                0
            });
            syscall::yield_now();
            close(listener);
            refused.join();
            assert_eq!(syscall::read(client, &mut [0; 4]), Ok(0), "the end");
            assert_eq!(syscall::write(client, b"x"), Err(Errno::EPIPE));
            close(client);
        }
    });
}

fn listener() {
    let listener = socket_listen(c"only", 1).expect("the name is free");
    assert_eq!(syscall::read(listener, &mut [0; 4]), Err(Errno::EINVAL));
    assert_eq!(syscall::write(listener, b"x"), Err(Errno::EINVAL));
    assert_eq!(socket_accept(0, 0), Err(Errno::EINVAL), "the console");
    assert_eq!(socket_accept(99, 0), Err(Errno::EBADF));
    let client = socket_connect(c"only", 0).expect("there is room");
    assert_eq!(socket_accept(client, 0), Err(Errno::EINVAL));
    close(client);
    close(listener);
}

fn clients() {
    let listener = socket_listen(c"sum", 3).expect("the name is free");
    let clients: Vec<_> = (0..8_u8)
        .map(|own| {
            thread::spawn(move || {
                let fd = socket_connect(c"sum", FOREVER).expect("it listens");
                assert_eq!(syscall::write(fd, &[own; 3]), Ok(3));
                let mut answer = [0; 1];
                assert_eq!(syscall::read(fd, &mut answer), Ok(1));
                close(fd);
                i32::from(answer[0])
            })
        })
        .collect();
    for _ in 0..8 {
        let fd = socket_accept(listener, FOREVER).expect("eight connect");
        let mut sum = 0;
        let mut got = 0;
        while got < 3 {
            let mut bytes = [0; 3];
            let count = syscall::read(fd, &mut bytes).expect("it sends");
            assert!(count > 0);
            sum += bytes[..count].iter().sum::<u8>();
            got += count;
        }
        assert_eq!(syscall::write(fd, &[sum]), Ok(1));
        close(fd);
    }
    let answers: Vec<_> = clients.into_iter().map(thread::Thread::join).collect();
    assert_eq!(answers, [0, 3, 6, 9, 12, 15, 18, 21]);
    close(listener);
}

fn bad() {
    assert_eq!(socket_listen(c"", 1), Err(Errno::EINVAL));
    for limit in [0, 129, usize::MAX] {
        assert_eq!(socket_listen(c"limit", limit), Err(Errno::EINVAL));
    }
    let long = CString::new(vec![b'n'; 108]).expect("no zero byte");
    assert_eq!(socket_listen(&long, 1), Err(Errno::ENAMETOOLONG));
    assert_eq!(socket_connect(&long, 0), Err(Errno::ENAMETOOLONG));
    for at in BAD {
        for number in [number::SOCKET_LISTEN, number::SOCKET_CONNECT] {
            assert_eq!(call(number, [at, 1, 0, 0]), Err(Errno::EFAULT), "{at:#x}");
        }
    }
}
