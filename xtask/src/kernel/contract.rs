//! The contract with programs that were not built for this kernel: small C programs, one a claim.
//!
//! # Protocol
//! Each `kernel/tests/c/NAME.c` begins with a comment of lines `key: value`: `args` and `status` (0
//! without one), `cpus` (2), `stdin`, and `kernel`, a line that the kernel must print, `*` for any
//! text. What it must write to its standard output stands in `NAME.expected`, byte for byte, what to
//! standard error in `NAME.stderr`; a file that is missing is empty. All are compiled by the host's
//! gcc and packed as one root, from `bin`, beside the files of `kernel/tests/c/root`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use kcore::command_line::quote;
use kcore::console::{Stream, stuff_input};

use super::expect::matches;
use super::run;
use crate::initrd;
use crate::process;
use crate::qemu::Machine;
use crate::workspace;

/// How long the compiler may take for a program.
const COMPILE_LIMIT: Duration = Duration::from_mins(1);

/// What makes a program of the kind that the kernel takes: no libc, text at the agreed address.
const FLAGS: &[&str] = &[
    "-std=c11",
    "-O2",
    "-Wall",
    "-ffreestanding",
    "-fno-stack-protector",
    "-nostdlib",
    "-static",
    "-no-pie",
    "-Wl,-Ttext=0x401000",
    "-Wl,--build-id=none",
];

/// A program and what must come of it.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) cpus: Vec<u32>,
    source: PathBuf,
    args: Vec<String>,
    status: i32,
    stdin: String,
    kernel: Vec<String>,
}

fn dir() -> PathBuf {
    workspace::root().join("kernel/tests/c")
}

/// All programs, by name.
///
/// # Errors
/// Where a file can't be read or its head says nonsense.
pub(super) fn programs() -> anyhow::Result<Vec<Program>> {
    let mut programs = Vec::new();
    for entry in dir().read_dir().context("kernel/tests/c")? {
        let source = entry?.path();
        if source.extension().is_some_and(|kind| kind == "c") {
            let text = std::fs::read_to_string(&source)?;
            let what = || format!("the head of {}", source.display());
            programs.push(Program::parse(&source, &text).with_context(what)?);
        }
    }
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(programs)
}

impl Program {
    fn parse(source: &Path, text: &str) -> anyhow::Result<Self> {
        let stem = source.file_stem().and_then(|stem| stem.to_str());
        let stem = stem.context("the name is not UTF-8")?;
        let mut program = Self {
            name: format!("contract {stem}"),
            cpus: vec![2],
            source: source.to_owned(),
            args: Vec::new(),
            status: 0,
            stdin: String::new(),
            kernel: Vec::new(),
        };
        let (head, _) = text.split_once("*/").context("no comment")?;
        let lines = head.lines().filter_map(|line| {
            let line = line.trim_start_matches(['/', '*', ' ']);
            line.trim_end().split_once(": ")
        });
        for (key, value) in lines {
            match key {
                "claim" => {}
                "args" => program.args = value.split(' ').map(str::to_owned).collect(),
                "status" => program.status = value.parse()?,
                "cpus" => {
                    program.cpus = value.split(' ').map(str::parse).collect::<Result<_, _>>()?;
                }
                "stdin" => program.stdin = value.replace("\\n", "\n"),
                "kernel" => program.kernel.push(value.to_owned()),
                other => bail!("no such key: '{other}'"),
            }
        }
        Ok(program)
    }

    /// A file beside the source, empty if it is not there.
    fn beside(&self, extension: &str) -> anyhow::Result<Vec<u8>> {
        match std::fs::read(self.source.with_extension(extension)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            read => Ok(read?),
        }
    }
}

/// All programs, compiled and packed.
pub(super) struct Foreign {
    archive: PathBuf,
}

impl Foreign {
    /// Compiles and packs everything below `work`.
    ///
    /// # Errors
    /// Where there is no gcc; then the programs can't be tested. Or where one does not compile.
    pub(super) fn build(work: &Path) -> anyhow::Result<Self> {
        let root = work.join("root");
        let bin = root.join("bin");
        std::fs::create_dir_all(&bin)?;
        for file in dir().join("root").read_dir()? {
            let file = file?;
            std::fs::copy(file.path(), root.join(file.file_name()))?;
        }
        for program in programs()? {
            let name = program.source.file_stem().context("a name")?;
            let mut gcc = Command::new("gcc");
            gcc.args(FLAGS).arg("-o").arg(bin.join(name));
            gcc.arg(&program.source);
            let finished = process::run_merged(&mut gcc, COMPILE_LIMIT);
            ensure!(
                finished.outcome.success(),
                "gcc {}\n{}",
                finished.outcome,
                finished.stdout
            );
        }
        let archive = work.join("foreign.cpio");
        initrd::write(&archive, &initrd::tree(&root)?)?;
        Ok(Self { archive })
    }

    /// Runs a program and compares everything with what its head and its files say.
    pub(super) fn test(&self, program: &Program, machine: Machine) -> anyhow::Result<()> {
        let name = program.name.trim_start_matches("contract ");
        let mut line = format!("console=framed init=bin/{name}");
        for word in &program.args {
            line.push(' ');
            line.push_str(&quote(word));
        }
        let machine = machine.initrd(&self.archive).append(line);
        let stdin = stuff_input(program.stdin.as_bytes(), true);
        let (mut output, mut error, mut kernel) = (Vec::new(), Vec::new(), Vec::new());
        let end = run::converse(
            &machine,
            move |mut pipe| {
                // A machine that is gone reads no more; its end says why.
                let _ = std::io::Write::write_all(&mut pipe, &stdin);
            },
            |stream, bytes| {
                let to = match stream {
                    Stream::Output => &mut output,
                    Stream::Error => &mut error,
                    _ => &mut kernel,
                };
                to.extend_from_slice(bytes);
            },
        )?;
        let kernel = String::from_utf8_lossy(&kernel);
        same("standard output", &output, &program.beside("expected")?)
            .and_then(|()| same("standard error", &error, &program.beside("stderr")?))
            .and_then(|()| judge(program, &kernel, &end))
            .map_err(|why| anyhow::anyhow!("{why}\n--- the kernel said\n{kernel}---"))
    }
}

fn judge(program: &Program, kernel: &str, end: &run::RunEnd) -> anyhow::Result<()> {
    for line in &program.kernel {
        ensure!(
            kernel.lines().any(|found| matches(line, found)),
            "the kernel did not say '{line}'"
        );
    }
    ensure!(
        end.program == Some(program.status),
        "expected status {}, found {end:?}",
        program.status
    );
    Ok(())
}

fn same(what: &str, found: &[u8], expected: &[u8]) -> anyhow::Result<()> {
    ensure!(
        found == expected,
        "{what}: expected\n{}\nfound\n{}",
        expected.escape_ascii(),
        found.escape_ascii()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_to_run_and_what_must_come_of_it() {
        let text = "/* claim: it works\n * args: a b\n * status: -3\n * cpus: 1 4\n * stdin: x\\n\n * kernel: kernel: * killed */\nint x;";
        let program = Program::parse(Path::new("/t/name.c"), text).expect("a head");
        assert_eq!(program.name, "contract name");
        assert_eq!(program.args, ["a", "b"]);
        assert_eq!((program.status, &program.cpus[..]), (-3, &[1, 4][..]));
        assert_eq!(program.stdin, "x\n");
        assert_eq!(program.kernel, ["kernel: * killed"]);
        assert!(Program::parse(Path::new("/t/n.c"), "/* colour: red\n*/").is_err());
        assert!(Program::parse(Path::new("/t/n.c"), "int x;").is_err());
    }
}
