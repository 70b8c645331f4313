//! The machine that the kernel runs in: QEMU found or installed, started, and always ended.
//!
//! # Protocol
//! 1. [`ensure`] finds QEMU, or installs it where it may, or says what to type.
//! 2. [`Machine::run`] boots a kernel with an initrd under a time limit and hands back everything
//!    that came out of the serial line, and [`End`]: the value that the guest wrote to the
//!    `isa-debug-exit` device, or that there was none.
//!
//! Nothing hangs: a guest that doesn't end by itself is killed at the limit, and its console is
//! there to be shown.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::time::Duration;

use anyhow::bail;

use crate::package;
use crate::process::{self, Finished, Outcome};

/// The program's name, and its package in Debian.
const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// Memory of the guest in MiB, unless the caller says otherwise.
pub(crate) const MEMORY_MIB: u32 = 256;

/// The most processors that the kernel starts.
pub(crate) const MAX_CPUS: u32 = 16;

/// Whether there is a QEMU.
#[derive(Clone, Debug)]
pub(crate) enum Availability {
    /// It was there.
    Installed(PathBuf),
    /// It was installed just now.
    InstalledNow(PathBuf),
    /// It is not there; the text says why and what to type.
    Missing(String),
}

impl Availability {
    /// The program, or the text of [`Missing`](Self::Missing) as an error.
    pub(crate) fn program(self) -> anyhow::Result<PathBuf> {
        match self {
            Self::Installed(path) | Self::InstalledNow(path) => Ok(path),
            Self::Missing(why) => bail!("{why}"),
        }
    }
}

/// Finds QEMU, and installs Debian's package where it is missing and this user may.
pub(crate) fn ensure() -> Availability {
    if let Some(path) = find() {
        return Availability::Installed(path);
    }
    let why = match package::install(PROGRAM, PACKAGE) {
        Ok(()) => match find() {
            Some(path) => return Availability::InstalledNow(path),
            None => format!("{PACKAGE} was installed, but {PROGRAM} is not on the path"),
        },
        Err(why) => why,
    };
    Availability::Missing(format!(
        "{PROGRAM} is missing ({why}); install it with\n{COMMANDS}"
    ))
}

/// What to type, by package manager.
const COMMANDS: &str = "  apt:    sudo apt-get update && sudo apt-get install -y --no-install-recommends qemu-system-x86
  dnf:    sudo dnf install -y qemu-system-x86-core
  pacman: sudo pacman -S --needed qemu-system-x86
  brew:   brew install qemu";

fn find() -> Option<PathBuf> {
    package::find_program(PROGRAM)
}

/// Why hardware virtualisation can't run this kernel here, or `None` where it can.
///
/// A processor that doesn't say `vmx` or `svm` has none. Under the `kvm_pvm` module the guest's
/// ring 0 runs in an instruction emulator that knows no vector registers, and the kernel's compiled
/// code uses them.
pub(crate) fn kvm_refusal() -> Option<&'static str> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !cpu
        .split_whitespace()
        .any(|word| word == "vmx" || word == "svm")
    {
        return Some("the processor offers neither vmx nor svm");
    }
    let modules = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    if modules.lines().any(|line| line.starts_with("kvm_pvm ")) {
        return Some("the kvm_pvm module emulates ring 0 without vector registers");
    }
    if std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        return Some("/dev/kvm can't be opened");
    }
    None
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Engine {
    /// QEMU's translator, one host thread a processor: real races, no exact counts.
    #[default]
    Translated,
    /// QEMU's translator counting: one instruction is one nanosecond of the guest's clocks, and two
    /// runs are equal to the instruction.
    Counted,
    /// The host's processor; see [`kvm_refusal`].
    Hardware,
}

/// One boot: which kernel, with what, on how many processors, for how long at most.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    program: PathBuf,
    kernel: PathBuf,
    initrd: Option<PathBuf>,
    append: String,
    cpus: u32,
    memory_mib: u32,
    engine: Engine,
    second_serial: Option<PathBuf>,
    timeout: Duration,
}

impl Machine {
    /// A machine with one processor that boots `kernel`, to be ended after 60 seconds.
    pub(crate) fn new(program: &Path, kernel: &Path) -> Self {
        Self {
            program: program.to_owned(),
            kernel: kernel.to_owned(),
            initrd: None,
            append: String::new(),
            cpus: 1,
            memory_mib: MEMORY_MIB,
            engine: Engine::default(),
            second_serial: None,
            timeout: Duration::from_mins(1),
        }
    }

    /// The archive that the kernel finds its programs and files in.
    pub(crate) fn initrd(mut self, path: &Path) -> Self {
        self.initrd = Some(path.to_owned());
        self
    }

    /// The kernel's command line: `init=/program argument…`.
    pub(crate) fn append(mut self, line: impl Into<String>) -> Self {
        self.append = line.into();
        self
    }

    /// How many processors.
    pub(crate) fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// How much memory.
    pub(crate) fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// What executes the instructions.
    pub(crate) fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Writes what comes out of a second serial line to a file.
    pub(crate) fn second_serial(mut self, path: &Path) -> Self {
        self.second_serial = Some(path.to_owned());
        self
    }

    /// How long the guest may run.
    pub(crate) fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Boots, and waits for the guest to end by itself or for the limit.
    ///
    /// # Errors
    /// Where QEMU itself could not run the machine. Everything that the guest does, hanging
    /// included, is a [`Boot`].
    pub(crate) fn run(&self) -> anyhow::Result<Boot> {
        let finished = process::run(&mut self.command(), self.timeout);
        Ok(Boot {
            end: end_of(&finished)?,
            console: finished.stdout.replace('\r', ""),
            took: finished.took,
        })
    }

    /// Boots with both directions of the serial line on pipes: `input` writes into it, on a thread
    /// that nobody waits for, and `output` gets what comes out.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) fn run_piped(
        &self,
        input: impl FnOnce(ChildStdin) + Send + 'static,
        output: impl FnMut(&[u8]) + Send,
    ) -> anyhow::Result<End> {
        end_of(&process::run_piped(
            &mut self.command(),
            self.timeout,
            input,
            output,
        ))
    }

    /// Boots on this process's own terminal, without a limit.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) fn run_interactive(&self) -> anyhow::Result<End> {
        end_of(&process::run_interactive(&mut self.command()))
    }

    /// The whole command line.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let (accelerator, cpu) = match self.engine {
            Engine::Translated => ("tcg,thread=multi", "max"),
            Engine::Counted => ("tcg,thread=single", "max"),
            Engine::Hardware => ("kvm", "host"),
        };
        command
            .args(["-M", "q35", "-accel", accelerator, "-cpu", cpu])
            .args([
                "-smp",
                &self.cpus.to_string(),
                "-m",
                &self.memory_mib.to_string(),
            ])
            .args([
                "-nodefaults",
                "-display",
                "none",
                "-no-reboot",
                "-serial",
                "stdio",
            ])
            .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
            .arg("-kernel")
            .arg(&self.kernel);
        if let Some(path) = &self.second_serial {
            let mut file = OsString::from("file:");
            file.push(path);
            command.arg("-serial").arg(file);
        }
        if self.engine == Engine::Counted {
            command.args(["-icount", "shift=0,sleep=off"]);
        }
        if let Some(initrd) = &self.initrd {
            command.arg("-initrd").arg(initrd);
        }
        if !self.append.is_empty() {
            command.args(["-append", &self.append]);
        }
        command
    }
}

/// What QEMU's end says about the guest's.
fn end_of(finished: &Finished) -> anyhow::Result<End> {
    match &finished.outcome {
        Outcome::Exited(status) => match status.code().map(End::from_status) {
            Some(Some(end)) => Ok(end),
            _ => bail!("{PROGRAM} failed: {status}\n{}", finished.stderr.trim_end()),
        },
        Outcome::TimedOut(limit) => Ok(End::TimedOut(*limit)),
        Outcome::NotStarted(error) => bail!("{PROGRAM} could not start: {error}"),
    }
}

/// A boot that is over.
#[derive(Clone, Debug)]
pub(crate) struct Boot {
    /// Everything that came out of the serial line.
    pub(crate) console: String,
    /// How it ended.
    pub(crate) end: End,
    /// How long it took, on the host's clock.
    pub(crate) took: Duration,
}

/// How a guest ended. The values are those of the kernel's `exit_code.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The first program ended with status 0.
    Success,
    /// The first program ended with another status, or died by a fault.
    Failed,
    /// The kernel panicked.
    Panic,
    /// The kernel could not read the archive.
    BadInitrd,
    /// The kernel could not run the first program.
    BadElf,
    /// The first program asked for a value of its own.
    Value(u8),
    /// The guest wrote no value and stopped or reset.
    Silent,
    /// The guest was killed at the limit.
    TimedOut(Duration),
}

impl End {
    /// What QEMU's own status tells: `(value << 1) | 1` for a value that the guest wrote, 0 where it
    /// stopped without one. `None` where QEMU itself failed (1).
    fn from_status(status: i32) -> Option<Self> {
        if status == 0 {
            return Some(Self::Silent);
        }
        if status == 1 || status & 1 == 0 {
            return None;
        }
        let value = u8::try_from(status >> 1).ok()?;
        Some(match value {
            0x10 => Self::Success,
            0x11 => Self::Failed,
            0x12 => Self::Panic,
            0x13 => Self::BadInitrd,
            0x14 => Self::BadElf,
            value => Self::Value(value),
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::Failed => f.write_str("the first program failed"),
            Self::Panic => f.write_str("the kernel panicked"),
            Self::BadInitrd => f.write_str("the initrd was refused"),
            Self::BadElf => f.write_str("the first program was refused"),
            Self::Value(value) => write!(f, "the first program shut down with {value:#x}"),
            Self::Silent => f.write_str("the machine stopped or reset without a word"),
            Self::TimedOut(limit) => write!(f, "killed after {} s", limit.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_device_is_decoded() {
        assert_eq!(End::from_status(0x21), Some(End::Success));
        assert_eq!(End::from_status(0x23), Some(End::Failed));
        assert_eq!(End::from_status(0x25), Some(End::Panic));
        assert_eq!(End::from_status(0x27), Some(End::BadInitrd));
        assert_eq!(End::from_status(0x29), Some(End::BadElf));
        assert_eq!(End::from_status((0x42 << 1) | 1), Some(End::Value(0x42)));
        assert_eq!(End::from_status(0), Some(End::Silent));
        assert_eq!(End::from_status(1), None, "QEMU's own failure");
    }

    #[test]
    fn counting_needs_one_translating_thread() {
        let machine = Machine::new(Path::new("qemu"), Path::new("kernel"));
        let line = |machine: &Machine| {
            let command = machine.command();
            let words: Vec<_> = command
                .get_args()
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            words.join(" ")
        };
        let plain = line(&machine);
        assert!(
            plain.contains("thread=multi") && !plain.contains("-icount"),
            "{plain}"
        );
        let counted = line(&machine.cpus(2).engine(Engine::Counted).append("init=/a b"));
        assert!(counted.contains("thread=single"), "{counted}");
        assert!(counted.contains("-icount shift=0,sleep=off"), "{counted}");
        assert!(
            counted.contains("-smp 2") && counted.ends_with("-append init=/a b"),
            "{counted}"
        );
    }

    #[test]
    fn a_guest_that_never_ends_is_killed_and_its_console_kept() {
        // Any program that prints and hangs stands for QEMU: it gets the arguments and ignores them.
        let dir = tempfile::tempdir().expect("a temporary folder");
        let program = dir.path().join("qemu");
        std::fs::write(&program, "#!/bin/sh\necho booting\nexec sleep 600\n").expect("a script");
        let mut mode = std::fs::metadata(&program)
            .expect("the script")
            .permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
        std::fs::set_permissions(&program, mode).expect("the script is ours");
        let limit = Duration::from_millis(500);
        let boot = Machine::new(&program, Path::new("kernel"))
            .timeout(limit)
            .run()
            .expect("it starts");
        assert_eq!(boot.end, End::TimedOut(limit));
        assert_eq!(boot.console, "booting\n");
    }

    #[test]
    fn the_missing_text_names_every_package_manager() {
        for name in [
            "apt-get install",
            "dnf install",
            "pacman -S",
            "brew install",
        ] {
            assert!(COMMANDS.contains(name), "{name}");
        }
    }
}
