//! System calls about files.

use super::Result;
use crate::{
    arch::cpu,
    fs::{descriptors::Flags, root},
    mm::uaccess,
    syscall::errno::Errno,
};

/// The greatest length of a path, its NUL included.
const PATH_LEN: usize = 1024;

/// open(path, flags: 0 read, 1 write, 2 both) → fd.
pub(super) fn open(path: u64, flags: u64) -> Result {
    let mut buffer = [0; PATH_LEN];
    let path = uaccess::copy_text(path, &mut buffer)?;
    let flags = Flags::from_bits(flags).ok_or(Errno::EINVAL)?;
    let file = root::open(path, flags)?;
    cpu::current().process().files.lock().insert(file)
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
