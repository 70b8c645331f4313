//! The HTTP servers are loaded, over HTTP/1.1 and HTTP/2.

mod program;

use std::{
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::AcqRel},
    },
};

use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::{http1, http2},
    header::HOST,
};
use mini_executor::{Runtime, Spawner, io::TcpStream};
use program::{Server, watched};

fn request(address: SocketAddr, method: Method, path: &str, body: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .header(HOST, address.to_string())
        .body(Full::from(body.to_owned()))
        .expect("a request")
}

async fn http1(spawner: &Spawner, address: SocketAddr, rounds: usize) -> anyhow::Result<usize> {
    let stream = TcpStream::connect(spawner, address).await?;
    let (mut sender, connection) = http1::handshake(stream).await?;
    spawner.spawn(connection).detach();
    for round in 0..rounds {
        let sent = format!("round {round}");
        let asked = request(address, Method::POST, "/echo", &sent);
        let response = sender.send_request(asked).await?;
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.into_body().collect().await?.to_bytes();
        assert_eq!(body, sent.as_bytes());
    }
    Ok(rounds)
}

async fn http2(spawner: &Spawner, address: SocketAddr, at_once: usize) -> anyhow::Result<usize> {
    let stream = TcpStream::connect(spawner, address).await?;
    let (sender, connection) = http2::Builder::new(spawner.clone())
        .timer(spawner.clone())
        .handshake(stream)
        .await?;
    spawner.spawn(connection).detach();
    let asked = (0..at_once).map(|n| {
        let mut sender = sender.clone();
        async move {
            let sent = format!("stream {n} ").repeat(1_000);
            let asked = request(address, Method::POST, "/echo", &sent);
            let response = sender.send_request(asked).await?;
            let body = response.into_body().collect().await?.to_bytes();
            anyhow::ensure!(body == sent.as_bytes(), "an echo of something else");
            Ok(())
        }
    });
    Ok(try_join_all(asked).await?.len())
}

async fn get(
    spawner: &Spawner,
    address: SocketAddr,
    path: &str,
) -> anyhow::Result<(StatusCode, String)> {
    let stream = TcpStream::connect(spawner, address).await?;
    let (mut sender, connection) = http1::handshake(stream).await?;
    spawner.spawn(connection).detach();
    let asked = request(address, Method::GET, path, "");
    let response = sender.send_request(asked).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[test]
fn hyper_serves_both_versions_under_load() {
    watched(|| {
        let server = Server::start(env!("CARGO_BIN_EXE_http_server"));
        let address = server.address;
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        let served = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..40)
            .map(|n| {
                let (spawner, served) = (runtime.spawner(), served.clone());
                runtime.spawn(async move {
                    let count = if n % 4 == 0 {
                        http2(&spawner, address, 50).await
                    } else {
                        http1(&spawner, address, 50).await
                    };
                    served.fetch_add(count.expect("served"), AcqRel);
                })
            })
            .collect();
        for client in clients {
            client.join().expect("served");
        }
        assert_eq!(served.load(std::sync::atomic::Ordering::Acquire), 2_000);
        let spawner = runtime.spawner();
        let (status, _) = runtime
            .block_on(get(&spawner, address, "/x"))
            .expect("served");
        assert_eq!(status, StatusCode::NOT_FOUND);
        wrk(address);
        server.stop();
    });
}

/// The usual load generator, where it is installed.
fn wrk(address: SocketAddr) {
    let output = Command::new("wrk")
        .args(["-t1", "-c50", "-d1s", &format!("http://{address}/")])
        .output();
    match output {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            println!("{said}");
            assert!(output.status.success());
            assert!(said.contains("Requests/sec"), "{said}");
            assert!(!said.contains("Non-2xx"), "{said}");
        }
        Err(error) => println!(
            "wrk does not run ({error}): the load came from hyper's own client only; for wrk's, \
             install the package 'wrk'"
        ),
    }
}

#[test]
fn axum_is_served_by_our_executor() {
    watched(|| {
        let server = Server::start(env!("CARGO_BIN_EXE_axum_server"));
        let address = server.address;
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let hello = get(&spawner, address, "/").await.expect("served");
            assert_eq!(hello, (StatusCode::OK, "hello from axum".to_owned()));
            let slept = get(&spawner, address, "/sleep/5").await.expect("served");
            assert_eq!(slept, (StatusCode::OK, "slept 5 ms".to_owned()));
            let (status, _) = get(&spawner, address, "/sleep/x").await.expect("served");
            assert_eq!(status, StatusCode::BAD_REQUEST);
            let (status, _) = get(&spawner, address, "/none").await.expect("served");
            assert_eq!(status, StatusCode::NOT_FOUND);
        });
        server.stop();
    });
}
