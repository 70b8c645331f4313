//! Fork, wait, zombies and orphans, and memory that is copied on the first write.

use alloc::vec::Vec;

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::process::{self, News, Pid};
use user::syscall::{self, Errno, Protection};
use user::thread;

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    ("a child runs and is waited for", child_and_wait),
    ("statuses arrive whole", statuses),
    ("a fault is told from an exit", fault),
    ("memory is the child's own after a write", copy_on_write),
    ("a child keeps every register", registers),
    ("only the calling thread is in the child", one_thread),
    ("waiting for what is not there", no_child),
    ("a wait that does not hang", no_hang),
    ("bad pointers for news", bad_news),
    ("orphans come to the first process", orphans),
    ("a tree of processes", tree),
    ("users and groups", identity),
    ("too many processes end in EAGAIN and all returns", || {
        returns_all(bomb)
    }),
    ("threads write to shared pages while others fork", storm),
    ("memory runs out and the process lives", || {
        returns_all(memory_runs_out)
    }),
];

/// Does `what` until it leaves as many pages free as before. The first time makes what this process
/// keeps for itself, its own code's pages included; what leaks does so every time.
pub(crate) fn returns_all(mut what: impl FnMut()) {
    let mut lost = 0;
    for _ in 0..4 {
        let before = syscall::free_memory();
        what();
        // The last thread's stack goes back a moment after its parent has been told.
        let limit = syscall::clock() + 500_000_000;
        while syscall::free_memory() != before && syscall::clock() < limit {
            syscall::yield_now();
        }
        lost = before as i64 - syscall::free_memory() as i64;
        if lost == 0 {
            return;
        }
    }
    panic!("{lost} pages don't return");
}

fn child_and_wait() {
    returns_all(|| {
        let own = process::id();
        let child = process::spawn(move || {
            assert_eq!(process::parent_id(), Some(own));
            assert_ne!(process::id(), own);
            5
        });
        let child = child.expect("a child");
        assert_eq!(process::wait(Some(child)), Ok((child, News::Exited(5))));
        assert_eq!(process::wait(Some(child)), Err(Errno::ECHILD));
    });
}

fn statuses() {
    for status in [0, 1, 255, 256, -1, i32::MIN, i32::MAX] {
        let child = process::spawn(|| status).expect("a child");
        assert_eq!(process::wait(None), Ok((child, News::Exited(status))));
    }
}

fn fault() {
    let child = process::spawn(|| {
        let nowhere: *const u8 = core::ptr::without_provenance(8);
        // SAFETY: not sound, and meant to be: the access must fault.
        i32::from(unsafe { nowhere.read_volatile() })
    });
    let child = child.expect("a child");
    assert_eq!(process::wait(Some(child)), Ok((child, News::Faulted(11))));
}

fn copy_on_write() {
    let value = AtomicU32::new(1);
    let child = process::spawn(|| {
        assert_eq!(value.load(SeqCst), 1);
        value.store(2, SeqCst);
        let grandchild = process::spawn(|| {
            assert_eq!(value.load(SeqCst), 2);
            value.store(3, SeqCst);
            0
        });
        process::wait(Some(grandchild.expect("a child"))).expect("it ends");
        value.load(SeqCst) as i32
    });
    let child = child.expect("a child");
    value.store(10, SeqCst);
    assert_eq!(process::wait(Some(child)), Ok((child, News::Exited(2))));
    assert_eq!(value.load(SeqCst), 10);
}

/// Forks with known values in the registers that other system calls leave out of their frame, and in
/// one vector register; returns what they hold afterwards, summed in a way that tells them apart.
fn registers() {
    let (pid, sum): (u64, u64);
    // SAFETY: the call makes a process whose only thread goes on here; all registers are declared.
    unsafe {
        core::arch::asm!(
            "push rbx", "push rbp",
            "mov rbx, 1", "mov rbp, 20", "mov r12, 300", "mov r13, 4000", "mov r14, 50000",
            "mov r15, 600000", "movq xmm9, r15",
            "mov rax, 10",
            "syscall",
            "add rbx, rbp", "add rbx, r12", "add rbx, r13", "add rbx, r14", "add rbx, r15",
            "movq r15, xmm9",
            "add rbx, r15",
            "mov rcx, rbx",
            "pop rbp", "pop rbx",
            out("rax") pid, out("rcx") sum, out("r11") _, out("r12") _, out("r13") _, out("r14") _,
            out("r15") _, out("xmm9") _,
        );
    }
    let right = sum == 1_254_321;
    if pid == 0 {
        syscall::exit_group(i32::from(right));
    }
    assert!(right, "the parent's registers");
    let child = Pid(pid as u32);
    assert_eq!(process::wait(Some(child)), Ok((child, News::Exited(1))));
}

fn one_thread() {
    static STOP: AtomicU32 = AtomicU32::new(0);
    STOP.store(0, SeqCst);
    let others: Vec<_> = (0..3)
        .map(|_| {
            thread::spawn(|| {
                while STOP.load(SeqCst) == 0 {
                    syscall::yield_now();
                }
                7
            })
        })
        .collect();
    let tids: Vec<_> = others.iter().map(thread::Thread::tid).collect();
    for _ in 0..10 {
        let child = process::spawn(|| {
            // The parent's threads are nobody here.
            let unknown = tids
                .iter()
                .all(|tid| syscall::thread_join(*tid) == Err(Errno::ESRCH));
            i32::from(unknown)
        });
        let child = child.expect("a child");
        assert_eq!(process::wait(Some(child)), Ok((child, News::Exited(1))));
    }
    STOP.store(1, SeqCst);
    assert!(others.into_iter().all(|other| other.join() == 7));
}

fn no_child() {
    assert_eq!(process::wait(None), Err(Errno::ECHILD));
    assert_eq!(process::try_wait(None), Err(Errno::ECHILD));
    for pid in [Pid::INIT, process::id(), Pid(77_777), Pid(i32::MAX as u32)] {
        assert_eq!(process::wait(Some(pid)), Err(Errno::ECHILD));
    }
    for pid in [0, 1 << 40, -2_isize as usize] {
        // SAFETY: no news are written.
        let result = unsafe { syscall::raw(0x112, [pid, 0, 0, 0, 0, 0]) };
        assert_eq!(result, -10, "{pid}");
    }
    // SAFETY: as above.
    let result = unsafe { syscall::raw(0x112, [usize::MAX, 0, 64, 0, 0, 0]) };
    assert_eq!(result, -22, "an option that there is not");
}

fn no_hang() {
    let go = AtomicU32::new(0);
    // A pipe-less barrier: the child ends only after its parent has, by name, no news of it.
    let child = process::spawn(|| {
        for _ in 0..1000 {
            syscall::yield_now();
        }
        go.load(SeqCst) as i32
    });
    let child = child.expect("a child");
    loop {
        match process::try_wait(Some(child)) {
            Ok(None) => syscall::yield_now(),
            Ok(Some(news)) => {
                assert_eq!(news, (child, News::Exited(0)));
                break;
            }
            Err(why) => panic!("{why}"),
        }
    }
}

fn bad_news() {
    let child = process::spawn(|| 3).expect("a child");
    for address in [1_usize << 63, 8, 0x20_1000_0000, 0x7fff_ffff_fffc] {
        // SAFETY: the kernel refuses the address.
        let result = unsafe { syscall::raw(0x112, [usize::MAX, address, 0, 0, 0, 0]) };
        assert_eq!(result, -14, "{address:#x}");
    }
    assert_eq!(
        process::wait(None),
        Ok((child, News::Exited(3))),
        "nothing was consumed"
    );
    let child = process::spawn(|| 4).expect("a child");
    // SAFETY: no news are written.
    let result = unsafe { syscall::raw(0x112, [usize::MAX, 0, 0, 0, 0, 0]) };
    assert_eq!(result, child.0 as isize, "news may be left unread");
}

fn orphans() {
    assert_eq!(process::id(), Pid::INIT, "this program is the first");
    let child = process::spawn(|| {
        let grandchild = process::spawn(|| {
            while process::parent_id() != Some(Pid::INIT) {
                syscall::yield_now();
            }
            9
        });
        grandchild.expect("a child");
        8
    });
    let child = child.expect("a child");
    assert_eq!(process::wait(Some(child)), Ok((child, News::Exited(8))));
    let (orphan, news) = process::wait(None).expect("an orphan");
    assert_eq!(news, News::Exited(9));
    assert_ne!(orphan, child);
    // A zombie that is orphaned comes as well.
    let child = process::spawn(|| {
        let grandchild = process::spawn(|| 1).expect("a child");
        while process::try_wait(Some(Pid(77_777))) != Err(Errno::ECHILD) {}
        let _ = grandchild;
        2
    });
    child.expect("a child");
    let mut seen = [process::wait(None), process::wait(None)].map(|news| news.expect("news").1);
    seen.sort_by_key(|news| match news {
        News::Exited(status) => *status,
        _ => 0,
    });
    assert_eq!(seen, [News::Exited(1), News::Exited(2)]);
    assert_eq!(process::wait(None), Err(Errno::ECHILD));
}

fn tree() {
    /// Each node has two children; the status is the number of nodes.
    fn node(depth: u32) -> i32 {
        if depth == 0 {
            return 1;
        }
        let children = [(); 2].map(|()| process::spawn(|| node(depth - 1)).expect("a child"));
        let sum: i32 = children
            .into_iter()
            .map(|child| match process::wait(Some(child)) {
                Ok((_, News::Exited(nodes))) => nodes,
                other => panic!("{other:?}"),
            })
            .sum();
        sum + 1
    }
    returns_all(|| assert_eq!(node(4), 31));
}

fn identity() {
    let child = process::spawn(|| {
        assert_eq!((process::user(), process::group()), (0, 0));
        process::set_group(5).expect("user 0 may");
        process::set_user(7).expect("user 0 may");
        assert_eq!((process::user(), process::group()), (7, 5));
        assert_eq!(process::set_user(0), Err(Errno::EPERM));
        assert_eq!(process::set_group(0), Err(Errno::EPERM));
        process::set_user(7).expect("one's own");
        let child = process::spawn(|| process::user() as i32).expect("a child");
        assert_eq!(process::wait(Some(child)), Ok((child, News::Exited(7))));
        0
    });
    let child = child.expect("a child");
    assert_eq!(process::wait(Some(child)), Ok((child, News::Exited(0))));
    assert_eq!((process::user(), process::group()), (0, 0));
}

/// Forks until the kernel refuses, in several processes at once.
fn bomb() {
    let mut children = 0;
    let refused = loop {
        let child = process::spawn(|| {
            let mut made = 0;
            while process::spawn(|| 0).is_ok() {
                made += 1;
            }
            while process::wait(None).is_ok() {
                made -= 1;
            }
            made
        });
        match child {
            Ok(_) => children += 1,
            Err(why) => break why,
        }
    };
    assert!(
        matches!(refused, Errno::EAGAIN | Errno::ENOMEM),
        "{refused:?}"
    );
    for _ in 0..children {
        assert!(matches!(process::wait(None), Ok((_, News::Exited(0)))));
    }
    assert_eq!(process::wait(None), Err(Errno::ECHILD));
}

/// Three threads write all the time while the first one forks: each child must see every counter at a
/// value that it had, never go back, and never see another process's writes.
fn storm() {
    static COUNTERS: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];
    static STOP: AtomicU32 = AtomicU32::new(0);
    STOP.store(0, SeqCst);
    let writers: Vec<_> = (0..3)
        .map(|index| {
            thread::spawn(move || {
                let counter: &AtomicU32 = &COUNTERS[index];
                while STOP.load(SeqCst) == 0 {
                    let seen = counter.fetch_add(1, SeqCst);
                    assert_eq!(counter.load(SeqCst), seen + 1, "only this thread writes");
                }
                0
            })
        })
        .collect();
    for _ in 0..10 {
        let child = process::spawn(|| {
            let first = COUNTERS.each_ref().map(|counter| counter.load(SeqCst));
            for _ in 0..5 {
                syscall::yield_now();
                let now = COUNTERS.each_ref().map(|counter| counter.load(SeqCst));
                if now != first {
                    return 1;
                }
            }
            COUNTERS[0].store(u32::MAX, SeqCst);
            0
        });
        let child = child.expect("a child");
        assert_eq!(process::wait(Some(child)), Ok((child, News::Exited(0))));
    }
    STOP.store(1, SeqCst);
    for writer in writers {
        assert_eq!(writer.join(), 0);
    }
}

/// A child takes all memory, and is told so.
fn memory_runs_out() {
    let child = process::spawn(|| {
        const PIECE: usize = 4 << 20;
        let mut at = 0x20_0000_0000;
        let why = loop {
            // SAFETY: nothing else of this program is there.
            let piece = match unsafe { syscall::mmap(at, PIECE, Protection::READ_WRITE) } {
                Ok(piece) => piece,
                Err(why) => break why,
            };
            for page in (0..PIECE).step_by(4096) {
                // SAFETY: within the piece, which is this function's own.
                unsafe { piece.wrapping_add(page).write_volatile(1) };
            }
            at += PIECE;
        };
        i32::from(why == Errno::ENOMEM)
    });
    let child = child.expect("a child");
    assert_eq!(process::wait(Some(child)), Ok((child, News::Exited(1))));
}
