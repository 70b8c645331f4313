//! Why a pool could not be built.

use std::{error::Error, fmt, io};

/// Why a pool could not be built.
#[derive(Debug)]
pub struct ThreadPoolBuildError {
    kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// The global pool is there already.
    GlobalExists,
    /// `use_current_thread` on a thread that is a worker already.
    AlreadyWorker,
    /// A thread was refused by the system or by the spawn handler.
    Thread(io::Error),
}

impl From<Kind> for ThreadPoolBuildError {
    fn from(kind: Kind) -> Self {
        Self { kind }
    }
}

impl ThreadPoolBuildError {
    /// Whether this system has no threads at all.
    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(&self.kind, Kind::Thread(error) if error.kind() == io::ErrorKind::Unsupported)
    }
}

impl fmt::Display for ThreadPoolBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            // Programs compare these two texts, so they are upstream's to the letter.
            Kind::GlobalExists => {
                f.write_str("The global thread pool has already been initialized.")
            }
            Kind::AlreadyWorker => {
                f.write_str("The current thread is already part of another thread pool.")
            }
            Kind::Thread(error) => error.fmt(f),
        }
    }
}

impl Error for ThreadPoolBuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::GlobalExists | Kind::AlreadyWorker => None,
            Kind::Thread(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_reason_is_the_source() {
        let error = ThreadPoolBuildError::from(Kind::Thread(io::Error::other("no more")));
        assert_eq!(error.to_string(), "no more");
        assert!(error.source().is_some());
        assert!(!error.is_unsupported());
        let none = io::Error::from(io::ErrorKind::Unsupported);
        assert!(ThreadPoolBuildError::from(Kind::Thread(none)).is_unsupported());
    }
}
