//! Commands about files.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;

use user::{println, syscall};

/// The system calls that only this program makes.
const READDIR: usize = 18;
const STAT: usize = 19;
/// What a directory entry is long, and where its name begins.
const ENTRY_LEN: usize = 264;
const NAME_AT: usize = 8;
/// Entries asked for at once.
const ENTRIES: usize = 8;

pub(crate) fn ls(arguments: &[&str]) -> Result<(), String> {
    let directory = arguments.first().copied().unwrap_or("/");
    let fd = syscall::open(&path(directory)?).map_err(|why| format!("{directory}: {why}"))?;
    let mut entries = [0; ENTRY_LEN * ENTRIES];
    let listed = loop {
        let arguments = [fd as usize, entries.as_mut_ptr() as usize, ENTRIES, 0, 0, 0];
        // SAFETY: the kernel writes at most that many entries, which are ours.
        let found = unsafe { syscall::raw(READDIR, arguments) };
        match found {
            1.. => show(directory, &entries[..found as usize * ENTRY_LEN]),
            0 => break Ok(()),
            error => break Err(format!("{directory}: error {}", -error)),
        }
    };
    let closed = syscall::close(fd).map_err(|why| format!("{why}"));
    listed.and(closed)
}

fn show(directory: &str, entries: &[u8]) {
    for entry in entries.chunks(ENTRY_LEN) {
        let name = &entry[NAME_AT..];
        let end = name.iter().position(|byte| *byte == 0);
        let name = String::from_utf8_lossy(&name[..end.unwrap_or(name.len())]);
        match stat(&format!("{directory}/{name}")) {
            Some((1, _)) => println!("         - {name}/"),
            Some((_, size)) => println!("{size:>10} {name}"),
            None => println!("         ? {name}"),
        }
    }
}

/// What a path leads to, and its size.
fn stat(to: &str) -> Option<(u64, u64)> {
    let to = path(to).ok()?;
    let mut status = [0_u64; 4];
    let arguments = [
        to.as_ptr() as usize,
        status.as_mut_ptr() as usize,
        0,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel reads the path and writes four words, which are ours.
    let result = unsafe { syscall::raw(STAT, arguments) };
    (result == 0).then_some((status[1], status[2]))
}

pub(crate) fn cat(arguments: &[&str]) -> Result<(), String> {
    for name in arguments {
        let fd = syscall::open(&path(name)?).map_err(|why| format!("{name}: {why}"))?;
        let copied = copy(fd).map_err(|why| format!("{name}: {why}"));
        let closed = syscall::close(fd).map_err(|why| format!("{why}"));
        copied.and(closed)?;
    }
    Ok(())
}

/// Copies a file to the output.
fn copy(fd: i32) -> Result<(), syscall::Errno> {
    let mut piece = [0; 4096];
    loop {
        let len = syscall::read(fd, &mut piece)?;
        if len == 0 {
            return Ok(());
        }
        let mut rest = &piece[..len];
        while !rest.is_empty() {
            let written = syscall::write(1, rest)?;
            rest = &rest[written..];
        }
    }
}

fn path(word: &str) -> Result<CString, String> {
    CString::new(word).map_err(|_| "a path has no zero byte".into())
}
