//! Files, by the pool of threads that may block.
//!
//! Systems have no readiness for files: a read of one blocks, if only for the disk. So every
//! function here gives a closure to the runtime's bounded pool and waits for its result; when the
//! pool is full, it waits for room first. For many small operations in a row, write one closure
//! for [`unblock`](crate::Spawner::unblock) instead.
//!
//! # Cancel safety
//! Of all functions here: dropped before the pool took the operation, nothing happens; after
//! that the operation runs to its end, and what it returns is dropped.
//!
//! # Errors
//! The system's; also when the runtime has ended, or no thread can be had for the pool.

use std::{
    fs, io,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    string::{String, ToString},
    vec::Vec,
};

use exec_core::{Threads, sync::Arc};

use crate::spawner::Spawner;

/// Runs `f` on the pool.
pub(crate) async fn run<T: Threads, R: Send + 'static>(
    spawner: &Spawner<T>,
    f: impl FnOnce() -> io::Result<R> + Send + 'static,
) -> io::Result<R> {
    match spawner.unblock(f).await {
        Ok(result) => result,
        // The error may carry a panic, which can't be shared as an `io::Error` is.
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ident),*) -> $output:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// As the module says.
        ///
        /// # Cancel safety
        /// As the module says.
        pub async fn $name<T: Threads>(
            spawner: &Spawner<T>,
            $($arg: functions!(@type $kind)),*
        ) -> io::Result<$output> {
            $(let $arg = functions!(@own $kind $arg);)*
            run(spawner, move || fs::$name($($arg),*)).await
        }
    )*};
    (@type path) => { impl AsRef<Path> };
    (@type bytes) => { impl Into<Vec<u8>> };
    (@type permissions) => { fs::Permissions };
    (@own path $arg:ident) => { $arg.as_ref().to_path_buf() };
    (@own bytes $arg:ident) => { $arg.into() };
    (@own permissions $arg:ident) => { $arg };
}

functions! {
    /// Reads a whole file.
    read(path: path) -> Vec<u8>;
    /// Reads a whole file of text.
    read_to_string(path: path) -> String;
    /// Makes or replaces a file with these bytes.
    write(path: path, bytes: bytes) -> ();
    /// Copies a file; returns its length.
    copy(from: path, to: path) -> u64;
    /// Gives a file another name.
    rename(from: path, to: path) -> ();
    /// Removes a file.
    remove_file(path: path) -> ();
    /// Makes a directory.
    create_dir(path: path) -> ();
    /// Makes a directory and those above it that are missing.
    create_dir_all(path: path) -> ();
    /// Removes an empty directory.
    remove_dir(path: path) -> ();
    /// Removes a directory and everything in it.
    remove_dir_all(path: path) -> ();
    /// What the system knows of a file, or of what a link leads to.
    metadata(path: path) -> fs::Metadata;
    /// What the system knows of a file or link.
    symlink_metadata(path: path) -> fs::Metadata;
    /// The full path, without links.
    canonicalize(path: path) -> PathBuf;
    /// Where a link leads to.
    read_link(path: path) -> PathBuf;
    /// Another name of the same file.
    hard_link(from: path, to: path) -> ();
    /// Changes who may do what with a file.
    set_permissions(path: path, permissions: permissions) -> ();
}

/// Lists a directory, in no particular order.
///
/// # Errors
/// As the module says.
///
/// # Cancel safety
/// As the module says.
pub async fn read_dir<T: Threads>(
    spawner: &Spawner<T>,
    path: impl AsRef<Path>,
) -> io::Result<Vec<fs::DirEntry>> {
    let path = path.as_ref().to_path_buf();
    run(spawner, move || fs::read_dir(path)?.collect()).await
}

/// An open file.
///
/// Operations are asked for one at a time (`&mut self`). One that was given up may still run when
/// the next one begins; they share the file's position.
///
/// # Examples
/// ```
/// use mini_executor::{Runtime, fs::File};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::new()?;
/// let spawner = runtime.spawner();
/// let name = runtime.block_on(async {
///     let mut file = File::open(&spawner, "/proc/self/comm").await?;
///     file.read(64).await
/// })?;
/// assert!(!name.is_empty());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct File<#[cfg(not(loom))] T: Threads = kernel_bridge::Host, #[cfg(loom)] T: Threads> {
    file: Arc<fs::File>,
    spawner: Spawner<T>,
}

impl<T: Threads> File<T> {
    /// Opens a file to read.
    ///
    /// # Errors
    /// As the module says.
    ///
    /// # Cancel safety
    /// As the module says.
    pub async fn open(spawner: &Spawner<T>, path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        Self::open_with(spawner, path, options).await
    }

    /// Makes a file, or empties one, to write.
    ///
    /// # Errors
    /// As the module says.
    ///
    /// # Cancel safety
    /// As the module says.
    pub async fn create(spawner: &Spawner<T>, path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        Self::open_with(spawner, path, options).await
    }

    /// Opens a file in the way that `options` say.
    ///
    /// # Errors
    /// As the module says.
    ///
    /// # Cancel safety
    /// As the module says.
    pub async fn open_with(
        spawner: &Spawner<T>,
        path: impl AsRef<Path>,
        options: fs::OpenOptions,
    ) -> io::Result<Self> {
        let path = path.as_ref().to_path_buf();
        let file = run(spawner, move || options.open(path)).await?;
        Ok(Self::from_std(spawner, file))
    }

    /// Takes over a file of std.
    pub fn from_std(spawner: &Spawner<T>, file: fs::File) -> Self {
        Self {
            file: Arc::new(file),
            spawner: spawner.clone(),
        }
    }

    async fn with<R: Send + 'static>(
        &self,
        f: impl FnOnce(&fs::File) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        let file = self.file.clone();
        run(&self.spawner, move || f(&file)).await
    }

    /// Reads `most` bytes at most from the current position; none at the end.
    ///
    /// # Errors
    /// As the module says.
    ///
    /// # Cancel safety
    /// What a read that was given up has read is lost: the position may have moved.
    pub async fn read(&mut self, most: usize) -> io::Result<Vec<u8>> {
        self.with(move |mut file| {
            let mut bytes = Vec::new();
            bytes
                .try_reserve_exact(most)
                .map_err(|error| io::Error::new(io::ErrorKind::OutOfMemory, error))?;
            bytes.resize(most, 0);
            let n = file.read(&mut bytes)?;
            bytes.truncate(n);
            Ok(bytes)
        })
        .await
    }

    /// Reads from the current position to the end.
    ///
    /// # Errors
    /// As the module says.
    ///
    /// # Cancel safety
    /// As for [`read`](Self::read).
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        self.with(|mut file| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map(|_| bytes)
        })
        .await
    }

    /// Writes all of `bytes` at the current position.
    ///
    /// # Errors
    /// As the module says.
    ///
    /// # Cancel safety
    /// A write that was given up may still be done, in full.
    pub async fn write_all(&mut self, bytes: impl Into<Vec<u8>>) -> io::Result<()> {
        let bytes = bytes.into();
        self.with(move |mut file| file.write_all(&bytes)).await
    }

    /// Moves the position; returns where it is from the start.
    ///
    /// # Errors
    /// As the module says.
    ///
    /// # Cancel safety
    /// As the module says.
    pub async fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.with(move |mut file| file.seek(to)).await
    }

    /// Waits until all that was written is on the disk.
    ///
    /// # Errors
    /// As the module says.
    ///
    /// # Cancel safety
    /// As the module says.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.with(fs::File::sync_all).await
    }

    /// Cuts the file, or fills it up with zeros.
    ///
    /// # Errors
    /// As the module says.
    ///
    /// # Cancel safety
    /// As the module says.
    pub async fn set_len(&self, length: u64) -> io::Result<()> {
        self.with(move |file| file.set_len(length)).await
    }

    /// What the system knows of the file.
    ///
    /// # Errors
    /// As the module says.
    ///
    /// # Cancel safety
    /// As the module says.
    pub async fn metadata(&self) -> io::Result<fs::Metadata> {
        self.with(fs::File::metadata).await
    }

    /// The file of std, for closures of one's own.
    pub fn as_std(&self) -> &Arc<fs::File> {
        &self.file
    }
}
