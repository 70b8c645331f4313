//! Sockets: data arrives, ends are seen, descriptors that were closed are forgotten.
#![cfg(feature = "net")]

mod watched;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use mini_executor::{
    Elapsed, Runtime, Shutdown,
    io::{Stream, TcpListener, TcpStream, UdpSocket},
};
use watched::watched;

const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().expect("builds")
}

/// Serves echoes for ever; returns the address.
fn echo(runtime: &Runtime) -> SocketAddr {
    let listener = TcpListener::bind(&runtime.spawner(), ANY).expect("binds");
    let address = listener.local_addr().expect("has one");
    let spawner = runtime.spawner();
    runtime
        .spawn(async move {
            loop {
                let (peer, _) = listener.accept().await?;
                spawner
                    .spawn(async move {
                        let mut buffer = [0; 512];
                        loop {
                            match peer.read(&mut buffer).await? {
                                0 => return Ok::<_, io::Error>(()),
                                n => peer.write_all(&buffer[..n]).await?,
                            }
                        }
                    })
                    .detach();
            }
            #[allow(unreachable_code)]
            Ok::<_, io::Error>(())
        })
        .detach();
    address
}

fn many_connections(workers: usize) {
    let runtime = runtime(workers);
    let address = echo(&runtime);
    let clients: Vec<_> = (0..100_u32)
        .map(|client| {
            let spawner = runtime.spawner();
            runtime.spawn(async move {
                let stream = TcpStream::connect(&spawner, address).await?;
                for round in 0..50_u32 {
                    let sent = (client * 1000 + round).to_le_bytes();
                    stream.write_all(&sent).await?;
                    let mut back = [0; 4];
                    stream.read_exact(&mut back).await?;
                    assert_eq!(back, sent);
                }
                Ok::<_, io::Error>(())
            })
        })
        .collect();
    for client in clients {
        client.join().expect("returns").expect("echoed");
    }
}

#[test]
fn a_hundred_connections_on_one_worker() {
    watched(|| many_connections(1));
}

#[test]
fn a_hundred_connections_on_three_workers() {
    watched(|| many_connections(3));
}

#[test]
fn more_than_a_socket_holds_goes_through() {
    watched(|| {
        let runtime = runtime(2);
        let address = echo(&runtime);
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let stream = TcpStream::connect(&spawner, address)
                .await
                .expect("connects");
            let sent: Vec<u8> = (0..4_000_000_u32).map(|n| n as u8).collect();
            let mut back = vec![0; sent.len()];
            let writing = stream.write_all(&sent);
            let reading = stream.read_exact(&mut back);
            let (wrote, read) = futures_util::future::join(writing, reading).await;
            wrote.expect("written");
            read.expect("read");
            assert!(back == sent);
        });
    });
}

#[test]
fn the_end_of_a_stream_is_seen_and_stays() {
    watched(|| {
        let runtime = runtime(1);
        let listener = TcpListener::bind(&runtime.spawner(), ANY).expect("binds");
        let address = listener.local_addr().expect("has one");
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let stream = TcpStream::connect(&spawner, address)
                .await
                .expect("connects");
            let (peer, _) = listener.accept().await.expect("accepts");
            peer.write_all(b"bye").await.expect("written");
            drop(peer);
            let mut buffer = [0; 8];
            assert_eq!(stream.read(&mut buffer).await.expect("read"), 3);
            for _ in 0..3 {
                assert_eq!(stream.read(&mut buffer).await.expect("the end"), 0);
            }
            let short = stream.read_exact(&mut buffer).await.expect_err("the end");
            assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
        });
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    watched(|| {
        let runtime = runtime(1);
        let spawner = runtime.spawner();
        let address = {
            let listener = TcpListener::bind(&spawner, ANY).expect("binds");
            listener.local_addr().expect("has one")
        };
        let refused = runtime.block_on(TcpStream::connect(&spawner, address));
        assert_eq!(
            refused.expect_err("nobody listens").kind(),
            io::ErrorKind::ConnectionRefused
        );
    });
}

#[test]
fn a_read_can_be_given_up_and_taken_up_again() {
    watched(|| {
        let runtime = runtime(2);
        let address = echo(&runtime);
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let stream = TcpStream::connect(&spawner, address)
                .await
                .expect("connects");
            let mut buffer = [0; 8];
            let waited = spawner
                .timeout(Duration::from_millis(2), stream.read(&mut buffer))
                .await;
            assert!(matches!(waited, Err(Elapsed)));
            stream.write_all(b"again").await.expect("written");
            stream.read_exact(&mut buffer[..5]).await.expect("read");
            assert_eq!(&buffer[..5], b"again");
        });
    });
}

#[test]
fn a_reused_descriptor_gets_no_events_of_the_former_one() {
    watched(|| {
        let runtime = runtime(2);
        let address = echo(&runtime);
        let spawner = runtime.spawner();
        runtime.block_on(async {
            // Each stream closes with an answer on its way, and the next one gets its number.
            for round in 0..200_u32 {
                let stream = TcpStream::connect(&spawner, address)
                    .await
                    .expect("connects");
                stream
                    .write_all(&round.to_le_bytes())
                    .await
                    .expect("written");
                if round % 2 == 0 {
                    continue;
                }
                let mut back = [0; 4];
                stream.read_exact(&mut back).await.expect("read");
                assert_eq!(back, round.to_le_bytes(), "its own answer");
            }
        });
    });
}

#[test]
fn a_shutdown_ends_tasks_that_wait_for_sockets() {
    watched(|| {
        let runtime = runtime(2);
        let _listening = echo(&runtime);
        // The other end is this thread's: nothing that the shutdown cancels can end the read.
        let listener = std::net::TcpListener::bind(ANY).expect("binds");
        let address = listener.local_addr().expect("has one");
        let stream = runtime
            .block_on(TcpStream::connect(&runtime.spawner(), address))
            .expect("connects");
        let _peer = listener.accept().expect("accepts");
        let reader = runtime.spawn(async move { stream.read(&mut [0; 8]).await });
        let report = runtime.shutdown(Shutdown::Deadline(Duration::from_millis(5)));
        assert_eq!(report.cancelled, 2, "the listener and the reader: {report}");
        assert!(matches!(
            reader.join(),
            Err(mini_executor::JoinError::Cancelled)
        ));
    });
}

#[test]
fn datagrams() {
    watched(|| {
        let runtime = runtime(2);
        let spawner = runtime.spawner();
        let any = SocketAddr::from(ANY);
        let (a, b) = (
            UdpSocket::bind(&spawner, any).expect("binds"),
            UdpSocket::bind(&spawner, any).expect("binds"),
        );
        let (to_a, to_b) = (
            a.local_addr().expect("has one"),
            b.local_addr().expect("has one"),
        );
        runtime.block_on(async {
            let mut buffer = [0; 16];
            for n in 0..100_u8 {
                a.send_to(&[n; 3], to_b).await.expect("sent");
                let (length, from) = b.recv_from(&mut buffer).await.expect("received");
                assert_eq!((&buffer[..length], from), (&[n; 3][..], to_a));
            }
        });
    });
}

#[cfg(unix)]
#[test]
fn local_sockets() {
    use mini_executor::io::UnixStream;
    watched(|| {
        let runtime = runtime(2);
        let (a, b) = UnixStream::pair(&runtime.spawner()).expect("a pair");
        let echo = runtime.spawn(async move {
            let mut buffer = [0; 64];
            while let n @ 1.. = b.read(&mut buffer).await? {
                b.write_all(&buffer[..n]).await?;
            }
            Ok::<_, io::Error>(())
        });
        runtime.block_on(async {
            for n in 0..100_u8 {
                a.write_all(&[n; 5]).await.expect("written");
                let mut back = [0; 5];
                a.read_exact(&mut back).await.expect("read");
                assert_eq!(back, [n; 5]);
            }
        });
        drop(a);
        echo.join().expect("returns").expect("saw the end");
    });
}
