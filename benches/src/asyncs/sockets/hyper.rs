//! hyper's greeting: HTTP/1.1 over 100 connections that are kept.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::TcpListener;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::super::subjects::{Ours, Runtime, Tokio, TokioCt, TokioMt};
use super::super::{OURS, TOKIO, TOKIO_CT, subject};
use super::{CPU, NO_SERVER, P99 as LATENCY, RATE as RPS, measure};
use crate::bars::{Bar, Bench, Figure, Judged, Subject};
use crate::sockets::Exchange;

const CONNECTIONS: usize = 100;
const REQUESTS: u64 = 150_000;

async fn greet(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("Hello, world!")))
}

/// One connection until its end; one that fails is over.
async fn connection(stream: impl Read + Write + Unpin) {
    let served = http1::Builder::new().serve_connection(stream, service_fn(greet));
    let _ = served.await;
}

/// A runtime that hyper's connections run on.
trait Hello: Runtime {
    /// Greets on every connection, for ever; an error is the listener's.
    fn hello(self, listener: TcpListener) -> impl Future<Output = io::Result<()>>;
}

impl Hello for Ours {
    async fn hello(self, listener: TcpListener) -> io::Result<()> {
        let spawner = self.0.spawner();
        let listener = mini_executor::io::TcpListener::from_std(&spawner, listener)?;
        let accept = async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                spawner.spawn(connection(stream)).detach();
            }
        };
        self.spawn(accept).await
    }
}

impl<const MANY: bool> Hello for Tokio<MANY> {
    async fn hello(self, listener: TcpListener) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let accept = async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(connection(hyper_util::rt::TokioIo::new(stream)));
            }
        };
        self.spawn(accept).await
    }
}

fn hello<R: Hello>(cpus: usize, requests: u64) -> anyhow::Result<Figure> {
    measure(Exchange::Hello, CONNECTIONS, requests, move |listener| {
        let runtime = R::start(cpus)?;
        Ok(runtime.block_on(runtime.hello(listener))?)
    })
}

const SUBJECTS: &[Subject] = &[
    subject(OURS, REQUESTS, hello::<Ours>),
    subject(TOKIO, REQUESTS, hello::<TokioMt>),
    subject(TOKIO_CT, REQUESTS, hello::<TokioCt>),
];

/// Answers a second, and what one costs.
pub(in super::super) const RATE: Bench = Bench {
    name: "hyper_rps",
    subjects: SUBJECTS,
    without: NO_SERVER,
    metrics: &[(RPS, Judged::Rate), (CPU, Judged::Cpu)],
    judged: Judged::Rate,
    bars: &[&[Bar::ratio(OURS, TOKIO, 1.0).or_more()]],
};

/// The slowest answers.
pub(in super::super) const P99: Bench = Bench {
    name: "hyper_p99",
    subjects: SUBJECTS,
    without: NO_SERVER,
    metrics: &[(LATENCY, Judged::Tail)],
    judged: Judged::Tail,
    bars: &[&[Bar::ratio(OURS, TOKIO, 1.0)]],
};
