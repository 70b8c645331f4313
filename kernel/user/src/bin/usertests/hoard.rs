//! Many small objects, until the kernel's own heap is full.

use core::ffi::CStr;

use user::process::{self, News};
use user::syscall::{self, Errno, Protection};

pub(crate) const CASES: &[super::Case] = &[
    ("a full heap is ENOMEM and empties again", full_heap),
    ("much memory goes back when the heap is full", unmap_much),
    (
        "who wants much of a heap that is nearly full is refused",
        want_much,
    ),
    (
        "the last memory goes to one that all others wait for",
        use_up,
    ),
];

/// A status for the end that must come.
const FULL: i32 = 112;

/// Opens files of its own until the kernel refuses one.
fn hoard() -> Errno {
    for fd in 3..256 {
        // Inherited ones are shared; those that are not there are refused.
        let _ = syscall::close(fd);
    }
    loop {
        if let Err(why) = syscall::open(c"/empty") {
            return why;
        }
    }
}

/// A chain of processes, each of which keeps what it has until the last has been refused; that one does
/// something then.
fn chain(depth: u32, then: fn()) -> i32 {
    if hoard() == Errno::ENOMEM {
        then();
        return FULL;
    }
    match process::spawn(move || chain(depth + 1, then)) {
        Ok(child) => match process::wait(Some(child)) {
            Ok((_, News::Exited(status))) => status,
            other => panic!("at depth {depth}: {other:?}"),
        },
        Err(Errno::ENOMEM) => {
            then();
            FULL
        }
        Err(why) => panic!("at depth {depth}: {why}"),
    }
}

/// Fills the heap and does something then.
fn with_full_heap(then: fn()) {
    let child = process::spawn(|| chain(0, then)).expect("a child");
    let news = process::wait(Some(child)).expect("it ends").1;
    assert_eq!(news, News::Exited(FULL));
}

fn full_heap() {
    for _ in 0..2 {
        super::without_loss(|| {
            with_full_heap(|| {});
            // And all is as before.
            let fd = syscall::open(c"/empty").expect("there is room again");
            syscall::close(fd).expect("it is open");
        });
    }
}

/// A mapping of more pages than a block of the heap's reserve has words.
const MUCH: usize = 3000 * 4096;
const AT: usize = 0x30_0000_0000;
/// Where the mappings lie that fill the heap, and how many of them a process has.
const MANY_AT: usize = 0x31_0000_0000;
const MANY: usize = 16_000;

/// Makes that mapping, as soon as the processes of the case before have given their memory back.
fn map_much() -> *mut u8 {
    loop {
        // SAFETY: nothing else of this program is there.
        match unsafe { syscall::mmap(AT, MUCH, Protection::READ_WRITE) } {
            Ok(base) => return base,
            Err(Errno::ENOMEM) => syscall::yield_now(),
            Err(why) => panic!("{why}"),
        }
    }
}

/// A chain of processes, each of which keeps its copy of what the first one has mapped; the last one,
/// for which there was no copy, does something then.
fn chain_of_maps(then: fn()) -> i32 {
    match process::spawn(move || chain_of_maps(then)) {
        Ok(child) => match process::wait(Some(child)) {
            Ok((_, News::Exited(status))) => status,
            other => panic!("{other:?}"),
        },
        Err(Errno::ENOMEM) => {
            then();
            FULL
        }
        Err(why) => panic!("{why}"),
    }
}

fn unmap_much() {
    super::without_loss(|| {
        let base = map_much();
        for page in (0..MUCH).step_by(4096) {
            // SAFETY: mapped above.
            unsafe { base.wrapping_add(page).write_volatile(1) };
        }
        let child = process::spawn(|| {
            for place in 0..MANY {
                // Two pages apart, so that no two are one.
                let at = MANY_AT + place * 8192;
                // SAFETY: as above; never touched.
                unsafe { syscall::mmap(at, 4096, Protection::READ_WRITE) }.expect("there is room");
            }
            chain_of_maps(|| {
                let base = core::ptr::with_exposed_provenance_mut(AT);
                // SAFETY: nothing leads into it any more.
                unsafe { syscall::munmap(base) }.expect("this needs little memory");
            })
        });
        let news = process::wait(Some(child.expect("a child")));
        assert_eq!(news.expect("it ends").1, News::Exited(FULL));
        // SAFETY: as above.
        unsafe { syscall::munmap(base) }.expect("it is mapped");
    });
}

/// Calls that want 20 KiB of the heap and more, each with a little more room than before.
fn want_much() {
    static WORDS: [&CStr; 1000] = [c"a word"; 1000];
    with_full_heap(|| {
        let mut table = [0; 1001];
        for (at, word) in table.iter_mut().zip(&WORDS) {
            *at = word.as_ptr().expose_provenance();
        }
        let table = core::hint::black_box(&mut table).as_mut_ptr();
        let table = table.expose_provenance();
        let mut entries = [0_u64; 400];
        let entries = core::hint::black_box(&mut entries).as_mut_ptr();
        let entries = entries.expose_provenance();
        let nothing = c"/nothing".as_ptr().expose_provenance();
        for fd in 3..256 {
            let _ = syscall::close(fd);
            // spawn a program that is not there, with many words; begin a recording, read and end it.
            for (number, args) in [
                (0x110, [nothing, table, 0]),
                (0x188, [1, 0, 0]),
                (0x189, [0, entries, 200]),
                (0x188, [0, 0, 0]),
            ] {
                let [a, b, c] = args;
                // SAFETY: the entries are this function's to write, and long enough.
                let result = unsafe { syscall::raw(number, [a, b, c, 0, 0, 0]) };
                assert!(
                    result >= 0 || [-2, -12].contains(&result),
                    "{number:#x}: {result}"
                );
            }
        }
    });
}

/// A chain of processes that use up all memory, a little each.
fn chain_to_the_end() -> i32 {
    match process::spawn(chain_to_the_end) {
        // Whatever has become of it: there may have been no page left for its stack.
        Ok(child) => process::wait(Some(child)).map_or(1, |_| FULL),
        Err(Errno::ENOMEM | Errno::EAGAIN) => FULL,
        Err(why) => panic!("{why}"),
    }
}

fn use_up() {
    // The last process may be made with hardly a page left, or just not: that depends on how many there
    // were in the beginning.
    for taken in (0..32).step_by(8) {
        super::without_loss(|| {
            let child = process::spawn(move || {
                let base = map_much();
                for page in taken..MUCH / 4096 {
                    // SAFETY: mapped above.
                    unsafe { base.wrapping_add(page * 4096).write_volatile(1) };
                }
                chain_to_the_end()
            });
            let news = process::wait(Some(child.expect("a child")));
            assert_eq!(news.expect("it ends").1, News::Exited(FULL));
        });
    }
}
