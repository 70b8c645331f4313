//! The text that the programs read: a file that was named, or the project's own sources.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::workspace;

/// A text, and the file that holds it.
#[derive(Debug)]
pub(crate) struct Input {
    path: PathBuf,
    bytes: u64,
    is_own: bool,
}

impl Input {
    /// Checks that the named file can be read, or gathers the sources into one.
    ///
    /// # Errors
    /// Names the file that can't be read.
    pub(crate) fn prepare(named: Option<&Path>) -> anyhow::Result<Self> {
        let (path, is_own) = match named {
            // The samples run in another folder.
            Some(path) => (
                std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
                false,
            ),
            None => (gather()?, true),
        };
        let mut input = Self {
            path,
            bytes: 0,
            is_own,
        };
        input.bytes = input.read()?.len() as u64;
        Ok(input)
    }

    /// The text.
    ///
    /// # Errors
    /// Names the file that can't be read.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<u8>> {
        fs::read(&self.path).with_context(|| format!("could not read {}", self.path.display()))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// One line for the end of the run.
    pub(crate) fn describe(&self) -> String {
        let name = if self.is_own {
            "the project's sources".to_owned()
        } else {
            self.path.display().to_string()
        };
        format!("wordcount read {name}, {} KiB", self.bytes.div_ceil(1024))
    }
}

/// Writes all sources of the workspace, in the order of their names, into one file.
fn gather() -> anyhow::Result<PathBuf> {
    let mut files = Vec::new();
    walk(workspace::root(), &mut files)?;
    files.sort();
    let folder = workspace::target().join("compare");
    fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    let path = folder.join("sources.txt");
    let mut all = Vec::new();
    for file in files {
        let text = fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
        all.write_all(&text)?;
    }
    fs::write(&path, all).with_context(|| format!("could not write {}", path.display()))?;
    Ok(path)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("could not read {}", folder.display()))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        let is_output = name == "target" || name.starts_with("target-") || name.starts_with('.');
        if kind.is_dir() && !is_output {
            walk(&path, files)?;
        } else if kind.is_file() && (name.ends_with(".rs") || name.ends_with(".md")) {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_file_is_named() {
        let error = Input::prepare(Some(Path::new("/nonexistent/text"))).expect_err("no such file");
        assert!(
            format!("{error:#}").contains("/nonexistent/text"),
            "{error:#}"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_taken() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("bytes");
        fs::write(&path, [0xff, 0xfe, b' ', 0x80]).expect("written");
        let input = Input::prepare(Some(&path)).expect("any bytes will do");
        assert_eq!(input.bytes, 4);
    }

    #[test]
    fn the_walk_finds_this_file_and_no_build_output() {
        let mut files = Vec::new();
        walk(workspace::root(), &mut files).expect("the checkout can be read");
        assert!(
            files
                .iter()
                .any(|path| path.ends_with("xtask/src/compare/input.rs"))
        );
        assert!(
            !files
                .iter()
                .any(|path| path.components().any(|part| part.as_os_str() == "target"))
        );
    }
}
