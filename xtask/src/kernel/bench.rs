//! Boots a test case with what it needs and judges the result.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use super::{Images, expect};
use crate::initrd::{self, Entry, Kind};
use crate::qemu::{End, Engine, Machine};

/// How long one boot may take. Hundreds of times what most need: the host may be busy.
const LIMIT: Duration = Duration::from_mins(4);

/// One boot and what must come of it.
pub(super) struct Case {
    /// Names the case to a reader and to a filter.
    pub(super) name: &'static str,
    /// The kernel's command line.
    pub(super) line: &'static str,
    /// What it boots with.
    pub(super) archive: Archive,
    /// What executes the instructions.
    pub(super) engine: Engine,
    /// The memory of the machine.
    pub(super) memory_mib: u32,
    /// The lines that the console must show; see [`expect`].
    pub(super) console: &'static [&'static str],
    /// How the machine must end.
    pub(super) end: End,
    /// The numbers of processors that the case is for.
    pub(super) cpus: &'static [u32],
    /// Whether it is over at once, with no threads that work at the same time.
    pub(super) is_short: bool,
}

/// The archive that a case boots with.
#[derive(Clone, Copy)]
pub(super) enum Archive {
    /// All programs and the test files.
    Usual,
    /// None at all.
    Missing,
    /// The usual one after this was done to its bytes.
    Spoilt(fn(&mut Vec<u8>)),
    /// One program, `/bad`, which is `hello` after this was done to its bytes.
    Program(fn(&mut Vec<u8>)),
}

/// Everything that is the same for all cases.
pub(super) struct Bench<'a> {
    program: &'a Path,
    kernel: &'a Path,
    /// The kernel with debug assertions.
    checked: &'a Path,
    dir: TempDir,
    usual: PathBuf,
    usual_bytes: Vec<u8>,
    hello: Vec<u8>,
}

impl<'a> Bench<'a> {
    /// Packs the archive that most cases share.
    pub(super) fn new(
        program: &'a Path,
        images: &'a Images,
        checked: &'a Images,
    ) -> anyhow::Result<Self> {
        let mut entries = images.entries()?;
        let hello = entries.iter().find(|entry| entry.name == "hello");
        let hello = hello
            .context("there is no program named 'hello'")?
            .data
            .clone();
        entries.push(Entry::file("data.txt", numbers()));
        entries.push(Entry::file("empty", ""));
        let dir = tempfile::tempdir()?;
        let usual = dir.path().join("initrd.cpio");
        let usual_bytes = initrd::pack(&entries)?;
        initrd::write_bytes(&usual, &usual_bytes)?;
        Ok(Self {
            program,
            kernel: &images.kernel,
            checked: &checked.kernel,
            dir,
            usual,
            usual_bytes,
            hello,
        })
    }

    /// A machine with the usual archive, for a test that is no [`Case`].
    pub(super) fn machine(&self, cpus: u32) -> Machine {
        Machine::new(self.program, self.kernel)
            .initrd(&self.usual)
            .cpus(cpus)
            .timeout(LIMIT)
    }

    /// Where a test may put its files.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Boots `case` and compares; the error holds the whole console.
    pub(super) fn run(&self, case: &Case, cpus: u32) -> anyhow::Result<()> {
        self.run_on(self.kernel, case, cpus)
    }

    /// As [`run`](Self::run), with the kernel that has debug assertions.
    pub(super) fn run_checked(&self, case: &Case, cpus: u32) -> anyhow::Result<()> {
        self.run_on(self.checked, case, cpus)
    }

    fn run_on(&self, kernel: &Path, case: &Case, cpus: u32) -> anyhow::Result<()> {
        let machine = Machine::new(self.program, kernel)
            .append(case.line)
            .cpus(cpus)
            .engine(case.engine)
            .memory_mib(case.memory_mib)
            .timeout(LIMIT);
        let machine = match self.archive(case)? {
            Some(path) => machine.initrd(&path),
            None => machine,
        };
        let boot = machine.run()?;
        let wrong = match expect::check(&boot.console, case.console) {
            Err(wrong) => wrong,
            Ok(()) if boot.end != case.end => {
                format!("expected the end '{}', found '{}'", case.end, boot.end)
            }
            Ok(()) => return Ok(()),
        };
        bail!(
            "{wrong} ({}, {:.1} s)\n--- console\n{}---",
            boot.end,
            boot.took.as_secs_f64(),
            boot.console
        )
    }

    /// The file of the archive that `case` boots with.
    fn archive(&self, case: &Case) -> anyhow::Result<Option<PathBuf>> {
        let bytes = match case.archive {
            Archive::Usual => return Ok(Some(self.usual.clone())),
            Archive::Missing => return Ok(None),
            Archive::Spoilt(spoil) => {
                let mut bytes = self.usual_bytes.clone();
                spoil(&mut bytes);
                bytes
            }
            Archive::Program(spoil) => {
                let mut data = self.hello.clone();
                spoil(&mut data);
                initrd::pack(&[Entry {
                    name: "bad".into(),
                    data,
                    kind: Kind::Program,
                }])?
            }
        };
        let path = self.dir.path().join(format!("{}.cpio", case.name));
        initrd::write_bytes(&path, &bytes)?;
        Ok(Some(path))
    }
}

/// The test file: the numbers from 0 up to 999, one a line.
fn numbers() -> String {
    (0..1000).fold(String::new(), |mut text, number| {
        writeln!(text, "{number}").expect("invariant: writing to a string never fails");
        text
    })
}
