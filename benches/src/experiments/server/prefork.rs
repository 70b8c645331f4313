//! The server that forks ahead: a process a CPU, each with an event loop of its own.
//!
//! # Protocol
//! The listeners share one port, and the system spreads the connections over them. Each process is
//! this program, started again, with its listener in place of its input: so it listens before it is
//! started, and no connection is lost. It ends with its parent, whatever ends that.

use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

use super::event_loop;
use crate::sockets::{Exchange, listen_together};

/// One process of the server.
#[derive(clap::Args, Debug)]
pub struct WorkerArgs {
    /// The process that has started this one
    #[arg(long)]
    parent: i32,
    /// What is answered
    #[arg(long, value_enum)]
    exchange: Exchange,
}

impl WorkerArgs {
    /// Serves the listener that is this process's input.
    ///
    /// # Errors
    /// Those of the listener.
    ///
    /// # Blocking
    /// For ever.
    pub(in super::super) fn run(&self) -> anyhow::Result<()> {
        set_pdeathsig(Signal::SIGKILL).context("could not follow the parent")?;
        ensure!(
            getppid() == Pid::from_raw(self.parent),
            "the parent has ended"
        );
        let listener = std::io::stdin().as_fd().try_clone_to_owned()?;
        Ok(event_loop::run(TcpListener::from(listener), self.exchange)?)
    }
}

/// The processes; they are killed when this is dropped.
#[derive(Debug)]
pub(super) struct Workers(Vec<Child>);

impl Workers {
    /// Starts so many; says on which port they serve.
    pub(super) fn start(exchange: Exchange, processes: usize) -> anyhow::Result<(Self, u16)> {
        let listeners = listen_together(processes)?;
        let port = listeners
            .first()
            .context("a server needs a process")?
            .local_addr()?
            .port();
        let program = std::env::current_exe().context("could not find this program")?;
        let mut workers = Self(Vec::new());
        for listener in listeners {
            let worker = Command::new(&program)
                .args(["side", "worker", "--exchange", exchange.name()])
                .args(["--parent", &std::process::id().to_string()])
                .stdin(Stdio::from(OwnedFd::from(listener)))
                .stdout(Stdio::null())
                .spawn()
                .context("could not start a process of the server")?;
            workers.0.push(worker);
        }
        Ok((workers, port))
    }

    /// Their processes.
    pub(super) fn processes(&self) -> Vec<Pid> {
        let pid = |child: &Child| Pid::from_raw(child.id() as i32);
        self.0.iter().map(pid).collect()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // One that has ended already is as good as killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
