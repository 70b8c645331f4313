//! Bad pointers of every kind in every call: an error, nothing written, nothing consumed.

use core::ffi::CStr;

use user::kernel::{schedule, trace};
use user::process;
use user::syscall::{self, Errno, Protection, Tid, number};
use user::thread;

pub(crate) const CASES: &[super::Case] = &[
    ("write from a bad buffer", write),
    ("read into a bad buffer", read),
    ("open with a bad path", open),
    ("join with a bad result pointer", join),
    ("create with a bad name", create_name),
    ("create with a bad stack", create_stack),
    ("create with a bad entry", create_entry),
    ("futex at a bad address", futex),
    ("statistics to a bad address", statistics),
    (
        "limits, lists, messages and recordings at bad addresses",
        others,
    ),
    (
        "handlers and thread pointers that no program can have",
        places,
    ),
];

/// A page that these cases map, followed by nothing.
const PAGE: usize = 0x20_0000_0000;
const PAGE_LEN: usize = 4096;

/// Addresses that no program may use: null, unmapped, around both ends of the hole between the
/// halves, the kernel's half, and the last byte of all.
pub(crate) const BAD: [usize; 9] = [
    0,
    8,
    0x20_1000_0000,
    0x7fff_ffff_f000,
    0x8000_0000_0000,
    0xffff_7fff_ffff_fff8,
    0xffff_8000_0000_0000,
    0xffff_ffff_8010_0000,
    usize::MAX - 7,
];

/// Makes a call with arguments that may be nonsense, as long as the kernel refuses them.
pub(crate) fn call(number: usize, args: [usize; 4]) -> Result<usize, Errno> {
    let args = [args[0], args[1], args[2], args[3], 0, 0];
    // SAFETY: these cases pass addresses that are nobody's, or memory that they own; a kernel that
    // obeys instead of refusing is what they are there to find.
    let result = unsafe { syscall::raw(number, args) };
    if result >= 0 {
        Ok(result as usize)
    } else {
        Err(Errno::from_number(-result as i32).expect("a known error number"))
    }
}

/// Runs `f` with the address of a mapped page that has nothing behind it.
pub(crate) fn with_page<R>(f: impl FnOnce(usize) -> R) -> R {
    // SAFETY: the address is this module's own, and cases run one after the other.
    let page = unsafe { syscall::mmap(PAGE, PAGE_LEN, Protection::READ_WRITE) };
    let page = page.expect("the page can be mapped");
    let result = f(page as usize);
    // SAFETY: nothing leads into the page any more.
    unsafe { syscall::munmap(page) }.expect("the page can be unmapped");
    result
}

fn write() {
    for at in BAD {
        assert_eq!(
            call(number::WRITE, [1, at, 8, 0]),
            Err(Errno::EFAULT),
            "{at:#x}"
        );
    }
    with_page(|page| {
        let straddling = page + PAGE_LEN - 4;
        assert_eq!(
            call(number::WRITE, [1, straddling, 8, 0]),
            Err(Errno::EFAULT)
        );
        assert_eq!(
            call(number::WRITE, [1, page, usize::MAX, 0]),
            Err(Errno::EFAULT)
        );
    });
}

fn read() {
    let fd = syscall::open(c"/data.txt").expect("the archive holds the file");
    for at in BAD {
        assert_eq!(
            call(number::READ, [fd as usize, at, 8, 0]),
            Err(Errno::EFAULT),
            "{at:#x}"
        );
    }
    static CONSTANT: [u8; 8] = *b"constant";
    let constant = CONSTANT.as_ptr() as usize;
    assert_eq!(
        call(number::READ, [fd as usize, constant, 8, 0]),
        Err(Errno::EFAULT)
    );
    let code = read as fn() as usize;
    assert_eq!(
        call(number::READ, [fd as usize, code, 8, 0]),
        Err(Errno::EFAULT)
    );
    with_page(|page| {
        let straddling = page + PAGE_LEN - 4;
        assert_eq!(
            call(number::READ, [fd as usize, straddling, 8, 0]),
            Err(Errno::EFAULT)
        );
    });
    // A refused read consumed nothing: the file is still at its start.
    assert_eq!(syscall::tell(fd), Ok(0));
    syscall::close(fd).expect("it is open");
}

fn open() {
    for at in BAD {
        assert_eq!(
            call(number::OPEN, [at, 0, 0, 0]),
            Err(Errno::EFAULT),
            "{at:#x}"
        );
    }
    with_page(|page| {
        // A string that runs off the end of its mapping.
        let last = page + PAGE_LEN - 4;
        // SAFETY: the four bytes lie in the page, which is ours.
        unsafe { core::ptr::with_exposed_provenance_mut::<[u8; 4]>(last).write(*b"path") };
        assert_eq!(call(number::OPEN, [last, 0, 0, 0]), Err(Errno::EFAULT));
    });
}

fn join() {
    let thread = thread::spawn(|| -77);
    let tid = thread.tid().0 as usize;
    for at in BAD.into_iter().filter(|&at| at != 0) {
        assert_eq!(
            call(number::THREAD_JOIN, [tid, at, 0, 0]),
            Err(Errno::EFAULT),
            "{at:#x}"
        );
    }
    static CONSTANT: i32 = 5;
    let constant = &raw const CONSTANT as usize;
    assert_eq!(
        call(number::THREAD_JOIN, [tid, constant, 0, 0]),
        Err(Errno::EFAULT)
    );
    with_page(|page| {
        let straddling = page + PAGE_LEN - 2;
        assert_eq!(
            call(number::THREAD_JOIN, [tid, straddling, 0, 0]),
            Err(Errno::EFAULT)
        );
    });
    // None of them was the one joiner.
    assert_eq!(thread.join(), -77);
    // A null result pointer is allowed, and means that nobody wants to know.
    let (tid, stack) = thread::spawn(|| 1).into_parts();
    assert_eq!(call(number::THREAD_JOIN, [tid.0 as usize, 0, 0, 0]), Ok(0));
    drop(stack);
}

/// A thread that must never run: it says so, which no expected text holds.
unsafe extern "C" fn never(_: *mut ()) -> ! {
    user::println!("a thread ran that should have been refused");
    syscall::exit(0)
}

fn create(name: usize, stack_top: usize, entry: usize) -> Result<usize, Errno> {
    call(number::THREAD_CREATE, [name, stack_top, entry, 0])
}

const ENTRY: syscall::ThreadFn = never;
const NAME: &CStr = c"never";

fn create_name() {
    let stack = thread::Stack::map().expect("a stack can be mapped");
    let top = stack.top() as usize;
    for at in BAD {
        assert_eq!(
            create(at, top, ENTRY as usize),
            Err(Errno::EFAULT),
            "{at:#x}"
        );
    }
    with_page(|page| {
        // SAFETY: the page is ours and whole.
        unsafe { core::ptr::with_exposed_provenance_mut::<u8>(page).write_bytes(b'n', PAGE_LEN) };
        let off_the_end = page + PAGE_LEN - 8;
        assert_eq!(create(off_the_end, top, ENTRY as usize), Err(Errno::EFAULT));
        let endless = create(page, top, ENTRY as usize);
        assert_eq!(endless, Err(Errno::ENAMETOOLONG));
    });
}

fn create_stack() {
    let name = NAME.as_ptr() as usize;
    for top in BAD {
        assert_eq!(
            create(name, top, ENTRY as usize),
            Err(Errno::EFAULT),
            "{top:#x}"
        );
    }
    let code = never as *const () as usize + 64;
    assert_eq!(
        create(name, code, ENTRY as usize),
        Err(Errno::EFAULT),
        "a stack in the code"
    );
    with_page(|page| {
        assert_eq!(
            create(name, page, ENTRY as usize),
            Err(Errno::EFAULT),
            "a stack below the page"
        );
    });
}

fn create_entry() {
    let stack = thread::Stack::map().expect("a stack can be mapped");
    let (name, top) = (NAME.as_ptr() as usize, stack.top() as usize);
    for entry in BAD {
        assert_eq!(create(name, top, entry), Err(Errno::EFAULT), "{entry:#x}");
    }
    assert_eq!(
        create(name, top, stack.base() as usize),
        Err(Errno::EFAULT),
        "data is not code"
    );
    assert_eq!(
        create(name, top, name),
        Err(Errno::EFAULT),
        "a constant is not code"
    );
}

fn futex() {
    for at in BAD {
        assert_eq!(
            call(number::FUTEX_WAIT, [at, 0, 0, 0]),
            Err(Errno::EFAULT),
            "{at:#x}"
        );
    }
    with_page(|page| {
        let unaligned = call(number::FUTEX_WAIT, [page + 1, 0, 0, 0]);
        assert!(
            matches!(unaligned, Err(Errno::EFAULT | Errno::EINVAL)),
            "{unaligned:?}"
        );
    });
    for at in BAD {
        // A wake reads nothing, so an unmapped key finds nobody; the kernel's half is refused.
        let woken = call(number::FUTEX_WAKE, [at, 1, 0, 0]);
        assert!(
            matches!(woken, Ok(0) | Err(Errno::EFAULT)),
            "{at:#x}: {woken:?}"
        );
    }
}

fn statistics() {
    for at in BAD {
        assert_eq!(
            call(number::THREAD_STATS, [0, at, 0, 0]),
            Err(Errno::EFAULT),
            "{at:#x}"
        );
    }
    with_page(|page| {
        let straddling = page + PAGE_LEN - 8;
        assert_eq!(
            call(number::THREAD_STATS, [0, straddling, 0, 0]),
            Err(Errno::EFAULT)
        );
    });
    assert_eq!(syscall::thread_stats(Some(Tid(1 << 40))), Err(Errno::ESRCH));
}

const GETRLIMIT: usize = 0x120;
const SETRLIMIT: usize = 0x121;
const SET_THREAD_POINTER: usize = 0x122;
const SIGACTION: usize = 0x11a;
const THREAD_LIST: usize = 0x183;
const TRACE_READ: usize = 0x189;
const TRACE_WRITE: usize = 0x18a;

fn others() {
    // So that there is something to read of the first processor.
    schedule::set_affinity(None, 1).expect("the processor is there");
    trace::begin();
    trace::end();
    schedule::set_affinity(None, u64::MAX).expect("everywhere");
    let own = process::id().0 as usize;
    let refused = |at: usize, what: &str| {
        for (number, args) in [
            (GETRLIMIT, [0, at, 0, 0]),
            (SETRLIMIT, [0, at, 0, 0]),
            (THREAD_LIST, [at, 1, 0, 0]),
            (TRACE_READ, [0, at, 1, 0]),
            (TRACE_WRITE, [at, 8, 0, 0]),
            (number::MESSAGE_SEND, [own, at, 8, 0]),
        ] {
            let end = call(number, args);
            assert_eq!(end, Err(Errno::EFAULT), "{number:#x} at {at:#x}, {what}");
        }
    };
    for at in BAD {
        refused(at, "nobody's");
    }
    with_page(|page| refused(page + PAGE_LEN - 4, "straddling"));
    static CONSTANT: [u64; 16] = [0; 16];
    let constant = CONSTANT.as_ptr() as usize;
    for (number, args) in [
        (GETRLIMIT, [0, constant, 0, 0]),
        (THREAD_LIST, [constant, 1, 0, 0]),
        (TRACE_READ, [0, constant, 1, 0]),
    ] {
        let end = call(number, args);
        assert_eq!(end, Err(Errno::EFAULT), "{number:#x} into a constant");
    }
    // A message that can't be handed over stays.
    assert_eq!(
        call(number::MESSAGE_SEND, [own, constant, 8, 0]),
        Ok(0),
        "to oneself"
    );
    for at in BAD.into_iter().chain([constant]) {
        let end = call(number::MESSAGE_RECEIVE, [at, 64, 0, 0]);
        assert_eq!(end, Err(Errno::EFAULT), "{at:#x}");
    }
    let mut message = [1_u8; 64];
    let at = message.as_mut_ptr() as usize;
    let received = call(number::MESSAGE_RECEIVE, [at, 64, 0, 0]);
    assert_eq!(received, Ok(own << 32 | 8));
    assert_eq!(message[..9], [0, 0, 0, 0, 0, 0, 0, 0, 1]);
}

fn places() {
    const USR1: usize = 10;
    let code = places as fn() as usize;
    // Of the bad ones, one lies where a program may map something; 0 as a handler has a meaning.
    for at in BAD.into_iter().filter(|at| *at != 0x20_1000_0000) {
        assert_eq!(
            call(SET_THREAD_POINTER, [at, 0, 0, 0]),
            Err(Errno::EFAULT),
            "{at:#x}"
        );
        assert_eq!(
            call(SIGACTION, [USR1, code, 0, at]),
            Err(Errno::EFAULT),
            "{at:#x}"
        );
        if at != 0 {
            assert_eq!(
                call(SIGACTION, [USR1, at, 0, code]),
                Err(Errno::EFAULT),
                "{at:#x}"
            );
        }
    }
}
