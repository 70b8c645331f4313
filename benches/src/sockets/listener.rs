//! Listening on a free port of this machine.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use anyhow::Context as _;
use nix::sys::socket::sockopt::ReusePort;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket,
};

/// Connections that may wait to be accepted; the system may have a limit that is lower.
const BACKLOG: i32 = 4096;

/// A listener on any port that is free.
///
/// # Errors
/// Where there is none.
pub(crate) fn listen() -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port")?;
    widen(&listener)?;
    Ok(listener)
}

/// So many listeners on one port, among which the system shares the connections out.
///
/// # Errors
/// Where there is no port, or the system can't share it.
pub(crate) fn listen_together(listeners: usize) -> anyhow::Result<Vec<TcpListener>> {
    let mut all: Vec<TcpListener> = Vec::with_capacity(listeners);
    for _ in 0..listeners {
        let port = match all.first() {
            Some(first) => first.local_addr()?.port(),
            None => 0,
        };
        let flags = SockFlag::SOCK_CLOEXEC;
        let one = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        setsockopt(&one, ReusePort, &true).context("a port can't be shared")?;
        let address = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        bind(std::os::fd::AsRawFd::as_raw_fd(&one), &address).context("no port")?;
        let one = TcpListener::from(one);
        widen(&one)?;
        all.push(one);
    }
    Ok(all)
}

/// The library's own 128 overflow when thousands connect, and who is turned away waits a second.
fn widen(listener: &TcpListener) -> anyhow::Result<()> {
    let backlog = Backlog::new(BACKLOG).context("invariant: a backlog the system knows")?;
    nix::sys::socket::listen(listener, backlog).context("could not listen")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_share_a_port() {
        let all = listen_together(3).expect("a port");
        let ports: Vec<_> = all
            .iter()
            .map(|one| one.local_addr().expect("bound").port())
            .collect();
        assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]));
    }
}
