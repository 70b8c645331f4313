//! How many connections the limit of descriptors lets a process have.

use anyhow::ensure;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that a server or a load has besides its connections.
const BESIDES: u64 = 100;

/// The connections that can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Possible {
    /// So many.
    pub(crate) connections: usize,
    /// The limit, where it allows fewer than were asked for.
    pub(crate) note: Option<String>,
}

/// Raises the limit of descriptors as far as it may be; children inherit it.
///
/// # Errors
/// Where not even one connection is possible.
pub(crate) fn possible(wanted: usize) -> anyhow::Result<Possible> {
    let needed = wanted as u64 + BESIDES;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = soft.max(needed.min(hard));
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
    let possible = within(wanted, limit);
    ensure!(
        possible.connections > 0,
        "no descriptors for connections: {hard} is the limit; raise `ulimit -n`"
    );
    Ok(possible)
}

fn within(wanted: usize, limit: u64) -> Possible {
    let left = usize::try_from(limit.saturating_sub(BESIDES)).unwrap_or(usize::MAX);
    if left >= wanted {
        return Possible {
            connections: wanted,
            note: None,
        };
    }
    Possible {
        connections: left,
        note: Some(format!(
            "{left} of {wanted} connections: {limit} descriptors are the limit"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_connections_come_with_the_limit() {
        assert_eq!(
            within(100, 1024),
            Possible {
                connections: 100,
                note: None
            }
        );
        let fewer = within(10_000, 1024);
        assert_eq!(fewer.connections, 924);
        assert_eq!(
            fewer.note.as_deref(),
            Some("924 of 10000 connections: 1024 descriptors are the limit")
        );
        assert_eq!(within(1, 3).connections, 0);
    }
}
