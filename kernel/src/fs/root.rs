//! The file system: a tree in memory, filled from the initrd.
//!
//! # Who owns what
//! One lock holds the names; a file's contents have a lock of their own, and an open file keeps them
//! alive after its name has gone. A file of the initrd stays where it is until somebody writes to it.

use alloc::{borrow::Cow, sync::Arc, vec::Vec};

use kcore::{
    Contents, DirectoryId, End, Errno, Found, PathError, SpinLock, Tree,
    initrd::{Initrd, Kind},
};

use crate::fs::{
    descriptors::Flags,
    file::OpenFile,
    pages::{self, DataPage},
    pipe::Pipe,
};

/// How many files and directories there may be beside those of the initrd.
const MORE: usize = 2048;

static TREE: SpinLock<Option<Tree<Leaf>>> = SpinLock::new(None);

/// A file's contents, under their lock.
pub(crate) type File = SpinLock<Contents<DataPage>>;

/// What a name can stand for, besides a directory.
#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    File(Arc<File>),
    Fifo(Arc<Pipe>),
}

/// What is told about a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) inode: u64,
    /// 0 a file, 1 a directory, 2 a named pipe.
    pub(crate) kind: u32,
    pub(crate) size: u64,
}

/// What a directory takes, as programs are told.
const DIRECTORY_SIZE: u64 = 4096;

/// Runs `f` on the tree under its lock.
///
/// # Panics
/// Before [`mount`].
fn with_tree<R>(f: impl FnOnce(&mut Tree<Leaf>) -> R) -> R {
    f(TREE
        .lock()
        .as_mut()
        .expect("invariant: the tree is made before any program"))
}

/// Makes the tree from an archive: a later entry hides an earlier one, and directories that the
/// archive does not name are made. An entry that cannot be (a file below a file) is left out.
pub(crate) fn mount(archive: &Initrd<'static>) {
    pages::init();
    let mut tree = Tree::new(MORE + archive.iter().count());
    let root = tree.root();
    for entry in archive.iter() {
        for (at, _) in entry.path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            // It may be there already.
            let _ = tree.create_directory(root, &entry.path[..at]);
        }
        if entry.kind == Kind::Directory {
            let _ = tree.create_directory(root, entry.path);
        } else {
            let _ = tree.remove(root, entry.path);
            let contents = Arc::new(SpinLock::new(Contents::new(entry.data)));
            let _ = tree.create(root, entry.path, Leaf::File(contents));
        }
    }
    *TREE.lock() = Some(tree);
}

/// The directory that processes start in.
pub(crate) fn directory() -> DirectoryId {
    with_tree(|tree| tree.root())
}

/// What is in the file at a path, for a program to be run: where it lies, or a copy if it was written.
///
/// # Errors
/// That of the path; `EACCES` for what is no file, `ENOMEM`.
pub(crate) fn program(at: DirectoryId, path: &[u8]) -> Result<Cow<'static, [u8]>, Errno> {
    let Found::Leaf(Leaf::File(file)) = with_tree(|tree| tree.find(at, path))? else {
        return Err(Errno::EACCES);
    };
    let file = file.lock();
    if let Some(bytes) = file.untouched() {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut copy = Vec::new();
    copy.try_reserve_exact(file.len())
        .map_err(|_| Errno::ENOMEM)?;
    copy.resize(file.len(), 0);
    let len = file.read(0, &mut copy);
    copy.truncate(len);
    Ok(Cow::Owned(copy))
}

/// Opens what is at a path.
///
/// # Errors
/// That of the path; `EINTR` while it waits for the other end of a named pipe.
///
/// # Blocking
/// On a named pipe, unless it is opened for both, until somebody opens the other end.
pub(crate) fn open(at: DirectoryId, path: &[u8], flags: Flags) -> Result<OpenFile, Errno> {
    match with_tree(|tree| tree.find(at, path))? {
        Found::Directory(id) => Ok(OpenFile::directory(id)),
        Found::Leaf(Leaf::File(file)) => Ok(OpenFile::file(file, flags)),
        Found::Leaf(Leaf::Fifo(pipe)) => Ok(match (flags.read, flags.write) {
            (true, true) => OpenFile::stream(Some(pipe.end(End::Read)), Some(pipe.end(End::Write))),
            (true, false) => OpenFile::stream(Some(pipe.end_and_wait(End::Read)?), None),
            _ => OpenFile::stream(None, Some(pipe.end_and_wait(End::Write)?)),
        }),
    }
}

/// Makes an empty file.
pub(crate) fn create(at: DirectoryId, path: &[u8]) -> Result<(), Errno> {
    let file = Arc::new(SpinLock::new(Contents::new(&[])));
    with_tree(|tree| tree.create(at, path, Leaf::File(file)))?;
    Ok(())
}

/// Makes a named pipe.
pub(crate) fn create_fifo(at: DirectoryId, path: &[u8]) -> Result<(), Errno> {
    let pipe = Pipe::new()?;
    with_tree(|tree| tree.create(at, path, Leaf::Fifo(pipe)))?;
    Ok(())
}

/// Makes an empty directory.
pub(crate) fn create_directory(at: DirectoryId, path: &[u8]) -> Result<(), Errno> {
    with_tree(|tree| tree.create_directory(at, path))?;
    Ok(())
}

/// Removes a name; what it stood for goes when the last descriptor is closed.
pub(crate) fn remove(at: DirectoryId, path: &[u8]) -> Result<(), Errno> {
    let leaf = with_tree(|tree| tree.remove(at, path))?;
    // Its pages are given back without the tree's lock.
    drop(leaf);
    Ok(())
}

/// The directory at a path.
pub(crate) fn find_directory(at: DirectoryId, path: &[u8]) -> Result<DirectoryId, Errno> {
    match with_tree(|tree| tree.find(at, path))? {
        Found::Directory(id) => Ok(id),
        Found::Leaf(_) => Err(Errno::ENOTDIR),
    }
}

/// What is told about the thing at a path.
pub(crate) fn status(at: DirectoryId, path: &[u8]) -> Result<Status, Errno> {
    let (inode, found) =
        with_tree(|tree| Ok::<_, PathError>((tree.inode(at, path)?, tree.find(at, path)?)))?;
    let (kind, size) = match found {
        Found::Directory(_) => (1, DIRECTORY_SIZE),
        Found::Leaf(Leaf::File(file)) => (0, file.lock().len() as u64),
        Found::Leaf(Leaf::Fifo(pipe)) => (2, pipe.len() as u64),
    };
    Ok(Status { inode, kind, size })
}

/// The first entry of a directory after `position`: where the next one begins, its number, and its
/// name written to `name`. None at the end.
pub(crate) fn next_entry(
    id: DirectoryId,
    position: u64,
    name: &mut [u8],
) -> Result<Option<(u64, u64)>, Errno> {
    with_tree(|tree| {
        let next = tree.list(id, position)?.next();
        Ok(next.map(|entry| {
            name[..entry.name.len()].copy_from_slice(entry.name);
            (entry.position, entry.inode)
        }))
    })
}
