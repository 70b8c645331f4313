//! System calls about files, directories and pipes.

use core::ffi::CStr;

use super::syscall::{Errno, check, number, syscall};

/// What a descriptor is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reading only.
    Read = 0,
    /// Writing only.
    Write = 1,
    /// Reading and writing.
    ReadWrite = 2,
}

/// An entry of a directory, as the kernel writes it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The number of the file or directory.
    pub inode: u64,
    /// The name, up to the first zero byte.
    pub name: [u8; 256],
}

impl Entry {
    /// No entry: what an array to be filled starts with.
    pub const EMPTY: Self = Self {
        inode: 0,
        name: [0; 256],
    };

    /// The name without what follows it.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        let end = self.name.iter().position(|byte| *byte == 0);
        &self.name[..end.unwrap_or(self.name.len())]
    }
}

/// What the kernel tells about a file.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Its number, unique among the files that exist.
    pub inode: u64,
    /// 0 a file, 1 a directory, 2 a named pipe.
    pub kind: u32,
    /// Its length in bytes.
    pub size: u64,
    /// Always zero.
    pub zero: u32,
}

/// Opens a file for reading.
///
/// # Errors
/// As [`open_for`].
pub fn open(path: &CStr) -> Result<i32, Errno> {
    open_for(path, Mode::Read)
}

/// Opens a file, a directory or a named pipe.
///
/// # Errors
/// `ENOENT` where there is no such file, `ENOTDIR`, `ENAMETOOLONG`; `EMFILE` where all descriptors are
/// taken.
///
/// # Blocking
/// On a named pipe that is opened for one direction, until somebody opens it for the other one.
pub fn open_for(path: &CStr, mode: Mode) -> Result<i32, Errno> {
    // SAFETY: the kernel reads the string, which lives across the call.
    let fd = unsafe {
        check(syscall!(
            number::OPEN,
            "rdi" = path.as_ptr() as usize,
            "rsi" = mode as usize
        ))
    }?;
    Ok(fd as i32)
}

/// Reads at most `buffer.len()` bytes; 0 at the end of the file.
///
/// # Errors
/// `EBADF` for a descriptor that cannot be read.
///
/// # Blocking
/// On the console, until a byte has come.
pub fn read(fd: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes only within `buffer`, which is exclusively ours.
    unsafe {
        check(syscall!(
            number::READ,
            "rdi" = fd as usize,
            "rsi" = buffer.as_mut_ptr() as usize,
            "rdx" = buffer.len()
        ))
    }
}

/// Writes at most `bytes.len()` bytes and says how many.
///
/// # Errors
/// `EBADF` for a descriptor that cannot be written.
pub fn write(fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel reads only within `bytes`.
    unsafe {
        check(syscall!(
            number::WRITE,
            "rdi" = fd as usize,
            "rsi" = bytes.as_ptr() as usize,
            "rdx" = bytes.len()
        ))
    }
}

/// Moves the position of `fd`: from the start (`whence` 0), the position (1) or the end (2).
///
/// # Errors
/// `EINVAL` for a place before the start, `EBADF` for a descriptor without a position.
pub fn seek(fd: i32, offset: i64, whence: i32) -> Result<usize, Errno> {
    // SAFETY: the call touches no memory of ours.
    unsafe {
        check(syscall!(
            number::SEEK,
            "rdi" = fd as usize,
            "rsi" = offset as usize,
            "rdx" = whence as usize
        ))
    }
}

/// The position of `fd`.
///
/// # Errors
/// `EBADF` for a descriptor without a position.
pub fn tell(fd: i32) -> Result<usize, Errno> {
    // SAFETY: the call touches no memory of ours.
    unsafe { check(syscall!(number::TELL, "rdi" = fd as usize)) }
}

/// Closes `fd`.
///
/// # Errors
/// `EBADF` where it is not open.
pub fn close(fd: i32) -> Result<(), Errno> {
    // SAFETY: the call touches no memory of ours.
    unsafe { check(syscall!(number::CLOSE, "rdi" = fd as usize)) }.map(drop)
}

/// Makes an empty file.
///
/// # Errors
/// `EEXIST`, `ENOSPC`, and those of a path: `ENOENT`, `ENOTDIR`, `ENAMETOOLONG`.
pub fn create(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the kernel reads the string, which lives across the call.
    unsafe { check(syscall!(number::CREATE, "rdi" = path.as_ptr() as usize)) }.map(drop)
}

/// Makes an empty directory.
///
/// # Errors
/// As [`create`].
pub fn mkdir(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the kernel reads the string, which lives across the call.
    unsafe { check(syscall!(number::MKDIR, "rdi" = path.as_ptr() as usize)) }.map(drop)
}

/// Makes a named pipe.
///
/// # Errors
/// As [`create`], and `ENOMEM`.
pub fn mkfifo(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the kernel reads the string, which lives across the call.
    unsafe { check(syscall!(number::MKFIFO, "rdi" = path.as_ptr() as usize)) }.map(drop)
}

/// Removes the name of a file or named pipe, or an empty directory. What is open lives on without its name.
///
/// # Errors
/// `ENOTEMPTY`; `EBUSY` for the root, `.` and `..`; those of a path.
pub fn unlink(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the kernel reads the string, which lives across the call.
    unsafe { check(syscall!(number::UNLINK, "rdi" = path.as_ptr() as usize)) }.map(drop)
}

/// Makes a directory the one that the process's relative paths start from.
///
/// # Errors
/// Those of a path.
pub fn chdir(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the kernel reads the string, which lives across the call.
    unsafe { check(syscall!(number::CHDIR, "rdi" = path.as_ptr() as usize)) }.map(drop)
}

/// Writes the next entries of an open directory to `entries` and says how many; 0 at the end.
///
/// # Errors
/// `ENOTDIR`; `ENOENT` where the directory has been removed.
pub fn readdir(fd: i32, entries: &mut [Entry]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes entries, laid out as in C, within the slice, which is ours.
    unsafe {
        check(syscall!(
            number::READDIR,
            "rdi" = fd as usize,
            "rsi" = entries.as_mut_ptr() as usize,
            "rdx" = entries.len()
        ))
    }
}

/// Asks about what is at a path.
///
/// # Errors
/// Those of a path.
pub fn stat(path: &CStr) -> Result<Stat, Errno> {
    let mut stat = Stat::default();
    // SAFETY: the kernel reads the string and writes one `Stat`, laid out as in C, which is ours.
    unsafe {
        check(syscall!(
            number::STAT,
            "rdi" = path.as_ptr() as usize,
            "rsi" = &raw mut stat as usize
        ))
    }?;
    Ok(stat)
}

/// Makes sure that what was written to `fd` is where it belongs.
///
/// # Errors
/// `EINVAL` for what is no file or directory.
pub fn fsync(fd: i32) -> Result<(), Errno> {
    // SAFETY: the call touches no memory of ours.
    unsafe { check(syscall!(number::FSYNC, "rdi" = fd as usize)) }.map(drop)
}

/// Makes a pipe: a descriptor to read from, and one to write to.
///
/// # Errors
/// `EMFILE`, `ENOMEM`.
pub fn pipe() -> Result<(i32, i32), Errno> {
    let mut fds = [0_i32; 2];
    // SAFETY: the kernel writes two numbers to `fds`, which is ours.
    unsafe { check(syscall!(number::PIPE, "rdi" = fds.as_mut_ptr() as usize)) }?;
    Ok((fds[0], fds[1]))
}

/// Makes a second descriptor for what `fd` stands for; both share one position.
///
/// # Errors
/// `EBADF`, `EMFILE`.
pub fn dup(fd: i32) -> Result<i32, Errno> {
    // SAFETY: the call touches no memory of ours.
    let new = unsafe { check(syscall!(number::DUP, "rdi" = fd as usize)) }?;
    Ok(new as i32)
}

/// Makes `new` stand for what `fd` stands for; what it stood for before is closed.
///
/// # Errors
/// `EBADF`, also for a `new` that no descriptor can have.
pub fn dup2(fd: i32, new: i32) -> Result<(), Errno> {
    // SAFETY: the call touches no memory of ours.
    unsafe {
        check(syscall!(
            number::DUP2,
            "rdi" = fd as usize,
            "rsi" = new as usize
        ))
    }
    .map(drop)
}
