//! Waiting on a word: refused, timed out, woken; and the lock and token built on it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use exec_core::sync::UnsafeCell;
use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::futex::{RawLock, Token};
use user::syscall::{self, Errno};
use user::thread;

pub(crate) const CASES: &[super::Case] = &[
    ("another value is not waited on", other_value),
    ("a wait times out, not early", timeout),
    ("wake counts who it wakes", wake_counts),
    ("wake wakes no more than asked", wake_some),
    ("words are told apart", words),
    ("timed waits end in their order", order),
    ("no wake-up is lost", ping_pong),
    ("a wake races a time-out", wake_or_timeout),
    ("a lock lets one in at a time", lock),
    ("a token keeps one notification", token),
];

const MS: u64 = 1_000_000;

fn other_value() {
    let word = AtomicU32::new(5);
    assert_eq!(syscall::futex_wait(&word, 6, u64::MAX), Err(Errno::EAGAIN));
    assert_eq!(syscall::futex_wait(&word, 6, 0), Err(Errno::EAGAIN));
    assert_eq!(syscall::futex_wake(word.as_ptr(), 1), Ok(0), "nobody waits");
}

fn timeout() {
    let word = AtomicU32::new(0);
    for limit in [0, 1, MS / 2, 2 * MS, 7 * MS] {
        let start = syscall::clock();
        assert_eq!(syscall::futex_wait(&word, 0, limit), Err(Errno::ETIMEDOUT));
        let took = syscall::clock() - start;
        assert!(took >= limit, "{limit} ns were over after {took}");
    }
}

/// Wakes `word` until `count` threads have been woken: they need not all be asleep yet.
fn wake_all(word: &AtomicU32, count: usize) {
    let mut woken = 0;
    while woken < count {
        woken += syscall::futex_wake(word.as_ptr(), u32::MAX).expect("a good address");
        assert!(woken <= count, "{woken} of {count} were woken");
        syscall::yield_now();
    }
}

fn wake_counts() {
    let word = Arc::new(AtomicU32::new(0));
    let start = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let (word, start) = (Arc::clone(&word), Arc::clone(&start));
            thread::spawn(move || {
                start.fetch_add(1, SeqCst);
                // One wake each, and no value to look at: a wake that was not counted is a hang.
                i32::from(syscall::futex_wait(&word, 0, u64::MAX).is_ok())
            })
        })
        .collect();
    wake_all(&word, 6);
    assert_eq!(start.load(SeqCst), 6);
    assert_eq!(
        threads.into_iter().map(thread::Thread::join).sum::<i32>(),
        6
    );
}

fn wake_some() {
    let word = Arc::new(AtomicU32::new(0));
    let left = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..5)
        .map(|_| {
            let (word, left) = (Arc::clone(&word), Arc::clone(&left));
            thread::spawn(move || {
                let _ = syscall::futex_wait(&word, 0, u64::MAX);
                left.fetch_add(1, SeqCst);
                0
            })
        })
        .collect();
    let mut woken = 0;
    while woken < 5 {
        let now = syscall::futex_wake(word.as_ptr(), 2).expect("a good address");
        assert!(now <= 2, "{now} were woken instead of 2");
        woken += now;
        syscall::yield_now();
    }
    for thread in threads {
        thread.join();
    }
    assert_eq!(left.load(SeqCst), 5);
    assert_eq!(
        syscall::futex_wake(word.as_ptr(), 0),
        Ok(0),
        "zero is nobody"
    );
}

fn words() {
    // Neighbours in one page, and so likely in one bucket now and then.
    let words: Arc<Vec<AtomicU32>> = Arc::new((0..32).map(|_| AtomicU32::new(0)).collect());
    let threads: Vec<_> = (0..32_usize)
        .map(|index| {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                while words[index].load(SeqCst) == 0 {
                    let _ = syscall::futex_wait(&words[index], 0, u64::MAX);
                }
                index as i32
            })
        })
        .collect();
    for (index, thread) in threads.into_iter().enumerate().rev() {
        words[index].store(1, SeqCst);
        let woken = syscall::futex_wake(words[index].as_ptr(), u32::MAX);
        assert!(
            matches!(woken, Ok(0 | 1)),
            "{woken:?} woken on a word of one thread"
        );
        assert_eq!(thread.join(), index as i32);
    }
}

fn order() {
    let ended = Arc::new(AtomicU32::new(0));
    let limits_ms = [35_u64, 5, 25, 15, 45];
    let threads: Vec<_> = limits_ms
        .into_iter()
        .map(|limit| {
            let ended = Arc::clone(&ended);
            thread::spawn(move || {
                let word = AtomicU32::new(0);
                let start = syscall::clock();
                assert_eq!(
                    syscall::futex_wait(&word, 0, limit * MS),
                    Err(Errno::ETIMEDOUT)
                );
                assert!(syscall::clock() - start >= limit * MS);
                ended.fetch_add(1, SeqCst);
                limit as i32
            })
        })
        .collect();
    for (thread, limit) in threads.into_iter().zip(limits_ms) {
        assert_eq!(thread.join(), limit as i32);
    }
    assert_eq!(ended.load(SeqCst), 5);
}

fn ping_pong() {
    const ROUNDS: u32 = 2000;
    let ball = Arc::new(AtomicU32::new(0));
    let other = Arc::clone(&ball);
    // One moves the ball from even to odd, the other from odd to even.
    let play = |ball: &AtomicU32, mine: u32| {
        for _ in 0..ROUNDS {
            loop {
                let now = ball.load(SeqCst);
                if now % 2 == mine {
                    break;
                }
                let _ = syscall::futex_wait(ball, now, u64::MAX);
            }
            ball.fetch_add(1, SeqCst);
            syscall::futex_wake(ball.as_ptr(), 1).expect("a good address");
        }
    };
    let peer = thread::spawn(move || {
        play(&other, 1);
        0
    });
    play(&ball, 0);
    peer.join();
    assert_eq!(ball.load(SeqCst), 2 * ROUNDS);
}

fn wake_or_timeout() {
    for round in 0..200_u64 {
        let word = Arc::new(AtomicU32::new(0));
        let inner = Arc::clone(&word);
        let sleeper = thread::spawn(move || {
            match syscall::futex_wait(&inner, 0, 50_000 + round % 7 * 100_000) {
                Ok(()) => 1,
                Err(Errno::ETIMEDOUT) => 0,
                Err(_) => -1,
            }
        });
        let until = syscall::clock() + round % 13 * 50_000;
        let mut woken = 0;
        while syscall::clock() < until {
            core::hint::spin_loop();
        }
        woken += syscall::futex_wake(word.as_ptr(), 1).expect("a good address");
        // What the waker counted is what the sleeper was told.
        assert_eq!(sleeper.join(), woken as i32, "round {round}");
    }
}

/// A counter that is only right when one thread at a time adds to it.
struct Guarded {
    lock: RawLock,
    value: UnsafeCell<u64>,
}

// SAFETY: the value is reached under the lock only.
unsafe impl Sync for Guarded {}
// SAFETY: it owns its value.
unsafe impl Send for Guarded {}

fn lock() {
    const ROUNDS: u64 = 3000;
    let guarded = Arc::new(Guarded {
        lock: RawLock::new(),
        value: UnsafeCell::new(0),
    });
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || {
                for round in 0..ROUNDS {
                    guarded.lock.lock();
                    guarded.value.with_mut(|value| {
                        // SAFETY: the lock is held.
                        let before = unsafe { value.read() };
                        if round % 64 == 0 {
                            // The holder goes to the end of the queue: others must sleep, not spin.
                            syscall::yield_now();
                        }
                        // SAFETY: the lock is still held.
                        unsafe { value.write(before + 1) };
                    });
                    // SAFETY: taken above.
                    unsafe { guarded.lock.unlock() };
                }
                0
            })
        })
        .collect();
    for thread in threads {
        thread.join();
    }
    guarded.value.with(|value| {
        // SAFETY: every thread that wrote has been joined.
        let value = unsafe { value.read() };
        assert_eq!(value, 4 * ROUNDS);
    });
}

fn token() {
    let token = Token::new();
    token.notify();
    token.notify();
    assert!(token.park(None), "kept");
    assert!(!token.park(Some(syscall::clock() + MS)), "two are one");
    assert!(!token.park(Some(0)), "a time that has passed");

    const ROUNDS: u32 = 2000;
    let pair = Arc::new((Token::new(), Token::new(), AtomicU32::new(0)));
    let other = Arc::clone(&pair);
    let peer = thread::spawn(move || {
        for round in 0..ROUNDS {
            while other.2.load(SeqCst) != 2 * round + 1 {
                other.1.park(None);
            }
            other.2.fetch_add(1, SeqCst);
            other.0.notify();
        }
        0
    });
    for round in 0..ROUNDS {
        pair.2.fetch_add(1, SeqCst);
        pair.1.notify();
        while pair.2.load(SeqCst) != 2 * round + 2 {
            pair.0.park(None);
        }
    }
    assert_eq!(peer.join(), 0);
}
