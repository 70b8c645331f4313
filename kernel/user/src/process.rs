//! Processes: fork, programs from files, wait, and who one is.
//!
//! # Protocol
//! [`fork`] makes a copy of the process with the calling thread alone in it; the memory is shared until
//! one of the two writes. A child that has ended stays as a zombie until its parent has [waited](wait)
//! for it; children whose parent ends first become the first process's.
//!
//! A lock that another thread holds at the moment of the fork stays locked in the child for ever, the
//! heap's included: fork from a process with one thread, or do little in the child.

use core::ffi::CStr;

use kernel_bridge::kernel::syscall::{self, Errno};

mod number {
    pub(super) const FORK: usize = 10;
    pub(super) const SPAWN: usize = 0x110;
    pub(super) const EXEC: usize = 0x111;
    pub(super) const WAITPID: usize = 0x112;
    pub(super) const GETPID: usize = 0x113;
    pub(super) const GETPPID: usize = 0x114;
    pub(super) const GETUID: usize = 0x115;
    pub(super) const SETUID: usize = 0x116;
    pub(super) const GETGID: usize = 0x117;
    pub(super) const SETGID: usize = 0x118;
}

/// The number of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub u32);

impl Pid {
    /// The first process, which adopts orphans.
    pub const INIT: Self = Self(1);
}

/// What a parent learns about a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It has ended by itself, with this status.
    Exited(i32),
    /// It did what the processor refused; the signal names it.
    Faulted(i32),
    /// This signal has killed it.
    Killed(i32),
    /// This signal has stopped it.
    Stopped(i32),
    /// It goes on.
    Continued,
}

/// Makes a system call that touches no memory of the caller.
pub(crate) fn call(number: usize, args: [usize; 6]) -> Result<usize, Errno> {
    // SAFETY: callers pass numbers of calls that read and write no memory of the program, or memory
    // that is exclusively theirs.
    check(unsafe { syscall::raw(number, args) })
}

pub(crate) fn check(result: isize) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| {
        let number = result.unsigned_abs() as i32;
        Errno::from_number(number).expect("invariant: the kernel's error numbers have names")
    })
}

/// Makes a copy of the process: `None` in the child, the child's number in the parent.
///
/// # Errors
/// `EAGAIN` where there are too many processes or threads, `ENOMEM` where there is no memory.
pub fn fork() -> Result<Option<Pid>, Errno> {
    match call(number::FORK, [0; 6])? {
        0 => Ok(None),
        child => Ok(Some(Pid(child as u32))),
    }
}

/// Makes a copy of the process that runs `body` and exits with its result.
///
/// # Errors
/// As for [`fork`].
pub fn spawn(body: impl FnOnce() -> i32) -> Result<Pid, Errno> {
    match fork()? {
        Some(child) => Ok(child),
        None => syscall::exit_group(body()),
    }
}

/// Waits for a child to end, any or the one named.
///
/// # Errors
/// `ECHILD` where there is no such child, `EINTR` where a signal came first.
///
/// # Blocking
/// Until a child has ended.
pub fn wait(child: Option<Pid>) -> Result<(Pid, News), Errno> {
    let news = wait_for(child, 0)?;
    Ok(news.expect("invariant: a wait without WNOHANG has news"))
}

/// As [`wait`], but `None` where no child has ended yet.
///
/// # Errors
/// `ECHILD` where there is no such child.
pub fn try_wait(child: Option<Pid>) -> Result<Option<(Pid, News)>, Errno> {
    wait_for(child, 1)
}

/// As [`wait`], for stops and goings-on as well.
///
/// # Errors
/// As for [`wait`].
///
/// # Blocking
/// Until there are news.
pub fn wait_change(child: Option<Pid>) -> Result<(Pid, News), Errno> {
    let news = wait_for(child, 2)?;
    Ok(news.expect("invariant: a wait without WNOHANG has news"))
}

fn wait_for(child: Option<Pid>, options: usize) -> Result<Option<(Pid, News)>, Errno> {
    let mut words = [0_i32; 2];
    let which = child.map_or(usize::MAX, |pid| pid.0 as usize);
    // The kernel writes the two words, which are this function's own.
    let pid = call(
        number::WAITPID,
        [
            which,
            words.as_mut_ptr().expose_provenance(),
            options,
            0,
            0,
            0,
        ],
    )?;
    if pid == 0 {
        return Ok(None);
    }
    // The compiler did not see the kernel write.
    let [what, value] = core::hint::black_box(words);
    let news = match what {
        0 => News::Exited(value),
        1 => News::Faulted(value),
        2 => News::Killed(value),
        3 => News::Stopped(value),
        _ => News::Continued,
    };
    Ok(Some((Pid(pid as u32), news)))
}

/// The calling process.
#[must_use]
pub fn id() -> Pid {
    Pid(call(number::GETPID, [0; 6]).expect("invariant: getpid never fails") as u32)
}

/// Its parent; `None` for the first process.
#[must_use]
pub fn parent_id() -> Option<Pid> {
    let parent = call(number::GETPPID, [0; 6]).expect("invariant: getppid never fails") as u32;
    (parent != 0).then_some(Pid(parent))
}

/// The user that the process belongs to; 0 may do everything.
#[must_use]
pub fn user() -> u32 {
    call(number::GETUID, [0; 6]).expect("invariant: getuid never fails") as u32
}

/// Gives the process to another user.
///
/// # Errors
/// `EPERM` for everybody but user 0.
pub fn set_user(user: u32) -> Result<(), Errno> {
    call(number::SETUID, [user as usize, 0, 0, 0, 0, 0]).map(drop)
}

/// The group that the process belongs to.
#[must_use]
pub fn group() -> u32 {
    call(number::GETGID, [0; 6]).expect("invariant: getgid never fails") as u32
}

/// Gives the process to another group.
///
/// # Errors
/// `EPERM` for everybody but user 0.
pub fn set_group(group: u32) -> Result<(), Errno> {
    call(number::SETGID, [group as usize, 0, 0, 0, 0, 0]).map(drop)
}

/// The most arguments that [`start`] and [`exec`] take, the program's path included.
const ARGUMENTS: usize = 16;

/// The table of addresses that the kernel reads arguments from.
fn table(arguments: &[&CStr]) -> Result<[usize; ARGUMENTS + 1], Errno> {
    let mut table = [0; ARGUMENTS + 1];
    if arguments.len() > ARGUMENTS {
        return Err(Errno::E2BIG);
    }
    for (place, argument) in table.iter_mut().zip(arguments) {
        *place = argument.as_ptr().expose_provenance();
    }
    Ok(table)
}

/// Makes a child that runs the program at `path` with these arguments, the first of which is its name.
///
/// # Errors
/// `ENOENT` and its like for the path, `EACCES` for what is no file, `ENOEXEC` for what is no program,
/// `E2BIG` for more than 16 arguments or very long ones, `EAGAIN` and `ENOMEM` as for [`fork`].
pub fn start(path: &CStr, arguments: &[&CStr]) -> Result<Pid, Errno> {
    let child = run(number::SPAWN, path, arguments)?;
    Ok(Pid(child as u32))
}

/// Gives the process the program at `path`; all other threads end.
///
/// # Errors
/// As for [`start`]: then the program goes on as it was.
pub fn exec(path: &CStr, arguments: &[&CStr]) -> Errno {
    match run(number::EXEC, path, arguments) {
        Ok(_) => unreachable!("invariant: the kernel never returns from a granted exec"),
        Err(why) => why,
    }
}

fn run(number: usize, path: &CStr, arguments: &[&CStr]) -> Result<usize, Errno> {
    let table = table(arguments)?;
    // The kernel reads the path, the table and the words, which live across the call.
    let args = [
        path.as_ptr().expose_provenance(),
        core::hint::black_box(&table).as_ptr().expose_provenance(),
        0,
        0,
        0,
        0,
    ];
    call(number, args)
}
