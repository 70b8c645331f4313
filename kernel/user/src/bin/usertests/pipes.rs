//! Pipes: order, ends, and who waits for whom.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::file::{self, Mode};
use user::syscall::{self, Errno, number};
use user::thread;

use super::pointers::{BAD, call, with_page};
use super::without_loss;

pub(crate) const CASES: &[super::Case] = &[
    ("bytes come out in the order they went in", order),
    ("the end comes after the last byte", end),
    ("a pipe that nobody reads is broken", broken),
    ("directions are kept", directions),
    ("small writes are not mixed", small_writes),
    ("a waiting reader is told of the end", waiting_reader),
    ("a waiting writer is told that nobody reads", waiting_writer),
    ("a copy of an end keeps it open", copies),
    ("a named pipe joins those who open it", named),
    ("a pipe bomb ends in an error and comes back", bomb),
    ("bad pointers are refused and nothing is lost", bad_pointers),
];

fn pipe() -> (i32, i32) {
    file::pipe().expect("a pipe can be made")
}

fn close(fd: i32) {
    syscall::close(fd).expect("it is open");
}

fn write_all(fd: i32, bytes: &[u8]) {
    assert_eq!(syscall::write(fd, bytes), Ok(bytes.len()));
}

fn read_all(fd: i32, piece: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut buffer = vec![0; piece];
    loop {
        match syscall::read(fd, &mut buffer).expect("it can be read") {
            0 => return text,
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
}

fn order() {
    for (write, read) in [(1, 1), (7, 4000), (4000, 7), (10_000, 10_000)] {
        let (from, to) = pipe();
        assert!(from >= 3 && to > from);
        let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
        let expected = bytes.clone();
        let writer = thread::spawn(move || {
            for piece in bytes.chunks(write) {
                write_all(to, piece);
            }
            close(to);
            0
        });
        assert!(read_all(from, read) == expected, "{write} {read}");
        writer.join();
        close(from);
    }
}

fn end() {
    let (from, to) = pipe();
    write_all(to, b"Hello, all!");
    close(to);
    let mut buffer = [0; 7];
    assert_eq!(syscall::read(from, &mut buffer), Ok(7));
    assert_eq!(&buffer, b"Hello, ");
    assert_eq!(syscall::read(from, &mut buffer), Ok(4));
    assert_eq!(syscall::read(from, &mut buffer), Ok(0));
    assert_eq!(syscall::read(from, &mut buffer), Ok(0), "the end stays");
    close(from);
}

fn broken() {
    let (from, to) = pipe();
    write_all(to, b"never read");
    close(from);
    assert_eq!(syscall::write(to, b"x"), Err(Errno::EPIPE));
    assert_eq!(syscall::write(to, &[0; 5000]), Err(Errno::EPIPE));
    assert_eq!(syscall::write(to, b""), Ok(0), "nothing is not broken");
    close(to);
}

fn directions() {
    let (from, to) = pipe();
    assert_eq!(syscall::write(from, b"x"), Err(Errno::EINVAL));
    assert_eq!(syscall::read(to, &mut [0; 1]), Err(Errno::EINVAL));
    assert_eq!(syscall::seek(from, 0, 0), Err(Errno::EINVAL));
    assert_eq!(syscall::tell(to), Err(Errno::EINVAL));
    assert_eq!(syscall::read(from, &mut []), Ok(0), "nothing needs no wait");
    close(from);
    close(to);
}

fn small_writes() {
    let (from, to) = pipe();
    let writers: Vec<_> = (0..4_u8)
        .map(|own| {
            thread::spawn(move || {
                for _ in 0..100 {
                    write_all(to, &[own; 100]);
                }
                0
            })
        })
        .collect();
    let closer = thread::spawn(move || {
        writers.into_iter().for_each(|writer| {
            writer.join();
        });
        close(to);
        0
    });
    let text = read_all(from, 3000);
    closer.join();
    close(from);
    assert_eq!(text.len(), 4 * 100 * 100);
    for record in text.chunks(100) {
        assert!(record.iter().all(|byte| *byte == record[0]), "a mixed one");
    }
}

/// Starts a thread that says when it is about to make `calls`, and waits for that.
fn about_to(calls: impl FnOnce() -> i32 + Send + 'static) -> thread::Thread {
    let started = Arc::new(AtomicU32::new(0));
    let inner = Arc::clone(&started);
    let thread = thread::spawn(move || {
        inner.store(1, SeqCst);
        calls()
    });
    while started.load(SeqCst) == 0 {
        syscall::yield_now();
    }
    syscall::yield_now();
    thread
}

fn waiting_reader() {
    for _ in 0..20 {
        let (from, to) = pipe();
        let readers: Vec<_> = (0..3)
            .map(|_| {
                about_to(move || syscall::read(from, &mut [0; 4]).expect("it can be read") as i32)
            })
            .collect();
        write_all(to, b"some");
        close(to);
        let sum: i32 = readers.into_iter().map(thread::Thread::join).sum();
        assert_eq!(sum, 4);
        close(from);
    }
}

fn waiting_writer() {
    for _ in 0..20 {
        let (from, to) = pipe();
        let writers: Vec<_> = (0..3)
            .map(|_| {
                about_to(move || {
                    // Far more than fits: it waits, and what it could write before is counted.
                    let written = syscall::write(to, &[1; 20_000]);
                    assert!(
                        matches!(written, Err(Errno::EPIPE) | Ok(512..20_000)),
                        "{written:?}"
                    );
                    assert_eq!(syscall::write(to, b"x"), Err(Errno::EPIPE));
                    0
                })
            })
            .collect();
        assert!(syscall::read(from, &mut [0; 100]).is_ok_and(|count| count > 0));
        close(from);
        writers.into_iter().for_each(|writer| {
            writer.join();
        });
        close(to);
    }
}

fn copies() {
    let (from, to) = pipe();
    let copy = file::dup(to).expect("a number is free");
    close(to);
    write_all(copy, b"text");
    file::dup2(copy, 100).expect("the number is one");
    close(copy);
    write_all(100, b" and more");
    close(100);
    assert_eq!(read_all(from, 100), b"text and more");
    close(from);
}

fn named() {
    without_loss(|| {
        file::mkfifo(c"/fifo").expect("a named pipe can be made");
        assert_eq!(file::mkfifo(c"/fifo"), Err(Errno::EEXIST));
        assert_eq!(file::stat(c"/fifo").map(|stat| stat.kind), Ok(2));
        for round in 0..20 {
            let writer = thread::spawn(move || {
                let to = file::open_for(c"/fifo", Mode::Write).expect("somebody opens it to read");
                write_all(to, b"through a name");
                close(to);
                round
            });
            let from = syscall::open(c"/fifo").expect("somebody opens it to write");
            assert_eq!(read_all(from, 5), b"through a name");
            close(from);
            assert_eq!(writer.join(), round);
        }
        // Whoever opens it for both waits for nobody, and is enough for others.
        let both = file::open_for(c"/fifo", Mode::ReadWrite).expect("it does not wait");
        let to = file::open_for(c"/fifo", Mode::Write).expect("it is open to read");
        write_all(to, b"left over");
        file::unlink(c"/fifo").expect("it is there");
        let mut buffer = [0; 9];
        assert_eq!(syscall::read(both, &mut buffer), Ok(9));
        assert_eq!(&buffer, b"left over");
        close(to);
        close(both);
    });
}

fn bomb() {
    without_loss(|| {
        for spare in [0, 1] {
            let reserved: Vec<_> = (0..spare).map(|_| file::dup(0).expect("free")).collect();
            let mut open = Vec::new();
            let refused = loop {
                match file::pipe() {
                    Ok((from, to)) => open.extend([from, to]),
                    Err(why) => break why,
                }
            };
            assert_eq!(refused, Errno::EMFILE);
            // Even where one number is left, a refused pipe takes none.
            let mut left = 0;
            while let Ok(fd) = file::dup(0) {
                open.push(fd);
                left += 1;
            }
            assert!(left <= 1, "{left}");
            open.into_iter().chain(reserved).for_each(close);
        }
    });
}

fn bad_pointers() {
    without_loss(|| {
        for at in BAD {
            assert_eq!(
                call(number::PIPE, [at, 0, 0, 0]),
                Err(Errno::EFAULT),
                "{at:#x}"
            );
        }
        with_page(|page| {
            assert_eq!(
                call(number::PIPE, [page + 4096 - 4, 0, 0, 0]),
                Err(Errno::EFAULT)
            );
        });
        static CONSTANT: [i32; 2] = [7; 2];
        let constant = CONSTANT.as_ptr() as usize;
        assert_eq!(call(number::PIPE, [constant, 0, 0, 0]), Err(Errno::EFAULT));
        let (from, to) = pipe();
        assert_eq!(from, 3, "a refused pipe has left no descriptor");
        write_all(to, b"kept");
        for at in BAD {
            let read = [from as usize, at, 4, 0];
            assert_eq!(call(number::READ, read), Err(Errno::EFAULT), "{at:#x}");
            let write = [to as usize, at, 4, 0];
            assert_eq!(call(number::WRITE, write), Err(Errno::EFAULT), "{at:#x}");
        }
        assert_eq!(
            call(number::READ, [from as usize, constant, 4, 0]),
            Err(Errno::EFAULT)
        );
        close(to);
        assert_eq!(read_all(from, 10), b"kept");
        close(from);
    });
}
