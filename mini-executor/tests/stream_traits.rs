//! What other crates do with streams and pipes, by the traits of `futures-io`, tokio and hyper.
#![cfg(all(feature = "net", feature = "tokio-io", feature = "hyper"))]

mod watched;

use std::{io, net::Ipv4Addr, pin::Pin};

use mini_executor::{
    Runtime, Spawner,
    io::{TcpListener, TcpStream},
};
use watched::watched;

fn runtime() -> Runtime {
    Runtime::builder().workers(2).build().expect("builds")
}

async fn pair(spawner: &Spawner) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(spawner, (Ipv4Addr::LOCALHOST, 0)).expect("binds");
    let address = listener.local_addr().expect("has one");
    let ours = TcpStream::connect(spawner, address)
        .await
        .expect("connects");
    (ours, listener.accept().await.expect("accepts").0)
}

/// More than a socket holds, so both ends have to wait.
fn much() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| (n / 7) as u8).collect()
}

#[test]
fn futures_io_copies_lines_and_halves() {
    use futures_util::{
        AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt,
        io::{BufReader, copy},
    };
    watched(|| {
        let runtime = runtime();
        let spawner = runtime.spawner();
        runtime.block_on(async {
            // An echo by halves of one stream, which ends when the other end says so.
            let (ours, theirs) = pair(&spawner).await;
            let echo = spawner.spawn(async move {
                let (from, mut to) = theirs.split();
                let copied = copy(from, &mut to).await?;
                to.close().await?;
                Ok::<_, io::Error>(copied)
            });
            let (mut from, mut to) = ours.split();
            let sent = much();
            let feed = async {
                to.write_all(&sent).await?;
                to.close().await
            };
            let mut back = Vec::new();
            let (fed, read) = futures_util::join!(feed, from.read_to_end(&mut back));
            fed.expect("fed");
            read.expect("read");
            assert!(back == sent);
            assert_eq!(
                echo.await.expect("ends").expect("copied"),
                sent.len() as u64
            );

            let (mut ours, theirs) = pair(&spawner).await;
            ours.write_all(b"one\ntwo\nthree").await.expect("written");
            drop(ours);
            let lines: Vec<_> = BufReader::new(theirs)
                .lines()
                .map(|line| line.expect("read"))
                .collect()
                .await;
            assert_eq!(lines, ["one", "two", "three"]);
        });
    });
}

#[test]
fn tokio_copies_both_ways() {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy, split};
    watched(|| {
        let runtime = runtime();
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let (ours, theirs) = pair(&spawner).await;
            let echo = spawner.spawn(async move {
                let (mut from, mut to) = split(theirs);
                let copied = copy(&mut from, &mut to).await?;
                to.shutdown().await?;
                Ok::<_, io::Error>(copied)
            });
            let (mut from, mut to) = split(ours);
            let sent = much();
            let feed = async {
                to.write_all(&sent).await?;
                to.shutdown().await
            };
            // Reads into memory that was never written to.
            let mut back = Vec::with_capacity(100);
            let (fed, read) = futures_util::join!(feed, from.read_to_end(&mut back));
            fed.expect("fed");
            read.expect("read");
            assert!(back == sent);
            assert_eq!(
                echo.await.expect("ends").expect("copied"),
                sent.len() as u64
            );

            let (mut ours, theirs) = pair(&spawner).await;
            let parts = [io::IoSlice::new(b"one\n"), io::IoSlice::new(b"two\n")];
            assert!(tokio::io::AsyncWrite::is_write_vectored(&ours));
            assert_eq!(ours.write_vectored(&parts).await.expect("written"), 8);
            let mut lines = BufReader::new(theirs).lines();
            for wanted in ["one", "two"] {
                let line = lines.next_line().await.expect("read");
                assert_eq!(line.as_deref(), Some(wanted));
            }
            drop(ours);
            assert_eq!(lines.next_line().await.expect("the end"), None);
        });
    });
}

#[test]
fn hyper_reads_no_more_than_it_asks_for() {
    use hyper::rt::{Read, ReadBuf, Write};
    watched(|| {
        let runtime = runtime();
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let (mut ours, mut theirs) = pair(&spawner).await;
            let n = std::future::poll_fn(|cx| Pin::new(&mut ours).poll_write(cx, b"seven b")).await;
            assert_eq!(n.expect("written"), 7);
            let mut seen = Vec::new();
            while seen.len() < 7 {
                let mut memory = [std::mem::MaybeUninit::uninit(); 3];
                let mut buffer = ReadBuf::uninit(&mut memory);
                std::future::poll_fn(|cx| Pin::new(&mut theirs).poll_read(cx, buffer.unfilled()))
                    .await
                    .expect("read");
                assert!((1..=3).contains(&buffer.filled().len()));
                seen.extend_from_slice(buffer.filled());
            }
            assert_eq!(seen, b"seven b");
            std::future::poll_fn(|cx| Pin::new(&mut ours).poll_shutdown(cx))
                .await
                .expect("ended");
            let mut memory = [std::mem::MaybeUninit::uninit(); 3];
            let mut buffer = ReadBuf::uninit(&mut memory);
            std::future::poll_fn(|cx| Pin::new(&mut theirs).poll_read(cx, buffer.unfilled()))
                .await
                .expect("the end");
            assert!(buffer.filled().is_empty());
        });
    });
}

/// hyper's timer is held as `dyn`: deadlines are moved, and those of another runtime are taken too.
#[test]
fn hyper_moves_its_deadlines() {
    use hyper::rt::Timer;
    use std::time::{Duration, Instant};
    watched(|| {
        let (runtime, other) = (runtime(), runtime());
        runtime.block_on(async {
            for spawner in [runtime.spawner(), other.spawner()] {
                let mut sleep = Timer::sleep(&spawner, Duration::from_secs(3_600));
                let at = Instant::now() + Duration::from_millis(5);
                Timer::reset(&runtime.spawner(), &mut sleep, at);
                sleep.await;
                assert!(Instant::now() >= at);
            }
            let past = Instant::now() - Duration::from_millis(1);
            Timer::sleep_until(&runtime.spawner(), past).await;
        });
    });
}

#[cfg(all(unix, feature = "process"))]
mod pipes {
    use std::process::{Command, Stdio};

    use mini_executor::process::Child;

    use super::*;

    async fn cat(spawner: &Spawner) -> Child {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Child::spawn(spawner, command).await.expect("starts")
    }

    #[test]
    fn are_closed_by_futures_io() {
        use futures_util::{AsyncReadExt, AsyncWriteExt};
        watched(|| {
            let runtime = runtime();
            let spawner = runtime.spawner();
            runtime.block_on(async {
                let mut child = cat(&spawner).await;
                let mut stdin = child.stdin.take().expect("piped");
                let mut stdout = child.stdout.take().expect("piped");
                let sent = much();
                let feed = async {
                    stdin.write_all(&sent).await?;
                    // The child sees its end though the writer is kept.
                    stdin.close().await?;
                    Ok::<_, io::Error>(stdin)
                };
                let mut back = Vec::new();
                let read = AsyncReadExt::read_to_end(&mut stdout, &mut back);
                let (fed, read) = futures_util::join!(feed, read);
                read.expect("read");
                assert!(back == sent);
                let late = fed.expect("fed").write(b"x").await.expect_err("closed");
                assert_eq!(late.kind(), io::ErrorKind::BrokenPipe);
                assert!(child.wait().await.expect("ends").success());
            });
        });
    }

    #[test]
    fn are_shut_down_by_tokio() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        watched(|| {
            let runtime = runtime();
            let spawner = runtime.spawner();
            runtime.block_on(async {
                let mut child = cat(&spawner).await;
                let mut stdin = child.stdin.take().expect("piped");
                let mut stdout = child.stdout.take().expect("piped");
                let sent = much();
                let feed = async {
                    AsyncWriteExt::write_all(&mut stdin, &sent).await?;
                    stdin.shutdown().await
                };
                let mut back = Vec::new();
                let read = AsyncReadExt::read_to_end(&mut stdout, &mut back);
                let (fed, read) = futures_util::join!(feed, read);
                fed.expect("fed");
                read.expect("read");
                assert!(back == sent);
                drop(stdin);
                assert!(child.wait().await.expect("ends").success());
            });
        });
    }
}
