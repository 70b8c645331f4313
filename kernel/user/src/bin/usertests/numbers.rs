//! System call numbers that don't exist, and ones that do with nonsense in every argument.

use user::syscall::{self, Errno, number};

pub(crate) const CASES: &[super::Case] = &[
    ("unknown numbers", unknown),
    ("known numbers with nonsense", nonsense),
];

fn call_with(number: usize, arg: usize) -> isize {
    // SAFETY: an argument of all ones is an address of nobody and a length of everything: a sound
    // kernel refuses it, and this test is there to find one that is not.
    unsafe { syscall::raw(number, [arg; 6]) }
}

fn unknown() {
    let wanted = -(Errno::ENOSYS.number() as isize);
    for number in [
        21,
        22,
        99,
        0xff,
        0x1ff,
        0x1000,
        1 << 31,
        1 << 32,
        1 << 63,
        usize::MAX,
    ] {
        for arg in [0, 1, usize::MAX] {
            assert_eq!(call_with(number, arg), wanted, "{number:#x} with {arg:#x}");
        }
    }
}

fn nonsense() {
    let calls = [
        number::OPEN,
        number::READ,
        number::WRITE,
        number::SEEK,
        number::TELL,
        number::CLOSE,
        number::MMAP,
        number::MUNMAP,
        number::THREAD_CREATE,
        number::THREAD_JOIN,
        number::FUTEX_WAIT,
        number::THREAD_STATS,
        number::PIPE,
        number::CREATE,
        number::MKDIR,
        number::UNLINK,
        number::CHDIR,
        number::READDIR,
        number::STAT,
        number::FSYNC,
        number::DUP,
        number::DUP2,
        number::MKFIFO,
        number::SOCKET_LISTEN,
        number::SOCKET_CONNECT,
        number::SOCKET_ACCEPT,
        number::REGION_CREATE,
        number::REGION_MAP,
        number::REGION_DESTROY,
        number::SEMAPHORE_CREATE,
        number::SEMAPHORE_WAIT,
        number::SEMAPHORE_POST,
        number::SEMAPHORE_DESTROY,
        number::MAILBOX_CREATE,
        number::MAILBOX_SEND,
        number::MAILBOX_RECEIVE,
        number::MAILBOX_DESTROY,
        number::MESSAGE_SEND,
        number::MESSAGE_RECEIVE,
    ];
    for number in calls {
        for arg in [usize::MAX, 1 << 63, usize::MAX >> 1] {
            let result = call_with(number, arg);
            assert!(
                result < 0 && result > -4096,
                "{number:#x} with {arg:#x} gave {result}"
            );
        }
    }
}
