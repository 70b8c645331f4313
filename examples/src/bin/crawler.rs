//! Crawls a site of its own: `crawler [PAGES]`. A tenth of the pages is missing, and one never
//! answers.

use std::{convert::Infallible, time::Duration};

use anyhow::Context;
use examples::{
    crawl::{Limits, crawl},
    http::serve,
};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    service::service_fn,
};
use mini_executor::{Runtime, io::TcpListener};

/// Page `n` leads to pages `2n + 1` and `2n + 2`; `/` is page 0.
fn page(n: usize, pages: usize) -> String {
    let next = [2 * n + 1, 2 * n + 2].into_iter().filter(|&n| n < pages);
    next.map(|n| format!("/{n}\n")).collect()
}

async fn answer(
    request: Request<Incoming>,
    pages: usize,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().trim_start_matches('/');
    let n: usize = path.parse().unwrap_or(0);
    let mut response = Response::new(Full::from(page(n, pages)));
    // These lead nowhere, since they are in the last half.
    if n > pages / 2 && n.is_multiple_of(5) {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    if n + 1 == pages {
        std::future::pending::<()>().await;
    }
    Ok(response)
}

fn main() -> anyhow::Result<()> {
    let pages = match std::env::args().nth(1) {
        Some(text) => text
            .parse()
            .with_context(|| format!("'{text}' is not a number of pages"))?,
        None => 500,
    };
    let runtime = Runtime::new()?;
    let spawner = runtime.spawner();
    let listener = TcpListener::bind(&spawner, "127.0.0.1:0")?;
    let site = listener.local_addr()?;
    let service = service_fn(move |request| answer(request, pages));
    runtime
        .spawn(serve(spawner.clone(), listener, service))
        .detach();
    let limits = Limits {
        at_once: 16,
        time: Duration::from_secs(2),
        pages,
    };
    let found = runtime.block_on(crawl(&spawner, site, limits));
    println!(
        "pages {} missing {} late {} failed {} at once {}",
        found.pages, found.missing, found.late, found.failed, found.at_once
    );
    Ok(())
}
