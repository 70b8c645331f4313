//! Why a system call failed, as programs see it.

use crate::{
    address_space::FaultError, backlog::Closed, join::JoinError, limits::LimitError,
    monitor::Stopped, numbered::NoMemory, objects::Refused, page_frame::OutOfFrames,
    region_map::RegionError, tree::PathError,
};

/// An error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::upper_case_acronyms, reason = "the names are those of POSIX")]
#[allow(missing_docs, reason = "POSIX says what they mean")]
#[repr(u16)]
pub enum Errno {
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EINTR = 4,
    EIO = 5,
    E2BIG = 7,
    ENOEXEC = 8,
    EBADF = 9,
    ECHILD = 10,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    EBUSY = 16,
    EEXIST = 17,
    ENOTDIR = 20,
    EISDIR = 21,
    EINVAL = 22,
    EMFILE = 24,
    ENOSPC = 28,
    ESPIPE = 29,
    EPIPE = 32,
    EDEADLK = 35,
    ENAMETOOLONG = 36,
    ENOSYS = 38,
    ENOTEMPTY = 39,
    EIDRM = 43,
    EMSGSIZE = 90,
    EADDRINUSE = 98,
    ENOTCONN = 107,
    ETIMEDOUT = 110,
    ECONNREFUSED = 111,
}

impl Errno {
    /// The value for `rax`: the negated number.
    #[inline]
    #[must_use]
    pub const fn to_result(self) -> u64 {
        (self as u64).wrapping_neg()
    }

    /// The same of a call that was to wait for `timeout_ns`: one that was not to wait at all has not
    /// timed out.
    #[must_use]
    pub fn after(self, timeout_ns: u64) -> Self {
        match self {
            Self::ETIMEDOUT if timeout_ns == 0 => Self::EAGAIN,
            other => other,
        }
    }
}

impl From<PathError> for Errno {
    fn from(error: PathError) -> Self {
        match error {
            PathError::NotFound => Self::ENOENT,
            PathError::NotADirectory => Self::ENOTDIR,
            PathError::NameTooLong => Self::ENAMETOOLONG,
            PathError::Exists => Self::EEXIST,
            PathError::NotEmpty => Self::ENOTEMPTY,
            PathError::Busy => Self::EBUSY,
            PathError::Full => Self::ENOSPC,
        }
    }
}

impl From<JoinError> for Errno {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::NoSuchThread => Self::ESRCH,
            JoinError::Taken => Self::EINVAL,
            JoinError::Interrupted => Self::EINTR,
        }
    }
}

impl From<LimitError> for Errno {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::SoftAboveHard => Self::EINVAL,
            LimitError::MayNotRaise => Self::EPERM,
        }
    }
}

/// Of what is mapped; unmapping knows one error only.
impl From<RegionError> for Errno {
    fn from(error: RegionError) -> Self {
        match error {
            RegionError::Overlap => Self::EEXIST,
            RegionError::TooMany => Self::ENOMEM,
            RegionError::NotMapped => Self::EINVAL,
        }
    }
}

/// Of a program's buffer.
impl From<FaultError> for Errno {
    fn from(_: FaultError) -> Self {
        Self::EFAULT
    }
}

impl From<Stopped> for Errno {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::TimedOut => Self::ETIMEDOUT,
            Stopped::Interrupted => Self::EINTR,
        }
    }
}

impl From<Refused> for Errno {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoObject => Self::ENOENT,
            Refused::NotAllowed => Self::EACCES,
            Refused::Destroyed => Self::EIDRM,
            Refused::TimedOut => Self::ETIMEDOUT,
            Refused::Interrupted => Self::EINTR,
        }
    }
}

impl From<Closed> for Errno {
    fn from(_: Closed) -> Self {
        Self::ECONNREFUSED
    }
}

impl From<NoMemory> for Errno {
    fn from(_: NoMemory) -> Self {
        Self::ENOMEM
    }
}

impl From<OutOfFrames> for Errno {
    fn from(_: OutOfFrames) -> Self {
        Self::ENOMEM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_sees_the_negated_number() {
        assert_eq!(Errno::EPERM.to_result() as i64, -1);
        assert_eq!(Errno::ECONNREFUSED.to_result() as i64, -111);
    }

    #[test]
    fn who_was_not_to_wait_has_not_timed_out() {
        assert_eq!(Errno::ETIMEDOUT.after(0), Errno::EAGAIN);
        assert_eq!(Errno::ETIMEDOUT.after(1), Errno::ETIMEDOUT);
        assert_eq!(Errno::EINTR.after(0), Errno::EINTR);
    }

    #[test]
    fn errors_keep_their_meaning() {
        assert_eq!(Errno::from(PathError::Exists), Errno::EEXIST);
        assert_eq!(Errno::from(JoinError::Taken), Errno::EINVAL);
        assert_eq!(Errno::from(RegionError::Overlap), Errno::EEXIST);
        assert_eq!(Errno::from(Refused::Destroyed), Errno::EIDRM);
        assert_eq!(Errno::from(LimitError::MayNotRaise), Errno::EPERM);
    }
}
