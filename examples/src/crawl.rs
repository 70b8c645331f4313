//! A crawler: many fetches at once, but not too many, none of which may take for ever.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::AcqRel},
    },
    time::Duration,
};

use async_lock::Semaphore;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header::HOST};
use mini_executor::{Spawner, io::TcpStream};

/// How to crawl.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Fetches at once.
    pub at_once: usize,
    /// What one fetch may take.
    pub time: Duration,
    /// Pages at most.
    pub pages: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Pages that came.
    pub pages: usize,
    /// Pages that are not there.
    pub missing: usize,
    /// Fetches that took too long.
    pub late: usize,
    /// Fetches that failed otherwise.
    pub failed: usize,
    /// The most fetches at once.
    pub at_once: usize,
}

enum Page {
    Links(Vec<String>),
    Missing,
}

async fn fetch(spawner: &Spawner, site: SocketAddr, path: &str) -> anyhow::Result<Page> {
    let stream = TcpStream::connect(spawner, site).await?;
    let (mut sender, connection) = http1::handshake(stream).await?;
    // It ends with the sender.
    spawner.spawn(connection).detach();
    let request = Request::get(path)
        .header(HOST, site.to_string())
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Ok(Page::Missing);
    }
    let body = response.into_body().collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    Ok(Page::Links(text.lines().map(str::to_owned).collect()))
}

/// Fetches `/` of `site` and every page that it leads to. A page is text, a path in each line.
///
/// # Cancel safety
/// Fetches under way are cancelled.
pub async fn crawl(spawner: &Spawner, site: SocketAddr, limits: Limits) -> Found {
    let room = Arc::new(Semaphore::new(limits.at_once));
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut seen = HashSet::from(["/".to_owned()]);
    let mut fetches = spawner.join_set();
    let mut new = vec!["/".to_owned()];
    let mut found = Found::default();
    loop {
        for path in new.drain(..) {
            let (spawner, room) = (spawner.clone(), room.clone());
            let (running, most) = (running.clone(), most.clone());
            fetches.spawn(async move {
                let _place = room.acquire_arc().await;
                most.fetch_max(running.fetch_add(1, AcqRel) + 1, AcqRel);
                let fetched = spawner
                    .timeout(limits.time, fetch(&spawner, site, &path))
                    .await;
                running.fetch_sub(1, AcqRel);
                fetched
            });
        }
        match fetches.join_next().await {
            None => break,
            Some(Ok(Ok(Ok(Page::Links(links))))) => {
                found.pages += 1;
                for link in links {
                    if seen.len() < limits.pages && seen.insert(link.clone()) {
                        new.push(link);
                    }
                }
            }
            Some(Ok(Ok(Ok(Page::Missing)))) => found.missing += 1,
            Some(Ok(Err(_))) => found.late += 1,
            Some(Ok(Ok(Err(_))) | Err(_)) => found.failed += 1,
        }
    }
    found.at_once = most.load(std::sync::atomic::Ordering::Acquire);
    found
}
