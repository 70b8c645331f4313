//! Why a system call failed, as programs see it.

/// An error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::upper_case_acronyms, reason = "the names are those of POSIX")]
#[allow(dead_code, reason = "the list is the one that programs know")]
#[repr(u16)]
pub(crate) enum Errno {
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
    pub(super) fn to_result(self) -> u64 {
        (-i64::from(self as u16)) as u64
    }
}
