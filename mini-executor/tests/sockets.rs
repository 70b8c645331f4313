//! Sockets that were made elsewhere, that have addresses and options, and that are local.
#![cfg(all(unix, feature = "net"))]

mod watched;

use std::{
    io::{self, Read, Write},
    net::Ipv4Addr,
    os::{
        fd::{AsFd, AsRawFd},
        unix::net as std_unix,
    },
    path::PathBuf,
    sync::Arc,
};

use mini_executor::{
    Runtime,
    io::{AsyncFd, Stream, TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream},
};
use watched::watched;

const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

fn runtime() -> Runtime {
    Runtime::builder().workers(2).build().expect("builds")
}

/// A path of this test's, without a file.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let file = format!("mini-executor-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(file);
        let _ = std::fs::remove_file(&path);
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_local_listener_serves_many() {
    watched(|| {
        let place = Place::new("many");
        let runtime = runtime();
        let spawner = runtime.spawner();
        let listener = UnixListener::bind(&spawner, &place.0).expect("binds");
        let address = listener.local_addr().expect("has one");
        assert_eq!(address.as_pathname(), Some(&*place.0));
        let taken = UnixListener::bind(&spawner, &place.0).expect_err("it is there");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        let server = runtime.spawn({
            let spawner = spawner.clone();
            async move {
                let mut served = spawner.join_set();
                for _ in 0..50 {
                    let stream = listener.accept().await?;
                    served.spawn(async move {
                        let mut byte = [0];
                        while stream.read(&mut byte).await? == 1 {
                            stream.write_all(&byte).await?;
                        }
                        Ok::<_, io::Error>(())
                    });
                }
                Ok::<_, io::Error>(served.join_all().await)
            }
        });
        let clients: Vec<_> = (0..50_u8)
            .map(|n| {
                let (spawner, path) = (spawner.clone(), place.0.clone());
                runtime.spawn(async move {
                    let stream = UnixStream::connect(&spawner, &path).await?;
                    assert_eq!(stream.peer_addr()?.as_pathname(), Some(&*path));
                    assert!(stream.local_addr()?.is_unnamed());
                    let mut back = [0];
                    for round in 0..20 {
                        stream.write_all(&[n ^ round]).await?;
                        stream.read_exact(&mut back).await?;
                        assert_eq!(back, [n ^ round]);
                    }
                    Ok::<_, io::Error>(())
                })
            })
            .collect();
        for client in clients {
            client.join().expect("ends").expect("served");
        }
        let served = server.join().expect("ends").expect("accepts");
        for one in served.expect("end") {
            one.expect("served");
        }
    });
}

#[test]
fn nobody_at_a_path_is_an_error() {
    watched(|| {
        let place = Place::new("nobody");
        let runtime = runtime();
        let spawner = runtime.spawner();
        let connect = UnixStream::connect(&spawner, &place.0);
        let refused = runtime.block_on(connect).expect_err("nobody is there");
        assert_eq!(refused.kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn those_of_std_are_taken_over() {
    watched(|| {
        let place = Place::new("std");
        let runtime = runtime();
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let mut byte = [0];

            let listener = std::net::TcpListener::bind(ANY).expect("binds");
            let listener = TcpListener::from_std(&spawner, listener).expect("taken");
            let address = listener.local_addr().expect("has one");
            let ours = std::net::TcpStream::connect(address).expect("connects");
            let ours = TcpStream::from_std(&spawner, ours).expect("taken");
            let (theirs, peer) = listener.accept().await.expect("accepts");
            assert_eq!(peer, ours.local_addr().expect("has one"));
            assert_eq!(ours.peer_addr().expect("has one"), address);
            ours.write_all(b"t").await.expect("written");
            theirs.read_exact(&mut byte).await.expect("read");
            assert_eq!(&byte, b"t");

            let listener = std_unix::UnixListener::bind(&place.0).expect("binds");
            let listener = UnixListener::from_std(&spawner, listener).expect("taken");
            let ours = std_unix::UnixStream::connect(&place.0).expect("connects");
            let ours = UnixStream::from_std(&spawner, ours).expect("taken");
            let theirs = listener.accept().await.expect("accepts");
            theirs.write_all(b"u").await.expect("written");
            ours.read_exact(&mut byte).await.expect("read");
            assert_eq!(&byte, b"u");

            let socket = std::net::UdpSocket::bind(ANY).expect("binds");
            let socket = UdpSocket::from_std(&spawner, socket).expect("taken");
            let other = UdpSocket::bind(&spawner, ANY).expect("binds");
            let to = socket.local_addr().expect("has one");
            other.send_to(b"d", to).await.expect("sent");
            let from = socket.recv_from(&mut byte).await.expect("received");
            assert_eq!(from, (1, other.local_addr().expect("has one")));
            assert_eq!(&byte, b"d");
        });
    });
}

#[test]
fn datagrams_of_one_peer() {
    watched(|| {
        let runtime = runtime();
        let spawner = runtime.spawner();
        let make = || UdpSocket::bind(&spawner, ANY).expect("binds");
        let (ours, peer, stranger) = (make(), make(), make());
        let alone = ours.peer_addr().expect_err("it has none yet");
        assert_eq!(alone.kind(), io::ErrorKind::NotConnected);
        let (our_address, peer_address) = (
            ours.local_addr().expect("has one"),
            peer.local_addr().expect("has one"),
        );
        ours.connect(peer_address).expect("set");
        assert_eq!(ours.peer_addr().expect("has one"), peer_address);
        runtime.block_on(async {
            let mut bytes = [0; 8];
            ours.send(b"ask").await.expect("sent");
            let asked = peer.recv_from(&mut bytes).await.expect("received");
            assert_eq!((asked, &bytes[..3]), ((3, our_address), &b"ask"[..]));
            // What others send is not received.
            stranger.send_to(b"no", our_address).await.expect("sent");
            peer.send_to(b"reply", our_address).await.expect("sent");
            assert_eq!(ours.recv(&mut bytes).await.expect("received"), 5);
            assert_eq!(&bytes[..5], b"reply");
        });
    });
}

#[test]
fn options_are_set_by_the_descriptor() {
    watched(|| {
        let runtime = runtime();
        let spawner = runtime.spawner();
        let listener = TcpListener::bind(&spawner, ANY).expect("binds");
        let address = listener.local_addr().expect("has one");
        let stream = runtime
            .block_on(TcpStream::connect(&spawner, address))
            .expect("connects");
        // Another descriptor of the same socket, with the methods of std.
        let same = stream.as_fd().try_clone_to_owned().expect("doubled");
        let same = std::net::TcpStream::from(same);
        assert!(!same.nodelay().expect("asked"));
        stream.set_nodelay(true).expect("set");
        assert!(same.nodelay().expect("asked"));
        same.set_ttl(7).expect("set");
        assert_ne!(stream.as_raw_fd(), same.as_raw_fd());
        let again = stream.as_fd().try_clone_to_owned().expect("doubled");
        assert_eq!(std::net::TcpStream::from(again).ttl().expect("asked"), 7);
    });
}

#[test]
fn a_descriptor_that_others_share_is_watched_on() {
    watched(|| {
        let runtime = runtime();
        let spawner = runtime.spawner();
        let (ours, theirs) = std_unix::UnixStream::pair().expect("made");
        ours.set_nonblocking(true).expect("set");
        let ours = Arc::new(ours);
        let watched = AsyncFd::for_reading(&spawner, ours.clone()).expect("watched");
        assert_eq!(watched.as_raw_fd(), ours.as_raw_fd());
        // Closing the other references leaves it open, for it is inside.
        drop(ours);
        runtime.block_on(async {
            let mut byte = [0];
            for n in 0..10 {
                (&theirs).write_all(&[n]).expect("written");
                let read = watched.read_with(|from| (&**from).read(&mut byte)).await;
                assert_eq!((read.expect("read"), byte), (1, [n]));
            }
            // The peer's end is an event, not an error.
            drop(theirs);
            let read = watched.read_with(|from| (&**from).read(&mut byte)).await;
            assert_eq!(read.expect("the end"), 0);
        });
    });
}
