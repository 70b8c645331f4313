//! A child process that can't hang the caller and leaves nothing running.
//!
//! # Protocol
//! 1. The child starts as the leader of a process group of its own, with its output going
//!    to temporary files: a pipe could fill, or be held open by a grandchild.
//! 2. The group is listed in [`LIVE`] while it runs.
//! 3. The caller waits for at most the limit; then the whole group is killed and the leader
//!    is reaped. Grandchildren (a test binary under cargo) end with it.
//! 4. Ctrl-C doesn't reach a foreign group, so the handler kills every listed group before
//!    it ends this process.
//!
//! # When results are to be kept
//! After [`keep_results_when_interrupted`] the first interrupt doesn't end this process. It sets a
//! flag, kills the listed groups, and asks those that keep results of their own ([`run_on_terminal`])
//! to end. From then on no child starts. The verb sees [`interrupted`] and writes what it has. The
//! second interrupt kills all of them and ends this process.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, killpg};
use nix::sys::time::TimeValLike as _;
use nix::unistd::Pid;
use wait_timeout::ChildExt as _;

/// The process groups that run at this moment.
static LIVE: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Those of them whose leader ends by itself when it is interrupted, with what it has.
static POLITE: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Whether the first interrupt leaves this process time for its results.
static KEEPS: AtomicBool = AtomicBool::new(false);

/// Whether that interrupt has come.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The status of a program that was interrupted, as shells report it.
pub(crate) const INTERRUPTED_STATUS: u8 = 130;

/// How a child ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// By itself.
    Exited(ExitStatus),
    /// It was killed because it ran for longer than this.
    TimedOut(Duration),
    /// It never ran.
    NotStarted(io::Error),
}

impl Outcome {
    /// Whether the child ended by itself and with status 0.
    pub(crate) fn success(&self) -> bool {
        matches!(self, Self::Exited(status) if status.success())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "{status}"),
            Self::TimedOut(limit) => write!(f, "killed after {} s", limit.as_secs()),
            Self::NotStarted(error) => write!(f, "could not start: {error}"),
        }
    }
}

/// A child that has ended, and what it said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    pub(crate) stdout: String,
    /// Empty where it was merged into `stdout`.
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// Runs a command with both outputs in one text, as a reader of a terminal sees them.
pub(crate) fn run_merged(command: &mut Command, limit: Duration) -> Finished {
    run_into(command, limit, true)
}

/// Runs a command and keeps its two outputs apart.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Finished {
    run_into(command, limit, false)
}

fn run_into(command: &mut Command, limit: Duration, merged: bool) -> Finished {
    let start = Instant::now();
    let mut attempt = || -> io::Result<Finished> {
        let mut stdout = tempfile::tempfile()?;
        let mut stderr = if merged {
            stdout.try_clone()?
        } else {
            tempfile::tempfile()?
        };
        command
            .stdin(Stdio::null())
            .stdout(stdout.try_clone()?)
            .stderr(stderr.try_clone()?)
            .process_group(0);
        let outcome = wait(command, limit)?;
        Ok(Finished {
            outcome,
            stdout: text(&mut stdout)?,
            stderr: if merged {
                String::new()
            } else {
                text(&mut stderr)?
            },
            took: start.elapsed(),
        })
    };
    attempt().unwrap_or_else(|error| Finished {
        outcome: Outcome::NotStarted(error),
        stdout: String::new(),
        stderr: String::new(),
        took: start.elapsed(),
    })
}

/// Runs a command while its input is written and its output is read; `output` gets each piece as it
/// comes, and sees the last before this returns. `Finished::stdout` stays empty.
///
/// `input` runs on a thread of its own that nobody waits for: it may wait for a person for ever.
pub(crate) fn run_piped(
    command: &mut Command,
    limit: Duration,
    input: impl FnOnce(ChildStdin) + Send + 'static,
    output: impl FnMut(&[u8]) + Send,
) -> Finished {
    let start = Instant::now();
    let attempt = || -> io::Result<Finished> {
        let mut stderr = tempfile::tempfile()?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone()?)
            .process_group(0);
        let (mut child, group) = start_listed(command)?;
        let pipe = child.stdin.take().expect("invariant: it was asked for");
        std::thread::spawn(move || input(pipe));
        let from = child.stdout.take().expect("invariant: it was asked for");
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| drain(from, output));
            finish(&mut child, group, limit)
        })?;
        Ok(Finished {
            outcome,
            stdout: String::new(),
            stderr: text(&mut stderr)?,
            took: start.elapsed(),
        })
    };
    attempt().unwrap_or_else(|error| Finished {
        outcome: Outcome::NotStarted(error),
        stdout: String::new(),
        stderr: String::new(),
        took: start.elapsed(),
    })
}

/// Runs a command on this process's own terminal, for as long as it likes.
///
/// It stays in the terminal's foreground group, so that it may read from it; Ctrl-C reaches it there.
pub(crate) fn run_interactive(command: &mut Command) -> Finished {
    let start = Instant::now();
    let outcome = match command.status() {
        Ok(status) => Outcome::Exited(status),
        Err(error) => Outcome::NotStarted(error),
    };
    Finished {
        outcome,
        stdout: String::new(),
        stderr: String::new(),
        took: start.elapsed(),
    }
}

/// Runs a command whose outputs are this process's, and that keeps results of its own: an interrupt
/// reaches it once, and it is waited for.
pub(crate) fn run_on_terminal(command: &mut Command, limit: Duration) -> Finished {
    let start = Instant::now();
    let mut attempt = || -> io::Result<Outcome> {
        command.stdin(Stdio::null()).process_group(0);
        let mut polite = lock(&POLITE);
        let (mut child, group) = start_listed(command)?;
        polite.insert(group);
        drop(polite);
        let outcome = finish(&mut child, group, limit);
        lock(&POLITE).remove(&group);
        outcome
    };
    Finished {
        outcome: attempt().unwrap_or_else(Outcome::NotStarted),
        stdout: String::new(),
        stderr: String::new(),
        took: start.elapsed(),
    }
}

/// Hands over everything that comes out of a pipe, up to its end.
fn drain(mut from: impl io::Read, mut output: impl FnMut(&[u8])) {
    let mut piece = [0; 16 << 10];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return,
            Ok(len) => output(&piece[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn wait(command: &mut Command, limit: Duration) -> io::Result<Outcome> {
    let (mut child, group) = start_listed(command)?;
    finish(&mut child, group, limit)
}

/// Starts a child that leads a group, and lists the group.
fn start_listed(command: &mut Command) -> io::Result<(Child, i32)> {
    // Listed under the same lock as it is started: the handler can't miss it in between.
    let mut listed = live();
    if interrupted() {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
    }
    let child = command.spawn()?;
    let group = i32::try_from(child.id()).expect("invariant: a process id is a positive i32");
    listed.insert(group);
    Ok((child, group))
}

/// Waits for a child, ends its group at the limit, and takes the group off the list.
fn finish(child: &mut Child, group: i32, limit: Duration) -> io::Result<Outcome> {
    let waited = child.wait_timeout(limit);
    let outcome = match waited {
        Ok(Some(status)) => Ok(Outcome::Exited(status)),
        Ok(None) => Ok(Outcome::TimedOut(limit)),
        Err(error) => Err(error),
    };
    if !matches!(outcome, Ok(Outcome::Exited(_))) {
        kill(group);
        child.wait()?;
    }
    live().remove(&group);
    outcome
}

/// The processors' time of all children that have ended and were waited for, theirs included.
pub(crate) fn children_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else {
        return Duration::ZERO;
    };
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0)))
        .sum()
}

fn kill(group: i32) {
    // A group that has ended meanwhile is what was wanted.
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
}

fn live() -> MutexGuard<'static, BTreeSet<i32>> {
    lock(&LIVE)
}

fn lock(groups: &'static Mutex<BTreeSet<i32>>) -> MutexGuard<'static, BTreeSet<i32>> {
    groups.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// From now on Ctrl-C and a polite kill end the children too.
pub(crate) fn end_children_when_interrupted() {
    ctrlc::set_handler(interrupt).expect("invariant: the only handler, set once at the start");
}

/// From now on the first interrupt leaves this process the time to write what it has.
pub(crate) fn keep_results_when_interrupted() {
    // ORDERING: SeqCst, here and below: these happen once a run, and the plainest order will do.
    KEEPS.store(true, Ordering::SeqCst);
}

/// Whether an interrupt has come that this process is to end after, with what it has.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Runs on a thread of its own, so it may take locks.
fn interrupt() {
    let is_first = !INTERRUPTED.swap(true, Ordering::SeqCst);
    if is_first && KEEPS.load(Ordering::SeqCst) {
        eprintln!("interrupted: what was measured is written; once more to end at once");
        let polite = lock(&POLITE);
        for group in live().iter() {
            if polite.contains(group) {
                // To its leader only, which ends its children by itself; one that has ended meanwhile
                // is what was wanted.
                let _ = nix::sys::signal::kill(Pid::from_raw(*group), Signal::SIGINT);
            } else {
                kill(*group);
            }
        }
        return;
    }
    end_interrupted();
}

/// Ends this process, and all that it has started, for an interrupt.
pub(crate) fn end_interrupted() -> ! {
    /// Shows a terminal's cursor, which a menu hides.
    const SHOW_CURSOR: &str = "\x1b[?25h";
    static END: Once = Once::new();
    // Whoever comes second waits for the end, and says nothing.
    END.call_once(|| {
        for group in live().iter() {
            kill(*group);
        }
        let cursor = match io::stderr().is_terminal() {
            true => SHOW_CURSOR,
            false => "",
        };
        eprintln!("{cursor}interrupted");
        std::process::exit(INTERRUPTED_STATUS.into())
    });
    unreachable!("the first has ended the process")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn outputs_are_kept_apart_or_merged() {
        let apart = run(&mut sh("echo out; echo err >&2"), LONG);
        assert_eq!(
            (apart.stdout.as_str(), apart.stderr.as_str()),
            ("out\n", "err\n")
        );
        assert!(apart.outcome.success());
        let merged = run_merged(&mut sh("echo out; echo err >&2"), LONG);
        assert_eq!(merged.stdout, "out\nerr\n");
    }

    #[test]
    fn a_failing_status_is_no_success() {
        let finished = run(&mut sh("exit 3"), LONG);
        assert!(!finished.outcome.success());
        assert_eq!(finished.outcome.to_string(), "exit status: 3");
    }

    #[test]
    fn a_hanging_group_is_killed_with_its_grandchildren() {
        let limit = Duration::from_millis(300);
        // The grandchild's number goes to the file before the limit can pass or not at all;
        // in both cases nothing may be left afterwards.
        let finished = run(&mut sh("sleep 600 & echo $!; wait"), limit);
        assert!(
            matches!(finished.outcome, Outcome::TimedOut(_)),
            "{finished:?}"
        );
        assert!(finished.took < LONG, "{finished:?}");
        if let Ok(grandchild) = finished.stdout.trim().parse::<i32>() {
            let deadline = Instant::now() + LONG;
            while is_running(grandchild) {
                assert!(
                    Instant::now() < deadline,
                    "process {grandchild} outlived its group"
                );
                std::thread::yield_now();
            }
        }
    }

    /// A zombie that nobody has reaped yet counts as ended.
    fn is_running(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
            !stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .trim()
                .starts_with('Z')
        })
    }

    #[test]
    fn a_program_that_is_missing_is_named_as_such() {
        let finished = run(&mut Command::new("/nonexistent/program"), LONG);
        assert!(
            matches!(finished.outcome, Outcome::NotStarted(_)),
            "{finished:?}"
        );
    }

    #[test]
    fn pipes_carry_every_byte_both_ways() {
        let sent: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let mut got = Vec::new();
        let bytes = sent.clone();
        let finished = run_piped(
            &mut Command::new("cat"),
            LONG,
            move |mut pipe| io::Write::write_all(&mut pipe, &bytes).expect("cat reads all"),
            |piece| got.extend_from_slice(piece),
        );
        assert!(finished.outcome.success(), "{finished:?}");
        assert_eq!(got, sent);
    }

    #[test]
    fn a_piped_child_that_hangs_is_killed_and_what_it_said_is_kept() {
        let mut got = Vec::new();
        let finished = run_piped(
            &mut sh("echo said; exec sleep 600"),
            Duration::from_millis(300),
            // Nobody types anything, and the pipe stays open.
            std::mem::forget,
            |piece| got.extend_from_slice(piece),
        );
        assert!(
            matches!(finished.outcome, Outcome::TimedOut(_)),
            "{finished:?}"
        );
        assert_eq!(got, b"said\n");
    }
}
