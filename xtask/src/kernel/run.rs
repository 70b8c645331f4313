//! `cargo xtask kernel run`: one program in the kernel, as if it ran here.
//!
//! # Protocol
//! The folder `--root` (or the programs that come with the kernel) is packed as the root file system;
//! the program is the first process. The serial line carries frames (see [`kcore::console`]): the
//! program's standard output and standard error are written to this command's, byte by byte and in
//! their order, this command's standard input is the program's, and lines of the kernel go to standard
//! error unless `--quiet`.
//!
//! Without a program a shell is run: on a terminal with lines edited by the kernel, else with the lines
//! of the standard input.
//!
//! # Status
//! The program's own, cut to eight bits; 124 if the time was over; 125 if the kernel failed, or there
//! was nothing that it could run.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ExitCode};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kcore::command_line::quote;
use kcore::console::{Frames, Stream, stuff_input};
use kcore::sched::PolicyKind;

use super::{Profile, build, cpus_parser};
use crate::initrd::{self, Entry};
use crate::qemu::{self, End, Engine, Machine};

/// The status of a run that was ended at its limit, as `timeout` reports it.
const TIMED_OUT: u8 = 124;

/// The status of a run that the kernel itself failed, or that never began.
const KERNEL_FAILED: u8 = 125;

/// What is run where no program is named.
const SHELL: &str = "/shell";

/// Room for the programs' pages, on top of the archive and the machine's usual memory.
const ARCHIVE_COPIES: u64 = 2;

/// What is run, in which machine.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder that becomes the root file system [default: the kernel's own programs]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Number of processors
    #[arg(long, default_value_t = 1, value_parser = cpus_parser())]
    cpus: u32,
    /// Who runs next: the policy of the program's threads [default: rr]
    #[arg(long, value_name = "POLICY", value_parser = PolicyKind::NAMES)]
    policy: Option<String>,
    /// Count instructions: exact and repeatable, on one host thread
    #[arg(long, conflicts_with = "kvm")]
    icount: bool,
    /// Run on the host's processor
    #[arg(long)]
    kvm: bool,
    /// Unoptimised, with debug assertions
    #[arg(long)]
    debug: bool,
    /// Memory of the machine in MiB [default: enough for the archive]
    #[arg(long)]
    memory: Option<u32>,
    /// Seconds until the machine is ended
    #[arg(long, default_value_t = 60)]
    timeout: u64,
    /// Print what the program writes and nothing else
    #[arg(long)]
    quiet: bool,
    /// A file to put into the archive, under its own name
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Write what the program sends over the second serial line, such as a trace, to this file
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// The program, then its arguments [default: a shell]
    #[arg(trailing_var_arg = true, value_name = "PROGRAM")]
    program: Vec<String>,
}

/// Runs the verb. Whatever goes wrong is told on standard error.
pub(crate) fn verb(args: &Args) -> ExitCode {
    match run(args) {
        Ok(end) => ExitCode::from(end.status(args.quiet)),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(KERNEL_FAILED)
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct RunEnd {
    /// What the first process ended with.
    pub(super) program: Option<i32>,
    /// What became of the machine.
    pub(super) machine: End,
}

impl RunEnd {
    /// The status of the command.
    pub(super) fn status(&self, quiet: bool) -> u8 {
        let status = match (self.program, self.machine) {
            (Some(status), End::Success | End::Failed) => return status as u8,
            (None, End::Success) => return 0,
            (_, End::Value(value)) => return value,
            (_, End::TimedOut(_)) => TIMED_OUT,
            _ => KERNEL_FAILED,
        };
        if !quiet {
            eprintln!("{}", self.machine);
        }
        status
    }
}

fn run(args: &Args) -> anyhow::Result<RunEnd> {
    let program = qemu::ensure().program()?;
    let engine = match (args.icount, args.kvm) {
        (true, _) => Engine::Counted,
        (false, true) => match qemu::kvm_refusal() {
            Some(why) => bail!("--kvm can't be used here: {why}"),
            None => Engine::Hardware,
        },
        (false, false) => Engine::Translated,
    };
    let images = build(Profile::debug(args.debug))?;
    let mut entries = match &args.root {
        Some(dir) if dir.is_dir() => initrd::tree(dir)?,
        Some(dir) => bail!("--root {}: there is no such folder", dir.display()),
        None => images.entries()?,
    };
    for path in &args.files {
        entries.push(file_entry(path)?);
    }
    let default = [String::from(SHELL)];
    let words = match &args.program[..] {
        [] if args.root.is_some() => bail!("--root needs a program to run"),
        [] => &default,
        words => words,
    };
    if args.root.is_none() {
        check_name(&words[0], &entries)?;
    }
    let dir = tempfile::tempdir()?;
    let archive = dir.path().join("initrd.cpio");
    initrd::write(&archive, &entries)?;
    let mut machine = Machine::new(&program, &images.kernel)
        .initrd(&archive)
        .cpus(args.cpus)
        .engine(engine)
        .memory_mib(args.memory.unwrap_or_else(|| memory_for(&entries)))
        .timeout(Duration::from_secs(args.timeout));
    if let Some(path) = &args.trace {
        machine = machine.second_serial(path);
    }
    if args.program.is_empty() && io::stdin().is_terminal() {
        let machine = machine
            .append(command_line(args, "typed", words))
            .run_interactive()?;
        return Ok(RunEnd {
            program: None,
            machine,
        });
    }
    let machine = machine.append(command_line(args, "framed", words));
    let mut frames = Show { quiet: args.quiet };
    converse(&machine, pass_input, |stream, bytes| {
        frames.take(stream, bytes);
    })
}

/// Boots a machine whose console is framed: `input` writes into it once the kernel takes input, on a
/// thread that nobody waits for, and `output` gets the bytes of every stream in their order.
///
/// # Errors
/// Where QEMU itself could not run the machine.
pub(super) fn converse(
    machine: &Machine,
    input: impl FnOnce(ChildStdin) + Send + 'static,
    mut output: impl FnMut(Stream, &[u8]) + Send,
) -> anyhow::Result<RunEnd> {
    let (ready, is_ready) = mpsc::channel();
    let mut frames = Frames::default();
    let mut program = None;
    let end = machine.run_piped(
        move |pipe| {
            // An error means that the machine has ended without asking for any.
            if is_ready.recv().is_ok() {
                input(pipe);
            }
        },
        |bytes| {
            frames.push(bytes);
            while let Some((stream, bytes)) = frames.pop() {
                match stream {
                    // Nobody listens once the input could not be passed on.
                    Stream::Ready => ready.send(()).unwrap_or_default(),
                    Stream::Status => program = bytes.try_into().ok().map(i32::from_le_bytes),
                    stream => output(stream, &bytes),
                }
            }
        },
    )?;
    Ok(RunEnd {
        program,
        machine: end,
    })
}

fn command_line(args: &Args, console: &str, words: &[String]) -> String {
    let mut line = format!("console={console}");
    if let Some(policy) = &args.policy {
        line.push_str(" sched=");
        line.push_str(policy);
    }
    line.push_str(" init=");
    line.push_str(&quote(&words[0]));
    for word in &words[1..] {
        line.push(' ');
        line.push_str(&quote(word));
    }
    line
}

/// The usual memory, and more for an archive that takes a good part of it.
fn memory_for(entries: &[Entry]) -> u32 {
    let bytes: u64 = entries.iter().map(|entry| entry.data.len() as u64).sum();
    let more = (bytes * ARCHIVE_COPIES) >> 20;
    qemu::MEMORY_MIB.saturating_add(u32::try_from(more).unwrap_or(u32::MAX))
}

/// Refuses a name that no program of the kernel's own has; the answer lists them.
fn check_name(name: &str, entries: &[Entry]) -> anyhow::Result<()> {
    let wanted = name.trim_start_matches('/');
    if entries.iter().any(|entry| entry.name == wanted) {
        return Ok(());
    }
    let names: Vec<_> = entries
        .iter()
        .filter(|entry| entry.kind == initrd::Kind::Program)
        .map(|entry| entry.name.as_str())
        .collect();
    bail!("no program is named '{name}'; valid: {}", names.join(", "))
}

fn file_entry(path: &Path) -> anyhow::Result<Entry> {
    let data = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{} has no name to use", path.display()))?;
    Ok(Entry::file(name, data))
}

/// Passes this command's input on, and its end.
fn pass_input(mut pipe: ChildStdin) {
    let mut piece = [0; 4096];
    let mut stdin = io::stdin().lock();
    loop {
        // An input that can't be read is at its end.
        let len = stdin.read(&mut piece).unwrap_or(0);
        let sent = pipe.write_all(&stuff_input(&piece[..len], len == 0));
        // A machine that is gone reads no more.
        if len == 0 || sent.and_then(|()| pipe.flush()).is_err() {
            return;
        }
    }
}

/// Where the frames go: to this command's own streams.
struct Show {
    quiet: bool,
}

impl Show {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        // A reader of ours that is gone must not end the program: it may do more than write.
        let _ = match stream {
            Stream::Output => write_now(&mut io::stdout().lock(), bytes),
            Stream::Kernel if self.quiet => Ok(()),
            _ => write_now(&mut io::stderr().lock(), bytes),
        };
    }
}

fn write_now(to: &mut impl io::Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(program: Option<i32>, machine: End) -> u8 {
        RunEnd { program, machine }.status(true)
    }

    #[test]
    fn the_status_is_the_programs_or_says_who_failed() {
        assert_eq!(status(Some(0), End::Success), 0);
        assert_eq!(status(Some(-1), End::Failed), 255);
        assert_eq!(status(Some(0x1234), End::Failed), 0x34);
        assert_eq!(status(Some(124), End::Failed), 124);
        assert_eq!(status(None, End::TimedOut(Duration::ZERO)), 124);
        for failed in [End::Panic, End::BadInitrd, End::BadElf, End::Silent] {
            assert_eq!(status(None, failed), 125);
        }
        assert_eq!(status(None, End::Failed), 125, "no status came");
        assert_eq!(status(None, End::Value(7)), 7);
    }

    #[test]
    fn the_program_and_its_words_arrive_as_they_are() {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let words = [
            "run", "--policy", "fair", "--quiet", "--", "/bin/p", "--quiet", "a b", "", "\"\\",
        ];
        let args = Line::try_parse_from(words).expect("valid").args;
        let line =
            kcore::command_line::CommandLine::parse(&command_line(&args, "framed", &args.program))
                .expect("a line");
        assert_eq!(line.options, ["console=framed", "sched=fair"]);
        assert_eq!(line.init, words[5..]);
    }
}
