//! HTTP/1.1 and HTTP/2 on one port.
//!
//! A connection is hyper's `Read` and `Write` itself, and the spawner is its executor and timer, so
//! nothing stands between hyper and the runtime.

use std::{convert::Infallible, future::Future, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    service::Service,
};
use hyper_util::server::conn::auto;
use mini_executor::{Spawner, io::TcpListener};

use crate::accept::accept_all;

/// What a client has to send its head.
const HEAD: Duration = Duration::from_secs(10);
/// The longest body that is echoed.
const LONGEST: usize = 1 << 20;

/// Serves every connection of `listener` with `service`, for ever.
pub async fn serve<S, B>(spawner: Spawner, listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut builder = auto::Builder::new(spawner.clone());
    builder
        .http1()
        .timer(spawner.clone())
        .header_read_timeout(HEAD)
        .http2()
        .timer(spawner.clone());
    accept_all(&spawner, listener, |stream, _| {
        let (builder, service) = (builder.clone(), service.clone());
        spawner
            .spawn(async move {
                // Clients go away when they like: that is no fault of the server's.
                let _ = builder.serve_connection(stream, service).await;
            })
            .detach();
    })
    .await;
}

/// `GET /` says hello, `POST /echo` sends back what it got.
///
/// # Errors
/// None: what is wrong is the response's status.
pub async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let plain = |status, text: &'static str| {
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response
    };
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => plain(StatusCode::OK, "hello"),
        (&Method::POST, "/echo") => {
            let body = http_body_util::Limited::new(request.into_body(), LONGEST);
            match body.collect().await {
                Ok(body) => Response::new(Full::from(body.to_bytes())),
                Err(_) => plain(StatusCode::PAYLOAD_TOO_LARGE, "send a megabyte at most"),
            }
        }
        _ => plain(StatusCode::NOT_FOUND, "there is / and /echo"),
    })
}

/// An axum router, which waits with the runtime's timers.
pub fn router(spawner: Spawner) -> axum::Router {
    use axum::{extract::Path, routing::get};
    axum::Router::new()
        .route("/", get(|| async { "hello from axum" }))
        .route(
            "/sleep/{ms}",
            get(move |Path(ms): Path<u64>| {
                let spawner = spawner.clone();
                async move {
                    let ms = ms.min(1_000);
                    spawner.sleep(Duration::from_millis(ms)).await;
                    format!("slept {ms} ms")
                }
            }),
        )
}

/// Serves [`hello`].
pub fn server(spawner: Spawner, listener: TcpListener) -> impl Future<Output = ()> + Send {
    serve(spawner, listener, hyper::service::service_fn(hello))
}

/// Serves the [`router`].
pub fn axum_server(spawner: Spawner, listener: TcpListener) -> impl Future<Output = ()> + Send {
    let router = router(spawner.clone());
    serve(
        spawner,
        listener,
        hyper_util::service::TowerToHyperService::new(router),
    )
}
