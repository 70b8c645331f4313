//! The life of a server program: it says where it listens, and ends when it is asked to.

use std::{future::Future, io::Write, net::SocketAddr, time::Duration};

use anyhow::Context;
use futures_util::{future::select, pin_mut};
use mini_executor::{
    Runtime, Shutdown, Spawner,
    io::TcpListener,
    signal::{Signal, SignalKind},
};

/// What connections have to end when the program is asked to.
const GRACE: Duration = Duration::from_secs(1);

/// Listens at the address that is the program's first argument (any free port of this machine if
/// there is none) and runs `server` until Control-C or `SIGTERM`.
///
/// # Errors
/// When the address can't be had, or the runtime not be made.
pub fn until_asked<F: Future<Output = ()> + Send + 'static>(
    server: impl FnOnce(Spawner, TcpListener) -> F,
) -> anyhow::Result<()> {
    let address: SocketAddr = match std::env::args().nth(1) {
        Some(text) => text
            .parse()
            .with_context(|| format!("'{text}' is not an address such as 127.0.0.1:8080"))?,
        None => ([127, 0, 0, 1], 0).into(),
    };
    let runtime = Runtime::new()?;
    let spawner = runtime.spawner();
    let listener =
        TcpListener::bind(&spawner, address).with_context(|| format!("can't have {address}"))?;
    let mut terminate = Signal::new(&spawner, SignalKind::terminate())?;
    let mut interrupt = Signal::new(&spawner, SignalKind::interrupt())?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on {}", listener.local_addr()?)?;
    out.flush()?;
    runtime.spawn(server(spawner, listener)).detach();
    runtime.block_on(async {
        let (a, b) = (terminate.recv(), interrupt.recv());
        pin_mut!(a, b);
        select(a, b).await.factor_first().0
    })?;
    let report = runtime.shutdown(Shutdown::Deadline(GRACE));
    println!("{report}");
    Ok(())
}
