//! The other sides of cases, which are processes of their own and started by the cases.

use super::ipc::FarArgs;
use super::server::{LoadArgs, WorkerArgs};

/// Which side of which case.
#[derive(clap::Subcommand)]
pub enum Side {
    /// The load of a server.
    Load(LoadArgs),
    /// One process of the server that forks ahead.
    Worker(WorkerArgs),
    /// The far end of a link.
    Far(FarArgs),
}

impl Side {
    /// Is this side, until the case needs it no more.
    ///
    /// # Errors
    /// Where the case can't go on.
    ///
    /// # Blocking
    /// Until the case ends it.
    pub fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Load(args) => args.run(),
            Self::Worker(args) => args.run(),
            Self::Far(args) => args.run(),
        }
    }
}
