//! Programs from files: in a new process, and in the caller's own.

use alloc::ffi::CString;
use alloc::vec;

use exec_core::sync::atomic::AtomicU32;
use user::process::{self, News};
use user::signal::{self, Disposition, Saved, Signal};
use user::syscall::{self, Errno};
use user::thread;

use crate::Case;
use crate::processes::returns_all;

pub(crate) const CASES: &[Case] = &[
    ("a program is started", started),
    ("a process gets another program", replaced),
    ("what is no program is refused", refused),
    ("bad pointers to paths and words", bad_pointers),
    ("too many words are refused", too_long),
    ("a program that was written runs", written),
    (
        "other threads end before a program is replaced",
        threads_end,
    ),
    ("handlers are forgotten, masks and files stay", inheritance),
    ("two threads replace the program at once", race),
];

fn ends(child: Result<process::Pid, Errno>) -> News {
    let child = child.expect("a child");
    process::wait(Some(child)).expect("it ends").1
}

fn started() {
    returns_all(|| {
        let child = process::start(c"/echo", &[c"echo", c"7", c"started", c"", c"two words"]);
        assert_eq!(ends(child), News::Exited(7));
    });
    assert_eq!(ends(process::start(c"echo", &[])), News::Exited(0));
}

fn replaced() {
    returns_all(|| {
        let child = process::spawn(|| {
            panic!("{}", process::exec(c"/echo", &[c"echo", c"8", c"replaced"]));
        });
        assert_eq!(ends(child), News::Exited(8));
    });
    let child = process::start(c"/echo", &[c"echo", c"exec", c"9", c"twice"]);
    assert_eq!(ends(child), News::Exited(9));
}

fn refused() {
    for (path, why) in [
        (c"/nothing", Errno::ENOENT),
        (c"/nothing/echo", Errno::ENOENT),
        (c"/echo/nothing", Errno::ENOTDIR),
        (c"/", Errno::EACCES),
        (c"", Errno::ENOENT),
        (c"/data.txt", Errno::ENOEXEC),
    ] {
        assert_eq!(process::start(path, &[c"x"]), Err(why), "{path:?}");
        assert_eq!(process::exec(path, &[c"x"]), why, "{path:?}");
    }
}

fn bad_pointers() {
    let path = c"/echo".as_ptr().expose_provenance();
    for number in [0x110, 0x111] {
        for bad in [8, 0x20_1000_0000, 1 << 63, 0x7fff_ffff_eff8, usize::MAX] {
            // SAFETY: the kernel refuses the address.
            let result = unsafe { syscall::raw(number, [bad, 0, 0, 0, 0, 0]) };
            assert_eq!(result, -14, "path {bad:#x}");
            // SAFETY: as above.
            let result = unsafe { syscall::raw(number, [path, bad, 0, 0, 0, 0]) };
            assert_eq!(result, -14, "table {bad:#x}");
            let table = [path, bad, 0];
            let table = core::hint::black_box(&table).as_ptr().expose_provenance();
            // SAFETY: as above.
            let result = unsafe { syscall::raw(number, [path, table, 0, 0, 0, 0]) };
            assert_eq!(result, -14, "word {bad:#x}");
        }
    }
}

fn too_long() {
    let long = CString::new(vec![b'x'; 40 << 10]).expect("no NUL in it");
    assert_eq!(
        process::start(c"/echo", &[c"echo", &long]),
        Err(Errno::E2BIG)
    );
    assert_eq!(process::exec(c"/echo", &[c"echo", &long]), Errno::E2BIG);
    let word = c"x".as_ptr().expose_provenance();
    let many = vec![word; 5000];
    // SAFETY: the kernel reads the table to its limit and refuses it.
    let result = unsafe {
        syscall::raw(
            0x110,
            [
                c"/echo".as_ptr().expose_provenance(),
                many.as_ptr().expose_provenance(),
                0,
                0,
                0,
                0,
            ],
        )
    };
    assert_eq!(result, -7);
}

fn written() {
    // SAFETY: create(path).
    let created =
        unsafe { syscall::raw(14, [c"/copy".as_ptr().expose_provenance(), 0, 0, 0, 0, 0]) };
    assert_eq!(created, 0);
    let from = syscall::open(c"/echo").expect("it is there");
    // SAFETY: open(path, 1) to write.
    let to =
        unsafe { syscall::raw(1, [c"/copy".as_ptr().expose_provenance(), 1, 0, 0, 0, 0]) } as i32;
    let mut buffer = vec![0; 16 << 10];
    loop {
        let len = syscall::read(from, &mut buffer).expect("a file can be read");
        if len == 0 {
            break;
        }
        assert_eq!(syscall::write(to, &buffer[..len]), Ok(len));
    }
    syscall::close(to).expect("it is open");
    syscall::close(from).expect("it is open");
    returns_all(|| {
        let child = process::start(c"/copy", &[c"copy", c"3", c"from a copy"]);
        assert_eq!(ends(child), News::Exited(3));
        let child = process::spawn(|| {
            panic!(
                "{}",
                process::exec(c"/copy", &[c"copy", c"4", c"replaced by a copy"])
            );
        });
        assert_eq!(ends(child), News::Exited(4));
    });
}

fn threads_end() {
    returns_all(|| {
        let child = process::spawn(|| {
            static WORD: AtomicU32 = AtomicU32::new(0);
            for _ in 0..2 {
                core::mem::forget(thread::spawn(|| {
                    loop {
                        core::hint::spin_loop();
                    }
                }));
                core::mem::forget(thread::spawn(|| {
                    let _ = syscall::futex_wait(&WORD, 0, u64::MAX);
                    0
                }));
            }
            let replacer = thread::spawn(|| {
                panic!("{}", process::exec(c"/echo", &[c"echo", c"5", c"alone"]));
            });
            replacer.join()
        });
        assert_eq!(ends(child), News::Exited(5));
    });
}

extern "C" fn never(_: i32, _: &mut Saved) {
    panic!("the handler of a program that is gone");
}

fn inheritance() {
    let child = process::spawn(|| {
        signal::set(Signal::USR1, Disposition::Handle(never)).expect("it can be caught");
        signal::block(Signal::USR1);
        signal::kill(process::id(), Signal::USR1).expect("it can be sent");
        panic!("{}", process::exec(c"/echo", &[c"echo", c"4", c"blocked"]));
    });
    assert_eq!(ends(child), News::Exited(4));
    let child = process::spawn(|| {
        signal::set(Signal::USR1, Disposition::Handle(never)).expect("it can be caught");
        syscall::close(1).expect("it is open");
        panic!(
            "{}",
            process::exec(c"/echo", &[c"echo", c"6", c"to nobody"])
        );
    });
    assert_eq!(ends(child), News::Exited(6));
}

fn race() {
    for _ in 0..5 {
        let child = process::spawn(|| {
            for _ in 0..3 {
                core::mem::forget(thread::spawn(|| {
                    // One wins; the others end in the call.
                    panic!(
                        "{}",
                        process::exec(c"/echo", &[c"echo", c"2", c"one of them"])
                    );
                }));
            }
            loop {
                syscall::yield_now();
            }
        });
        assert_eq!(ends(child), News::Exited(2));
    }
}
