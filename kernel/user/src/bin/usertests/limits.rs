//! Limits of processes, and the end of a process whose threads wait for everything there is to wait for.

use alloc::boxed::Box;
use core::ffi::CStr;

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::futex::RawLock;
use user::kernel::{file, schedule};
use user::limits::{self, Resource, UNLIMITED};
use user::process::{self, News};
use user::signal::{self, Disposition, Saved, Signal};
use user::syscall::{self, Errno, Protection};
use user::thread;

use crate::Case;
use crate::processes::returns_all;

pub(crate) const CASES: &[Case] = &[
    ("soft and hard limits", soft_and_hard),
    ("memory", memory),
    ("descriptors", descriptors),
    ("threads", threads),
    ("processor time", processor_time),
    ("too many threads end in EAGAIN and all returns", || {
        returns_all(thread_bomb)
    }),
    ("exit_group against every blocked state", || {
        returns_all(blocked_states)
    }),
    ("a lock outlives the thread that held it", abandoned_lock),
    ("a thread pointer of one's own", thread_pointer),
];

fn child(body: impl FnOnce() -> i32) -> News {
    let child = process::spawn(body).expect("a child");
    process::wait(Some(child)).expect("it ends").1
}

fn soft_and_hard() {
    let news = child(|| {
        assert_eq!(limits::get(Resource::Memory), (UNLIMITED, UNLIMITED));
        assert_eq!(limits::set(Resource::Memory, 2, 1), Err(Errno::EINVAL));
        limits::set(Resource::Memory, 1 << 30, 2 << 30).expect("it may fall");
        process::set_user(3).expect("user 0 may");
        assert_eq!(limits::set(Resource::Memory, 1, 3 << 30), Err(Errno::EPERM));
        limits::set(Resource::Memory, 2 << 30, 2 << 30).expect("up to the hard one");
        assert_eq!(
            child(|| i32::from(limits::get(Resource::Memory) == (2 << 30, 2 << 30))),
            News::Exited(1)
        );
        0
    });
    assert_eq!(news, News::Exited(0));
    let results = [
        raw(0x120, [4, 8, 0, 0, 0, 0]),
        raw(0x120, [0, 8, 0, 0, 0, 0]),
        raw(0x121, [0, 1 << 63, 0, 0, 0, 0]),
    ];
    assert_eq!(results, [-22, -14, -14]);
}

const AT: usize = 0x20_0000_0000;

fn memory() {
    let news = child(|| {
        limits::set(Resource::Memory, 8 << 20, 8 << 20).expect("it may fall");
        // SAFETY: nothing else of this program is there.
        let large = unsafe { syscall::mmap(AT, 8 << 20, Protection::READ_WRITE) };
        assert_eq!(large, Err(Errno::ENOMEM));
        // SAFETY: as above.
        let small = unsafe { syscall::mmap(AT, 1 << 20, Protection::READ_WRITE) };
        i32::from(small.is_ok())
    });
    assert_eq!(news, News::Exited(1));
}

fn descriptors() {
    let news = child(|| {
        limits::set(Resource::Descriptors, 5, 5).expect("it may fall");
        assert!(syscall::open(c"/echo").is_ok());
        assert!(syscall::open(c"/echo").is_ok());
        i32::from(syscall::open(c"/echo") == Err(Errno::EMFILE))
    });
    assert_eq!(news, News::Exited(1));
}

fn threads() {
    let news = child(|| {
        limits::set(Resource::Threads, 2, 2).expect("it may fall");
        static GO: AtomicU32 = AtomicU32::new(0);
        let first = thread::spawn(|| {
            while GO.load(SeqCst) == 0 {
                syscall::yield_now();
            }
            0
        });
        let second = thread::try_spawn(c"too many", || 0).map(drop);
        assert_eq!(second, Err(Errno::EAGAIN));
        GO.store(1, SeqCst);
        first.join();
        thread::spawn(|| 0).join();
        0
    });
    assert_eq!(news, News::Exited(0));
}

static TOLD: AtomicU32 = AtomicU32::new(0);

extern "C" fn told(_: i32, _: &mut Saved) {
    TOLD.fetch_add(1, SeqCst);
}

fn processor_time() {
    fn spin() -> i32 {
        loop {
            core::hint::spin_loop();
        }
    }
    let news = child(|| {
        limits::set(Resource::CpuTime, 5_000_000, UNLIMITED).expect("it may fall");
        spin()
    });
    assert_eq!(news, News::Killed(24));
    let news = child(|| {
        signal::set(Signal(24), Disposition::Handle(told)).expect("it can be caught");
        limits::set(Resource::CpuTime, 5_000_000, 20_000_000).expect("it may fall");
        while TOLD.load(SeqCst) == 0 {
            core::hint::spin_loop();
        }
        spin()
    });
    assert_eq!(news, News::Killed(9));
}

/// Threads until the kernel refuses one.
fn thread_bomb() {
    let news = child(|| {
        static GO: AtomicU32 = AtomicU32::new(0);
        let mut threads = alloc::vec::Vec::new();
        let why = loop {
            let wait = || {
                while GO.load(SeqCst) == 0 {
                    let _ = syscall::futex_wait(&GO, 0, u64::MAX);
                }
                1
            };
            match thread::try_spawn(c"bomb", wait) {
                Ok(thread) => threads.push(thread),
                Err(why) => break why,
            }
        };
        assert!(matches!(why, Errno::EAGAIN | Errno::ENOMEM), "{why}");
        assert!(threads.len() > 1000, "{}", threads.len());
        // Half are waited for, half are left to exit_group.
        GO.store(1, SeqCst);
        syscall::futex_wake(GO.as_ptr(), u32::MAX).expect("a good address");
        let half = threads.len() / 2;
        let joined = threads.drain(..half).map(thread::Thread::join).sum::<i32>();
        assert_eq!(joined, half as i32);
        core::mem::forget(threads);
        7
    });
    assert_eq!(news, News::Exited(7));
}

/// Starts a thread that must never get past `wait`.
fn blocks<T: core::fmt::Debug>(wait: impl FnOnce() -> T + Send + 'static) {
    core::mem::forget(thread::spawn(move || {
        let ended = wait();
        panic!("it waits no more: {ended:?}");
    }));
}

fn raw(number: usize, args: [usize; 6]) -> isize {
    // SAFETY: the callers' memory lives as long as the process.
    unsafe { syscall::raw(number, args) }
}

/// Owner and others may do everything with an object.
const RIGHTS: usize = 0o33;

/// How many threads wait in [`blocked_states`].
const WAITS: usize = 14;

/// A pipe that nobody opens to write.
const FIFO: &CStr = c"/fifo";

fn blocked_states() {
    let news = child(|| {
        let fds: &'static mut [i32; 4] = Box::leak(Box::new([0; 4]));
        let at = fds.as_mut_ptr().expose_provenance();
        assert_eq!(raw(7, [at, 0, 0, 0, 0, 0]), 0);
        assert_eq!(raw(7, [at + 8, 0, 0, 0, 0, 0]), 0);
        let [read, _, _, write] = *core::hint::black_box(&*fds);
        let buffer = Box::leak(Box::new([0_u8; 4096]))
            .as_mut_ptr()
            .expose_provenance();
        blocks(move || raw(2, [read as usize, buffer, 1, 0, 0, 0]));
        blocks(move || while raw(3, [write as usize, buffer, 4096, 0, 0, 0]) > 0 {});
        static WORD: AtomicU32 = AtomicU32::new(0);
        blocks(|| syscall::futex_wait(&WORD, 0, u64::MAX));
        blocks(|| syscall::futex_wait(&WORD, 0, 3_600_000_000_000));
        let spinner = thread::spawn(|| {
            loop {
                core::hint::spin_loop();
            }
        });
        let (tid, stack) = spinner.into_parts();
        core::mem::forget(stack);
        blocks(move || syscall::thread_join(tid));
        blocks(signal::suspend);
        let semaphore = raw(0x150, [0, RIGHTS, 0, 0, 0, 0]);
        assert!(semaphore >= 0, "{semaphore}");
        blocks(move || raw(0x151, [semaphore as usize, usize::MAX, 0, 0, 0, 0]));
        let mailbox = raw(0x158, [1, 64, RIGHTS, 0, 0, 0]);
        assert!(mailbox >= 0, "{mailbox}");
        blocks(move || raw(0x15a, [mailbox as usize, buffer, 4096, usize::MAX, 0, 0]));
        blocks(move || raw(0x161, [buffer, 4096, usize::MAX, 0, 0, 0]));
        let full = raw(0x158, [1, 64, RIGHTS, 0, 0, 0]) as usize;
        assert_eq!(raw(0x159, [full, buffer, 64, 0, 0, 0]), 0);
        blocks(move || raw(0x159, [full, buffer, 64, usize::MAX, 0, 0]));
        let path = |name: &'static CStr| name.as_ptr().expose_provenance();
        assert_eq!(raw(0x142, [path(FIFO), 0, 0, 0, 0, 0]), 0);
        blocks(move || raw(1, [path(FIFO), 0, 0, 0, 0, 0]));
        let quiet = raw(0x143, [path(c"quiet"), 1, 0, 0, 0, 0]);
        assert!(quiet >= 0, "{quiet}");
        blocks(move || raw(0x145, [quiet as usize, usize::MAX, 0, 0, 0, 0]));
        let busy = raw(0x143, [path(c"busy"), 1, 0, 0, 0, 0]);
        let connected = raw(0x144, [path(c"busy"), 0, 0, 0, 0, 0]);
        assert!(busy >= 0 && connected >= 0, "{busy} {connected}");
        blocks(move || raw(0x144, [path(c"busy"), usize::MAX, 0, 0, 0, 0]));
        // It lives until the last of the others' ends of this pipe has been closed.
        let life: &'static mut [i32; 2] = Box::leak(Box::new([0; 2]));
        let at = life.as_mut_ptr().expose_provenance();
        assert_eq!(raw(7, [at, 0, 0, 0, 0, 0]), 0);
        let [alive, end] = core::hint::black_box(&*life).map(|fd| fd as usize);
        let grandchild = process::spawn(move || {
            assert_eq!(raw(6, [end, 0, 0, 0, 0, 0]), 0);
            raw(2, [alive, buffer, 1, 0, 0, 0]) as i32
        });
        let grandchild = grandchild.expect("a child");
        blocks(move || process::wait(Some(grandchild)));
        let own = process::id().0;
        let waiting = || {
            let threads = schedule::threads().into_iter();
            // All but this one, and the one that spins.
            threads
                .filter(|info| info.pid == own && info.state() == "waiting")
                .count()
        };
        while waiting() < WAITS {
            syscall::yield_now();
        }
        blocks(|| {
            loop {
                syscall::yield_now();
            }
        });
        core::mem::forget(thread::spawn(|| syscall::exit_group(11)));
        loop {
            core::hint::spin_loop();
        }
    });
    assert_eq!(news, News::Exited(11));
    // The orphan, which is this process's child now.
    while let Ok((_, news)) = process::wait(None) {
        assert_eq!(news, News::Exited(0));
    }
    file::unlink(FIFO).expect("it is there");
}

fn abandoned_lock() {
    static LOCK: RawLock = RawLock::new();
    let holder = thread::spawn(|| {
        LOCK.lock();
        5
    });
    assert_eq!(holder.join(), 5);
    assert!(
        !LOCK.try_lock(),
        "it stays locked: the kernel knows nothing of it"
    );
    let waiter = thread::spawn(|| {
        LOCK.lock();
        6
    });
    syscall::yield_now();
    // SAFETY: whoever held it has ended.
    unsafe { LOCK.unlock() };
    assert_eq!(waiter.join(), 6);
}

fn thread_pointer() {
    let word = 0x1234_5678_u64;
    let at = core::hint::black_box(&word) as *const u64;
    assert_eq!(raw(0x122, [at.expose_provenance(), 0, 0, 0, 0, 0]), 0);
    syscall::yield_now();
    let found: u64;
    // SAFETY: the base was set to the word's address.
    unsafe { core::arch::asm!("mov {}, fs:[0]", out(reg) found) };
    assert_eq!(found, word);
    assert_eq!(raw(0x122, [1 << 63, 0, 0, 0, 0, 0]), -14);
}
