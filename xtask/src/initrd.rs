//! The archive that the kernel boots with: programs and files, in cpio's `newc` format.

use std::fs::File;
use std::io::{BufWriter, Cursor, Write as _};
use std::path::Path;

use anyhow::Context as _;
use cpio::newc::{Builder, ModeFileType};

/// One file of the archive.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its path below the root, without the first slash.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) data: Vec<u8>,
    /// Whether it is a program.
    pub(crate) program: bool,
}

impl Entry {
    /// A program read from the host's file system.
    pub(crate) fn program(name: &str, path: &Path) -> anyhow::Result<Self> {
        let data = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
        Ok(Self {
            name: name.to_owned(),
            data,
            program: true,
        })
    }

    /// A file with the given bytes.
    pub(crate) fn file(name: &str, data: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            data: data.into(),
            program: false,
        }
    }
}

/// The archive's bytes.
pub(crate) fn pack(entries: &[Entry]) -> std::io::Result<Vec<u8>> {
    let inputs = entries.iter().map(|entry| {
        let permissions = if entry.program { 0o755 } else { 0o644 };
        let header = Builder::new(&entry.name)
            .mode(permissions)
            .set_mode_file_type(ModeFileType::Regular);
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
                program: true,
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
                entry.program,
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
}
