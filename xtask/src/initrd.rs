//! The archive that the kernel boots with: programs, files and folders, in cpio's `newc` format.

use std::fs::File;
use std::io::{BufWriter, Cursor, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use cpio::newc::{Builder, ModeFileType};

/// One file or folder of the archive.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its path below the root, without the first slash.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) data: Vec<u8>,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file that can be run.
    Program,
    /// Any other file.
    File,
    /// A folder.
    Folder,
}

impl Entry {
    /// A program read from the host's file system.
    pub(crate) fn program(name: &str, path: &Path) -> anyhow::Result<Self> {
        let data = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
        Ok(Self {
            name: name.to_owned(),
            data,
            kind: Kind::Program,
        })
    }

    /// A file with the given bytes.
    pub(crate) fn file(name: &str, data: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            data: data.into(),
            kind: Kind::File,
        }
    }
}

/// Everything below a folder of the host, links followed, in the order of the names.
///
/// # Errors
/// Where something can't be read, has a name that is not UTF-8, or is neither file nor folder.
pub(crate) fn tree(dir: &Path) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let walk = walkdir::WalkDir::new(dir)
        .min_depth(1)
        .follow_links(true)
        .sort_by_file_name();
    for found in walk {
        let found = found?;
        let path = found.path();
        let below = path
            .strip_prefix(dir)
            .expect("invariant: it lies below the folder");
        let name = below
            .to_str()
            .with_context(|| format!("{} has a name that is not UTF-8", path.display()))?
            .to_owned();
        let entry = if found.file_type().is_dir() {
            Entry {
                name,
                data: Vec::new(),
                kind: Kind::Folder,
            }
        } else if found.file_type().is_file() {
            let mode = found.metadata()?.permissions();
            let runs = std::os::unix::fs::PermissionsExt::mode(&mode) & 0o111 != 0;
            let mut entry = Entry::program(&name, path)?;
            if !runs {
                entry.kind = Kind::File;
            }
            entry
        } else {
            bail!("{} is neither a file nor a folder", path.display());
        };
        entries.push(entry);
    }
    Ok(entries)
}

/// The archive's bytes.
pub(crate) fn pack(entries: &[Entry]) -> std::io::Result<Vec<u8>> {
    let inputs = entries.iter().map(|entry| {
        let (permissions, kind) = match entry.kind {
            Kind::Program => (0o755, ModeFileType::Regular),
            Kind::File => (0o644, ModeFileType::Regular),
            Kind::Folder => (0o755, ModeFileType::Directory),
        };
        let header = Builder::new(&entry.name)
            .mode(permissions)
            .set_mode_file_type(kind);
        // The crate sets the type by clearing its bits only, so the permissions stay.
        (header, Cursor::new(&entry.data))
    });
    cpio::write_cpio(inputs, Vec::new())
}

/// Writes the archive to `path`.
pub(crate) fn write(path: &Path, entries: &[Entry]) -> anyhow::Result<()> {
    write_bytes(path, &pack(entries)?)
}

/// Writes bytes that need not be an archive: what a kernel must refuse.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let what = || format!("can't write {}", path.display());
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(what)?;
    }
    let mut file = BufWriter::new(File::create(path).with_context(what)?);
    file.write_all(bytes).with_context(what)?;
    file.flush().with_context(what)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_packed_can_be_read_back() {
        let entries = [
            Entry {
                name: "init".into(),
                data: vec![0x7f; 5],
                kind: Kind::Program,
            },
            Entry::file("data/empty", ""),
            Entry::file("data/text", "three words here"),
        ];
        let bytes = pack(&entries).expect("writing to memory");
        assert_eq!(bytes.len() % 4, 0, "every part is padded to four bytes");
        let mut rest = Cursor::new(bytes);
        for entry in &entries {
            let mut reader = cpio::newc::Reader::new(rest).expect("an entry");
            assert_eq!(reader.entry().name(), entry.name);
            assert_eq!(
                reader.entry().mode() & 0o111 != 0,
                entry.kind == Kind::Program,
                "{}",
                entry.name
            );
            let mut data = Vec::new();
            reader.read_to_end(&mut data).expect("its bytes");
            assert_eq!(data, entry.data);
            rest = reader.finish().expect("the next entry");
        }
        assert!(
            cpio::newc::Reader::new(rest)
                .expect("the trailer")
                .entry()
                .is_trailer()
        );
    }

    #[test]
    fn a_folder_is_packed_with_all_below_it() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str| std::fs::write(dir.path().join(name), name).expect("a file");
        std::fs::create_dir_all(dir.path().join("a/empty")).expect("folders");
        write("z");
        write("a/b");
        std::os::unix::fs::symlink("z", dir.path().join("link")).expect("a link");
        let entries = tree(dir.path()).expect("all of it can be read");
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.data.as_slice(), entry.kind))
            .collect();
        assert_eq!(
            found,
            [
                ("a", &b""[..], Kind::Folder),
                ("a/b", b"a/b", Kind::File),
                ("a/empty", b"", Kind::Folder),
                ("link", b"z", Kind::File),
                ("z", b"z", Kind::File),
            ]
        );
        std::os::unix::fs::symlink("../a", dir.path().join("a/loop")).expect("a link");
        assert!(tree(dir.path()).is_err(), "a loop of links is refused");
    }
}
