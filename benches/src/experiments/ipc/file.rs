//! Files as a mailbox: a ring of bytes in one file, and two counts beside it.
//!
//! # Protocol
//! A direction has three files: `ring`, and two counts of bytes, `put` of those that were sent and `got`
//! of those that were taken. The sender writes into the ring what there is room for, then tells it in
//! `put`; the receiver reads that, then the ring, then tells in `got` what it has taken. Each is a
//! system call at a place of the file: nothing is mapped, and nothing is synchronised with the disk.
//!
//! Whoever has to wait does so by inotify: for a change of the count that the other side tells.
//!
//! # Why nothing is lost
//! The watch exists before the first look at the count, and an event that was not read stays. So a
//! change after the look ends the wait, and one before it was seen. Events that are left over cost a
//! look more.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tempfile::TempDir;

use super::link::{End, Far};

/// Bytes of the ring: as many as a pipe has.
const RING: u64 = 64 * 1024;

/// An end: one direction to send, one to receive.
pub(super) struct Files {
    to: Way,
    from: Way,
    /// Removed when the near end is dropped.
    _folder: Option<TempDir>,
}

/// One side of a direction.
struct Way {
    ring: File,
    /// The count that this side tells.
    own: File,
    /// The count that the other side tells.
    other: File,
    /// Tells of changes of the other's.
    watch: Inotify,
    /// Bytes that this side has sent or taken.
    count: u64,
    /// What the other side has told last.
    told: u64,
}

/// The files of a direction: the ring, and the counts.
type Names = [&'static str; 3];

const THERE: Names = ["ring-there", "put-there", "got-there"];
const BACK: Names = ["ring-back", "put-back", "got-back"];

impl Files {
    pub(super) fn make() -> anyhow::Result<(Box<dyn End>, Far)> {
        let folder = tempfile::tempdir().context("no folder for files")?;
        for name in [THERE, BACK].concat() {
            let file = File::create_new(folder.path().join(name))?;
            file.write_all_at(&0_u64.to_le_bytes(), 0)?;
        }
        let path = folder.path().to_str().context("a folder without a name")?;
        let far = Far {
            words: vec![path.to_owned()],
            ..Far::default()
        };
        let near = Self {
            to: Way::sender(folder.path(), THERE)?,
            from: Way::receiver(folder.path(), BACK)?,
            _folder: Some(folder),
        };
        Ok((Box::new(near), far))
    }

    pub(super) fn open(words: &[String]) -> anyhow::Result<Self> {
        let [folder] = words else {
            bail!("a folder is needed");
        };
        let folder = PathBuf::from(folder);
        Ok(Self {
            to: Way::sender(&folder, BACK)?,
            from: Way::receiver(&folder, THERE)?,
            _folder: None,
        })
    }
}

impl Way {
    fn sender(folder: &Path, [ring, put, got]: Names) -> anyhow::Result<Self> {
        Self::open(folder, ring, put, got)
    }

    fn receiver(folder: &Path, [ring, put, got]: Names) -> anyhow::Result<Self> {
        Self::open(folder, ring, got, put)
    }

    fn open(folder: &Path, ring: &str, own: &str, other: &str) -> anyhow::Result<Self> {
        let open = |name: &str| {
            let file = File::options()
                .read(true)
                .write(true)
                .open(folder.join(name));
            file.with_context(|| format!("could not open {name} of {}", folder.display()))
        };
        let watch = Inotify::init(InitFlags::IN_CLOEXEC)
            .context("no watch of files: a limit of the system")?;
        watch
            .add_watch(&folder.join(other), AddWatchFlags::IN_MODIFY)
            .context("a file can't be watched: a limit of the system")?;
        Ok(Self {
            ring: open(ring)?,
            own: open(own)?,
            other: open(other)?,
            watch,
            count: 0,
            told: 0,
        })
    }

    /// Waits until the other side has told of more than `count`.
    fn told_more_than(&mut self, count: u64) -> anyhow::Result<u64> {
        while self.told <= count {
            let mut bytes = [0; 8];
            self.other.read_exact_at(&mut bytes, 0)?;
            self.told = u64::from_le_bytes(bytes);
            if self.told <= count {
                match self.watch.read_events() {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(error) => return Err(error).context("could not wait for a file"),
                }
            }
        }
        Ok(self.told)
    }

    /// Adds to what this side has done, and tells it.
    fn tell(&mut self, done: usize) -> anyhow::Result<()> {
        self.count += done as u64;
        Ok(self.own.write_all_at(&self.count.to_le_bytes(), 0)?)
    }

    fn send(&mut self, mut message: &[u8]) -> anyhow::Result<()> {
        while !message.is_empty() {
            let room = match (self.count + 1).checked_sub(RING) {
                // What was sent beyond the ring's size has to have been taken.
                Some(least) if self.told < least => self.room()?,
                _ => self.told + RING - self.count,
            };
            let at = self.count % RING;
            let len = room.min(RING - at).min(message.len() as u64) as usize;
            let (now, rest) = message.split_at(len);
            self.ring.write_all_at(now, at)?;
            self.tell(len)?;
            message = rest;
        }
        Ok(())
    }

    /// Waits until the ring has room for a byte; says how much it has.
    fn room(&mut self) -> anyhow::Result<u64> {
        let taken = self.told_more_than(self.count - RING)?;
        Ok(taken + RING - self.count)
    }

    fn receive(&mut self, mut message: &mut [u8]) -> anyhow::Result<()> {
        while !message.is_empty() {
            let sent = self.told_more_than(self.count)?;
            let there = sent - self.count;
            ensure!(there <= RING, "{there} bytes in a ring of {RING}");
            let at = self.count % RING;
            let len = there.min(RING - at).min(message.len() as u64) as usize;
            let (now, rest) = message.split_at_mut(len);
            self.ring.read_exact_at(now, at)?;
            self.tell(len)?;
            message = rest;
        }
        Ok(())
    }
}

impl End for Files {
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        self.to.send(message)
    }

    fn receive(&mut self, message: &mut [u8]) -> anyhow::Result<()> {
        self.from.receive(message)
    }
}
