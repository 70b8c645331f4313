//! System calls about files and pipes.

use alloc::sync::Arc;

use kcore::{DirectoryId, End, Errno};

use super::Result;
use crate::{
    arch::cpu,
    fs::{descriptors::Flags, file::OpenFile, pipe::Pipe, root},
    mm::uaccess::{self, Text},
};

/// The greatest length of a path, its NUL included.
pub(super) const PATH_LEN: usize = 1024;

/// Runs `f` with the caller's directory and a path of its memory.
fn with_path<R>(
    path: u64,
    f: impl FnOnce(DirectoryId, &[u8]) -> core::result::Result<R, Errno>,
) -> core::result::Result<R, Errno> {
    let mut text = Text::<PATH_LEN>::new();
    let path = text.copy_in(path)?;
    let directory = cpu::current().process().files.lock().directory;
    f(directory, path)
}

/// open(path, flags: 0 read, 1 write, 2 both) → fd.
pub(super) fn open(path: u64, flags: u64) -> Result {
    let file = with_path(path, |at, path| {
        let flags = Flags::from_bits(flags).ok_or(Errno::EINVAL)?;
        root::open(at, path, flags)
    })?;
    insert(file)
}

/// Gives a file the lowest free number of the caller.
pub(super) fn insert(file: OpenFile) -> Result {
    let file = Arc::new(file);
    let inserted = cpu::current()
        .process()
        .files
        .lock()
        .insert(Arc::clone(&file));
    // If there is no number, the file is closed here, without the lock.
    drop(file);
    inserted
}

/// read(fd, buffer, n) → bytes read, at most n; 0 at the end.
pub(super) fn read(fd: u64, buffer: u64, len: u64) -> Result {
    let file = cpu::current().process().files.lock().get(fd)?;
    file.read(buffer, len)
}

/// write(fd, buffer, n) → bytes written, at most n.
pub(super) fn write(fd: u64, buffer: u64, len: u64) -> Result {
    let file = cpu::current().process().files.lock().get(fd)?;
    file.write(buffer, len)
}

/// seek(fd, offset, whence: 0 start, 1 position, 2 end) → new position.
pub(super) fn seek(fd: u64, offset: u64, whence: u64) -> Result {
    let file = cpu::current().process().files.lock().get(fd)?;
    file.seek(offset as i64, whence)
}

/// tell(fd) → position.
pub(super) fn tell(fd: u64) -> Result {
    let file = cpu::current().process().files.lock().get(fd)?;
    file.seek(0, 1)
}

/// close(fd) → 0.
pub(super) fn close(fd: u64) -> Result {
    let file = cpu::current().process().files.lock().remove(fd)?;
    drop(file);
    Ok(0)
}

/// pipe(\*fds: two, to read from and to write to) → 0.
pub(super) fn pipe(fds: u64) -> Result {
    if !cpu::current().space().is_writable(fds, 8) {
        return Err(Errno::EFAULT);
    }
    let pipe = Pipe::new()?;
    let read = insert(OpenFile::stream(Some(pipe.end(End::Read)), None))?;
    let write = insert(OpenFile::stream(None, Some(pipe.end(End::Write))));
    let written = write.and_then(|write| {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&(read as u32).to_ne_bytes());
        bytes[4..].copy_from_slice(&(write as u32).to_ne_bytes());
        uaccess::copy_out(fds, &bytes)
    });
    if let Err(error) = written {
        for fd in [Ok(read), write].into_iter().flatten() {
            // Another thread may have closed it.
            let _ = close(fd);
        }
        return Err(error);
    }
    Ok(0)
}

/// create(path) → 0: an empty file.
pub(super) fn create(path: u64) -> Result {
    with_path(path, root::create).map(|()| 0)
}

/// mkdir(path) → 0.
pub(super) fn mkdir(path: u64) -> Result {
    with_path(path, root::create_directory).map(|()| 0)
}

/// mkfifo(path) → 0: a named pipe.
pub(super) fn mkfifo(path: u64) -> Result {
    with_path(path, root::create_fifo).map(|()| 0)
}

/// unlink(path) → 0: a file, a named pipe or an empty directory.
pub(super) fn unlink(path: u64) -> Result {
    with_path(path, root::remove).map(|()| 0)
}

/// chdir(path) → 0.
pub(super) fn chdir(path: u64) -> Result {
    let directory = with_path(path, root::find_directory)?;
    cpu::current().process().files.lock().directory = directory;
    Ok(0)
}

/// readdir(fd, \*entries, n) → how many entries were written.
pub(super) fn readdir(fd: u64, out: u64, count: u64) -> Result {
    let file = cpu::current().process().files.lock().get(fd)?;
    file.read_directory(out, count)
}

/// stat(path, \*out: inode, kind, size, 0) → 0.
pub(super) fn stat(path: u64, out: u64) -> Result {
    let status = with_path(path, root::status)?;
    let mut bytes = [0; 32];
    let words = [status.inode, u64::from(status.kind), status.size, 0];
    for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_ne_bytes();
    }
    uaccess::copy_out(out, &bytes)?;
    Ok(0)
}

/// fsync(fd) → 0.
pub(super) fn fsync(fd: u64) -> Result {
    let file = cpu::current().process().files.lock().get(fd)?;
    file.sync().map(|()| 0)
}

/// dup(fd) → a second number for the same open file.
pub(super) fn dup(fd: u64) -> Result {
    let mut files = cpu::current().process().files.lock();
    let file = files.get(fd)?;
    files.insert(file)
}

/// dup2(fd, new) → new, which is closed first.
pub(super) fn dup2(fd: u64, new: u64) -> Result {
    let old = {
        let mut files = cpu::current().process().files.lock();
        let file = files.get(fd)?;
        files.replace(new, file)?
    };
    // It may have been the last share: outside of the lock.
    drop(old);
    Ok(new)
}
