//! Memory: zeroed, refused where it must be, given back whole.

use alloc::vec::Vec;

use user::syscall::{self, Errno, Protection, number};
use user::thread;

pub(crate) const CASES: &[super::Case] = &[
    ("fresh memory is zero", zeroed),
    ("bad requests are refused", refused),
    ("writable and executable exclude each other", exclusive),
    ("unmapped memory comes back", returned),
    ("untouched memory costs nothing", untouched),
    ("four threads map and unmap", concurrent),
];

const AT: usize = 0x30_0000_0000;
const PAGE: usize = 4096;

/// `mmap` with numbers instead of types.
fn map(at: usize, len: usize, protection: usize, fd: isize) -> Result<usize, Errno> {
    // SAFETY: these cases ask for addresses that nothing of the program leads to, or for ones that
    // the kernel must refuse.
    let result = unsafe { syscall::raw(number::MMAP, [at, len, protection, fd as usize, 0, 0]) };
    if result >= 0 {
        Ok(result as usize)
    } else {
        Err(Errno::from_number(-result as i32).expect("a known error number"))
    }
}

fn unmap(at: usize) -> Result<(), Errno> {
    // SAFETY: no reference leads into what these cases map.
    unsafe { syscall::munmap(core::ptr::with_exposed_provenance_mut(at)) }
}

/// The bytes of a mapping that the case made and has not unmapped.
fn bytes(at: usize, len: usize) -> &'static mut [u8] {
    // SAFETY: the case mapped it writable and drops the slice before it unmaps; no two at a time.
    unsafe {
        core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut::<u8>(at), len)
    }
}

fn zeroed() {
    for round in 0..20 {
        let len = PAGE * (1 + round % 5);
        assert_eq!(map(AT, len, 3, -1), Ok(AT));
        let memory = bytes(AT, len);
        assert!(
            memory.iter().all(|&byte| byte == 0),
            "round {round} got used memory"
        );
        memory.fill(0xaa);
        unmap(AT).expect("it is mapped");
    }
}

fn refused() {
    assert_eq!(map(0, PAGE, 3, -1), Err(Errno::EINVAL), "null");
    assert_eq!(map(AT + 1, PAGE, 3, -1), Err(Errno::EINVAL), "unaligned");
    assert_eq!(map(AT, 0, 3, -1), Err(Errno::EINVAL), "nothing");
    for (at, len) in [
        (0x7fff_ffff_f000, 2 * PAGE),
        (0x8000_0000_0000, PAGE),
        (0xffff_8000_0000_0000, PAGE),
        (0xffff_ffff_8010_0000, PAGE),
        (AT, usize::MAX),
        (AT, usize::MAX - AT + 1),
        (usize::MAX - PAGE + 1, PAGE),
    ] {
        let result = map(at, len, 3, -1);
        assert!(
            matches!(result, Err(Errno::EINVAL | Errno::ENOMEM)),
            "{at:#x}: {result:?}"
        );
    }
    assert_eq!(
        map(AT, PAGE, 3, 77),
        Err(Errno::EBADF),
        "no such descriptor"
    );
    assert_eq!(map(AT, 2 * PAGE, 3, -1), Ok(AT));
    for (at, len) in [
        (AT, PAGE),
        (AT + PAGE, PAGE),
        (AT - PAGE, 2 * PAGE),
        (AT, 4 * PAGE),
    ] {
        let result = map(at, len, 3, -1);
        assert!(
            matches!(result, Err(Errno::EINVAL | Errno::EEXIST)),
            "{at:#x}: {result:?}"
        );
    }
    // The program itself and its stack are no room either.
    for at in [0x40_1000, 0x4747_f000] {
        let result = map(at, PAGE, 3, -1);
        assert!(
            matches!(result, Err(Errno::EINVAL | Errno::EEXIST)),
            "{at:#x}: {result:?}"
        );
    }
    assert_eq!(unmap(AT + PAGE), Err(Errno::EINVAL), "not a start");
    assert_eq!(unmap(AT - PAGE), Err(Errno::EINVAL), "nothing there");
    unmap(AT).expect("it is mapped");
    assert_eq!(unmap(AT), Err(Errno::EINVAL), "a second time");
}

fn exclusive() {
    let result = map(AT, PAGE, 7, -1);
    assert!(
        matches!(result, Err(Errno::EINVAL | Errno::EACCES)),
        "{result:?}"
    );
    let result = map(AT, PAGE, 6, -1);
    assert!(
        matches!(result, Err(Errno::EINVAL | Errno::EACCES)),
        "{result:?}"
    );
}

fn returned() {
    const LEN: usize = 32 << 20;
    let before = syscall::free_memory();
    // Four times the machine's memory in all, each page touched.
    let mut kept = 0;
    for round in 0..32 {
        assert_eq!(map(AT, LEN, 3, -1), Ok(AT), "round {round}");
        for page in bytes(AT, LEN).chunks_mut(PAGE) {
            page[0] = 1;
        }
        unmap(AT).expect("it is mapped");
        let now = before - syscall::free_memory();
        assert!(
            round == 0 || now == kept,
            "round {round} kept {now} pages, the first {kept}"
        );
        kept = now;
    }
}

fn untouched() {
    // By far more than the machine has, and two pages of it: what they take, and what is kept of that.
    let round = || {
        let before = syscall::free_memory();
        assert_eq!(map(AT, 1 << 40, 3, -1), Ok(AT));
        let memory = bytes(AT, 1 << 40);
        memory[0] = 1;
        memory[1 << 39] = 1;
        assert_eq!(memory[(1 << 39) + 4095], 0);
        let used = before - syscall::free_memory();
        unmap(AT).expect("it is mapped");
        (used, before - syscall::free_memory())
    };
    // The first makes page tables, which stay for the next, and may touch a page of this very code.
    let (used, _) = round();
    assert!((2..20).contains(&used), "{used} pages for two");
    let rounds = [(); 4].map(|()| round());
    assert!(
        rounds.contains(&(2, 0)),
        "{rounds:?}: used and kept for two"
    );
    // The typed call agrees with the one above.
    // SAFETY: what was there has been unmapped.
    let page = unsafe { syscall::mmap(AT, PAGE, Protection::READ_WRITE) };
    assert_eq!(page.map(|page| page as usize), Ok(AT));
    unmap(AT).expect("it is mapped");
}

fn concurrent() {
    let threads: Vec<_> = (0..4_usize)
        .map(|index| {
            thread::spawn(move || {
                let at = AT + (index << 32);
                for round in 0..60 {
                    let len = PAGE * (1 + (round * 7 + index) % 9);
                    assert_eq!(map(at, len, 3, -1), Ok(at));
                    let memory = bytes(at, len);
                    assert!(memory.iter().all(|&byte| byte == 0), "used memory");
                    memory.fill(index as u8 + 1);
                    if round % 4 == 0 {
                        syscall::yield_now();
                    }
                    assert!(
                        memory.iter().all(|&byte| byte == index as u8 + 1),
                        "foreign memory"
                    );
                    unmap(at).expect("it is mapped");
                }
                0
            })
        })
        .collect();
    for thread in threads {
        thread.join();
    }
}
