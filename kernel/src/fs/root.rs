//! The root file system: the initrd as it is.

use alloc::sync::Arc;

use kcore::initrd::{Entry, Initrd, Kind};

use crate::{
    fs::{descriptors::Flags, file::OpenFile},
    syscall::errno::Errno,
};

static ROOT: spin::Once<Initrd<'static>> = spin::Once::new();

/// Makes the archive the root.
pub(crate) fn mount(archive: Initrd<'static>) {
    ROOT.call_once(|| archive);
}

/// The entry at a path.
pub(crate) fn find(path: &[u8]) -> Option<Entry<'static>> {
    ROOT.get()?.find(path)
}

/// Opens a file for reading.
///
/// # Errors
/// `ENOENT`, `EISDIR`; `EACCES` for writing.
pub(crate) fn open(path: &[u8], flags: Flags) -> Result<Arc<OpenFile>, Errno> {
    let entry = find(path).ok_or(Errno::ENOENT)?;
    match entry.kind {
        Kind::Directory => Err(Errno::EISDIR),
        Kind::File if flags.write => Err(Errno::EACCES),
        Kind::File => Ok(Arc::new(OpenFile::initrd(entry.data))),
    }
}
