//! The system calls of a unit, counted by a tracer.
//!
//! # Protocol
//! 1. The tracer starts this program again with the same case and [`ENV`] set. That one waits for a
//!    byte, until it is traced; its threads and child processes will be too.
//! 2. It builds what it needs, makes a few units, and marks three times: before nothing, before the
//!    units, and after them. A mark is a signal that nobody handles, which stops it at the tracer.
//! 3. The tracer counts every entry into a system call, of whichever thread. What lies between the
//!    second mark and the third is the units' and a mark's; what lies between the first two is a
//!    mark's.
//!
//! Nothing is lost between the signal and the count: the one who signals itself is stopped before it
//! goes on, and whatever its workers do is theirs whenever they do it. A worker that goes to sleep a
//! little later is not counted, which is less than one call a unit.
//!
//! # Shutdown
//! All that is traced dies with the tracer.

use std::env;
use std::io::{self, Read as _, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use record::{Reading, metric};

use super::kind::Kind;
use crate::experiments::Setting;

/// Set in the process that is traced: how many units it makes.
const ENV: &str = "LAB_TRACED";

/// What a mark is: by default it is ignored, and nobody here handles it.
const MARK: Signal = Signal::SIGURG;

/// The system calls of one unit of so many.
pub(super) fn count(kind: Kind, units: u64, setting: &Setting) -> anyhow::Result<Reading> {
    if env::var_os(ENV).is_some() {
        be_traced(kind, units, setting)?;
        return Ok(Reading::default());
    }
    let mut marks = Vec::new();
    let mut entries = 0;
    trace(kind, setting, |seen| match seen {
        Seen::Entry => entries += 1,
        Seen::Mark => marks.push(entries),
    })
    .context("system calls were not counted")?;
    Ok(Reading::default().with(&metric::SYSTEM_CALLS, a_unit(&marks, units)?))
}

/// Takes a mark's own calls off those of the units.
fn a_unit(marks: &[u64], units: u64) -> anyhow::Result<f64> {
    let [first, second, third] = marks else {
        bail!("{} marks instead of 3", marks.len());
    };
    let (of_a_mark, of_all) = (second - first, third - second);
    Ok(of_all.saturating_sub(of_a_mark) as f64 / units as f64)
}

/// The side that is traced.
fn be_traced(kind: Kind, units: u64, setting: &Setting) -> anyhow::Result<()> {
    io::stdin().read_exact(&mut [0]).context("nobody traces")?;
    let mut maker = kind.build(setting.cpus)?;
    maker.make(units.min(super::FEW))?;
    raise(MARK)?;
    raise(MARK)?;
    let made = maker.make(units);
    raise(MARK)?;
    made
}

/// What the tracer sees.
enum Seen {
    /// Somebody enters a system call.
    Entry,
    /// A mark.
    Mark,
}

fn trace(kind: Kind, setting: &Setting, mut see: impl FnMut(Seen)) -> anyhow::Result<()> {
    let mut command = Command::new(env::current_exe().context("could not find this program")?);
    command
        .args([
            "case",
            &format!("create/calls/{}", super::SOME),
            kind.name(),
        ])
        .args(["--cpus", &setting.cpus.to_string()])
        .args(setting.quick.then_some("--quick"))
        .env(ENV, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut child = command.spawn().context("could not start this program")?;
    let main = Pid::from_raw(child.id().cast_signed());
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_EXITKILL;
    let mut stdin = child.stdin.take().context("it has an input")?;
    if let Err(error) = ptrace::seize(main, options) {
        // Without its byte it ends by itself.
        drop(stdin);
        child.wait()?;
        return Err(error).context("this system allows no tracing");
    }
    // It may be at any point before its read: a stop puts it under our control.
    ptrace::interrupt(main)?;
    stdin.write_all(&[0])?;
    loop {
        match waitpid(None, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::PtraceSyscall(id)) => {
                if enters(id) {
                    see(Seen::Entry);
                }
                resume(id, None)?;
            }
            Ok(WaitStatus::Stopped(id, MARK)) if id == main => {
                see(Seen::Mark);
                resume(id, None)?;
            }
            Ok(WaitStatus::Stopped(id, signal)) => resume(id, Some(signal))?,
            Ok(WaitStatus::PtraceEvent(id, ..)) => resume(id, None)?,
            Ok(WaitStatus::Exited(id, status)) if id == main => {
                ensure!(status == 0, "who was traced ended with {status}");
                return Ok(());
            }
            Ok(WaitStatus::Signaled(id, signal, _)) if id == main => {
                bail!("who was traced was ended by {signal}");
            }
            // Another thread or process has ended.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("could not wait for who is traced"),
        }
    }
}

/// Whether somebody who is stopped at a system call is about to enter it.
fn enters(id: Pid) -> bool {
    // Who was killed meanwhile enters nothing.
    ptrace::syscall_info(id).is_ok_and(|info| info.op == nix::libc::PTRACE_SYSCALL_INFO_ENTRY)
}

/// Lets somebody go on until the next system call; one who was killed meanwhile can't.
fn resume(id: Pid, signal: Option<Signal>) -> anyhow::Result<()> {
    match ptrace::syscall(id, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).context("could not let go on who is traced"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marks_own_calls_are_taken_off() {
        assert_eq!(a_unit(&[7, 10, 213], 100).expect("three marks"), 2.0);
        assert_eq!(a_unit(&[7, 10, 12], 100).expect("three marks"), 0.0);
        assert!(a_unit(&[7, 10], 100).is_err());
    }
}
