//! The files of the archive, and descriptors.

use alloc::vec::Vec;

use user::syscall::{self, Errno};
use user::thread;

pub(crate) const CASES: &[super::Case] = &[
    ("a file is read whole", whole),
    ("positions move and are told", positions),
    ("missing files and bad descriptors", missing),
    ("descriptors run out and come back", exhausted),
    ("threads share descriptors", shared),
];

/// What the test bench puts into the archive: the numbers from 0, one a line, up to 999.
fn expected() -> Vec<u8> {
    let mut text = Vec::new();
    for number in 0..1000 {
        text.extend_from_slice(alloc::format!("{number}\n").as_bytes());
    }
    text
}

fn read_all(fd: i32, piece: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut buffer = alloc::vec![0; piece];
    loop {
        let count = syscall::read(fd, &mut buffer).expect("it can be read");
        if count == 0 {
            return text;
        }
        text.extend_from_slice(&buffer[..count]);
    }
}

fn whole() {
    for piece in [1, 7, 4096, 10_000] {
        let fd = syscall::open(c"/data.txt").expect("the file is there");
        assert!(read_all(fd, piece) == expected(), "read by {piece}");
        assert_eq!(
            syscall::read(fd, &mut [0; 8]),
            Ok(0),
            "the end stays the end"
        );
        syscall::close(fd).expect("it is open");
    }
}

fn positions() {
    let text = expected();
    let fd = syscall::open(c"/data.txt").expect("the file is there");
    let mut buffer = [0; 10];
    assert_eq!(syscall::seek(fd, 100, 0), Ok(100));
    assert_eq!(syscall::read(fd, &mut buffer), Ok(10));
    assert_eq!(buffer, text[100..110]);
    assert_eq!(syscall::tell(fd), Ok(110));
    assert_eq!(syscall::seek(fd, -10, 1), Ok(100));
    assert_eq!(syscall::seek(fd, -10, 2), Ok(text.len() - 10));
    assert_eq!(read_all(fd, 3), text[text.len() - 10..]);
    assert_eq!(syscall::seek(fd, -1, 0), Err(Errno::EINVAL));
    assert_eq!(syscall::seek(fd, 0, 9), Err(Errno::EINVAL));
    assert_eq!(
        syscall::tell(fd),
        Ok(text.len()),
        "a refused seek moves nothing"
    );
    syscall::close(fd).expect("it is open");
}

fn missing() {
    assert_eq!(syscall::open(c"/nothing-here"), Err(Errno::ENOENT));
    assert_eq!(syscall::open(c""), Err(Errno::ENOENT));
    for fd in [-1, 99, i32::MAX, i32::MIN] {
        assert_eq!(syscall::read(fd, &mut [0; 4]), Err(Errno::EBADF), "{fd}");
        assert_eq!(syscall::write(fd, b"text"), Err(Errno::EBADF), "{fd}");
        assert_eq!(syscall::close(fd), Err(Errno::EBADF), "{fd}");
        assert_eq!(syscall::tell(fd), Err(Errno::EBADF), "{fd}");
    }
    let fd = syscall::open(c"/data.txt").expect("the file is there");
    assert_eq!(syscall::write(fd, b"text"), Err(Errno::EINVAL), "read only");
    syscall::close(fd).expect("it is open");
    assert_eq!(syscall::close(fd), Err(Errno::EBADF), "closed twice");
    assert_eq!(
        syscall::read(fd, &mut [0; 4]),
        Err(Errno::EBADF),
        "read after close"
    );
}

fn exhausted() {
    let mut first = None;
    for _ in 0..3 {
        let mut open = Vec::new();
        let refused = loop {
            match syscall::open(c"/data.txt") {
                Ok(fd) => {
                    assert!(!open.contains(&fd), "{fd} was given out twice");
                    open.push(fd);
                }
                Err(why) => break why,
            }
        };
        assert_eq!(refused, Errno::EMFILE);
        let count = open.len();
        for fd in open {
            syscall::close(fd).expect("it is open");
        }
        assert_eq!(*first.get_or_insert(count), count);
    }
}

fn shared() {
    let text = expected();
    let fd = syscall::open(c"/data.txt").expect("the file is there");
    // Four threads read one position: every byte is read once.
    let threads: Vec<_> = (0..4)
        .map(|_| thread::spawn(move || read_all(fd, 16).len() as i32))
        .collect();
    let sum: i32 = threads.into_iter().map(thread::Thread::join).sum();
    assert_eq!(sum as usize, text.len());
    syscall::close(fd).expect("it is open");
}
