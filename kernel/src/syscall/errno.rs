//! Why a system call failed, as programs see it.

/// An error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::upper_case_acronyms, reason = "the names are those of POSIX")]
#[repr(u16)]
pub(crate) enum Errno {
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EBADF = 9,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    EEXIST = 17,
    EISDIR = 21,
    EINVAL = 22,
    EMFILE = 24,
    EDEADLK = 35,
    ENAMETOOLONG = 36,
    ENOSYS = 38,
    ETIMEDOUT = 110,
}

impl Errno {
    /// The value for `rax`: the negated number.
    pub(super) fn to_result(self) -> u64 {
        (-i64::from(self as u16)) as u64
    }
}
