//! What goes wrong around descriptors: none left, calls interrupted by signals, numbers used
//! again, wakers that panic or are kept.
#![cfg(all(unix, feature = "net"))]

mod watched;

use std::{
    fs::File,
    future::Future,
    io::{self, Read, Write},
    net::Ipv4Addr,
    os::unix::net::UnixStream as StdStream,
    pin::pin,
    process::Command,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use mini_executor::{
    BuildError, Runtime,
    io::{AsyncFd, Stream, TcpListener, TcpStream, UnixStream},
};
use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};
use watched::watched;

fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().expect("builds")
}

/// Runs `f` in a process of its own: this test's, started again.
fn in_child(test: &str, f: impl FnOnce() + Send + 'static) {
    const HERE: &str = "MINI_EXECUTOR_TEST_CHILD";
    if std::env::var_os(HERE).is_some() {
        watched(f);
        return;
    }
    let output = Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(HERE, "1")
        .output()
        .expect("starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "the child ran no test: {said}");
}

/// Takes every descriptor there is.
fn exhaust() -> Vec<File> {
    let few = Rlimit {
        current: Some(64),
        maximum: Some(64),
    };
    setrlimit(Resource::Nofile, few).expect("lowered");
    let mut all = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        all.push(file);
    }
    all
}

#[test]
fn no_descriptor_for_the_reactor() {
    in_child("no_descriptor_for_the_reactor", || {
        let all = exhaust();
        let refused = Runtime::builder().workers(1).build();
        assert!(
            matches!(refused, Err(BuildError::Reactor(_))),
            "{refused:?}"
        );
        drop(all);
        let runtime = runtime(1);
        assert_eq!(runtime.block_on(async { 1 }), 1);
    });
}

#[test]
fn no_descriptor_for_a_connection() {
    in_child("no_descriptor_for_a_connection", || {
        let runtime = runtime(2);
        let spawner = runtime.spawner();
        let listener = TcpListener::bind(&spawner, (Ipv4Addr::LOCALHOST, 0)).expect("binds");
        let address = listener.local_addr().expect("has one");
        runtime.block_on(async {
            let first = TcpStream::connect(&spawner, address)
                .await
                .expect("connects");
            let (served, _) = listener.accept().await.expect("accepts");
            let second = TcpStream::connect(&spawner, address).await.expect("waits");
            let all = exhaust();
            for _ in 0..3 {
                let refused = listener.accept().await.expect_err("none is left");
                assert_eq!(refused.raw_os_error(), Some(24), "EMFILE");
            }
            // What is there is served as before.
            let mut byte = [0];
            for n in 0..100 {
                first.write_all(&[n]).await.expect("written");
                served.read_exact(&mut byte).await.expect("read");
                assert_eq!(byte, [n]);
            }
            drop(all);
            let (served, _) = listener.accept().await.expect("accepts");
            second.write_all(b"x").await.expect("written");
            served.read_exact(&mut byte).await.expect("read");
            assert_eq!(&byte, b"x");
        });
    });
}

#[test]
fn a_storm_of_signals() {
    watched(|| {
        let came = Arc::new(AtomicUsize::new(0));
        let count = came.clone();
        // SAFETY: a handler may add to an atomic number.
        let id = unsafe {
            signal_hook::low_level::register(Signal::USR2.as_raw(), move || {
                count.fetch_add(1, AcqRel);
            })
        };
        let over = Arc::new(AtomicBool::new(false));
        let storm = {
            let over = over.clone();
            thread::spawn(move || {
                while !over.load(Acquire) {
                    kill_process(getpid(), Signal::USR2).expect("sent");
                    thread::yield_now();
                }
            })
        };
        let runtime = runtime(2);
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let (a, b) = UnixStream::pair(&spawner).expect("made");
            let mut byte = [0];
            let echo = spawner.spawn(async move {
                let mut byte = [0];
                while b.read_exact(&mut byte).await.is_ok() {
                    b.write_all(&byte).await?;
                }
                Ok::<_, io::Error>(())
            });
            for n in 0..500_u32 {
                a.write_all(&[n as u8]).await.expect("written");
                a.read_exact(&mut byte).await.expect("read");
                assert_eq!(byte, [n as u8]);
            }
            // An interrupted wait goes on for the time that is left: neither early nor for ever.
            let before = spawner.now();
            spawner.sleep(Duration::from_millis(20)).await;
            assert!(spawner.now().saturating_since(before) >= Duration::from_millis(20));
            drop(a);
            echo.await.expect("ends").expect("echoed");
        });
        while came.load(Acquire) == 0 {
            thread::yield_now();
        }
        over.store(true, Release);
        storm.join().expect("ends");
        signal_hook::low_level::unregister(id.expect("registered"));
    });
}

#[test]
fn a_number_that_is_used_again() {
    watched(|| {
        let runtime = runtime(1);
        let spawner = runtime.spawner();
        runtime.block_on(async {
            for _ in 0..200 {
                let (ours, mut theirs) = StdStream::pair().expect("made");
                ours.set_nonblocking(true).expect("set");
                let watched = AsyncFd::for_reading(&spawner, ours).expect("watched");
                // An event is on its way, and its descriptor goes.
                theirs.write_all(b"x").expect("written");
                let ours = watched.into_inner();
                drop(ours);
                // Most likely the same number, and the same place.
                let (next, mut other) = StdStream::pair().expect("made");
                next.set_nonblocking(true).expect("set");
                let next = AsyncFd::for_reading(&spawner, next).expect("watched");
                mini_executor::yield_now().await;
                let polled = {
                    let readable = pin!(next.readable());
                    readable
                        .poll(&mut Context::from_waker(Waker::noop()))
                        .is_ready()
                };
                assert!(!polled, "an event of the former owner");
                other.write_all(b"y").expect("written");
                let mut byte = [0];
                let n = next.read_with(|mut from| from.read(&mut byte)).await;
                assert_eq!((n.expect("read"), &byte), (1, b"y"));
            }
        });
    });
}

#[test]
fn readiness_that_has_passed() {
    watched(|| {
        let runtime = runtime(2);
        let spawner = runtime.spawner();
        let (ours, mut theirs) = StdStream::pair().expect("made");
        ours.set_nonblocking(true).expect("set");
        let ours = AsyncFd::new(&spawner, ours).expect("watched");
        runtime.block_on(async {
            let mut byte = [0];
            for n in 0..50 {
                theirs.write_all(&[n]).expect("written");
                let read = loop {
                    let ready = ours.readable().await;
                    if let Some(read) = ready.try_io(|mut from| from.read(&mut byte)) {
                        break read;
                    }
                };
                assert_eq!((read.expect("read"), byte), (1, [n]));
            }
            // There is nothing more. The last byte's event may come after the byte was read, so it
            // may say that it is ready once more, but not for ever.
            let more = async {
                loop {
                    let ready = ours.readable().await;
                    if let Some(read) = ready.try_io(|mut from| from.read(&mut byte)) {
                        break read;
                    }
                }
            };
            let waited = spawner.timeout(Duration::from_millis(2), more).await;
            assert!(waited.is_err(), "nothing came");
        });
        let file = File::open("/proc/self/comm").expect("opens");
        assert!(
            AsyncFd::new(&spawner, file).is_err(),
            "files can't be watched"
        );
    });
}

/// A waker that panics.
struct Panics(AtomicUsize);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, AcqRel);
        panic!("a waker of the test panics");
    }
}

#[test]
fn a_waker_that_panics_and_one_that_is_kept() {
    watched(|| {
        let runtime = runtime(1);
        let spawner = runtime.spawner();
        let pair = || UnixStream::pair(&spawner).expect("made");
        let ((a, to_a), (b, to_b)) = (pair(), pair());
        let panics = Arc::new(Panics(AtomicUsize::new(0)));
        let waker = Waker::from(panics.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(a.poll_read(&mut cx, &mut [0]).is_pending());
        let reader = spawner.spawn(async move {
            let mut byte = [0];
            b.read_exact(&mut byte).await.map(|()| byte)
        });
        runtime.block_on(async {
            to_a.write_all(b"x").await.expect("written");
            to_b.write_all(b"y").await.expect("written");
            assert_eq!(reader.await.expect("woken").expect("read"), *b"y");
        });
        while panics.0.load(Acquire) == 0 {
            thread::yield_now();
        }
        assert!(a.poll_read(&mut cx, &mut [0; 2]).is_ready());
        // The next wait leaves the waker in the reactor; it goes with the socket.
        assert!(a.poll_read(&mut cx, &mut [0]).is_pending());
        assert_eq!(Arc::strong_count(&panics), 3);
        drop(a);
        assert_eq!(Arc::strong_count(&panics), 2);
        // Nor does a socket mind that its runtime has gone.
        drop(runtime);
        drop(to_a);
        assert_eq!(panics.0.load(Acquire), 1);
    });
}
