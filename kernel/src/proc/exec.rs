//! Makes a process from a file, or a fresh program of a process that is there.
//!
//! A file that nobody has written to stays where it is, in the initrd: its segments become mappings that
//! copy their pages on first touch. One that was written is copied as a whole.
//!
//! # Exec
//! The new memory is made before anything of the old is given up, so an error leaves the program as it
//! was. Then the calling thread becomes the only one: the others are told to leave, as in
//! exit_group, and it waits until they have. Handlers are forgotten, files stay open.

use alloc::{borrow::Cow, string::String, sync::Arc, vec::Vec};
use core::fmt;

use kcore::{
    Backing, DirectoryId, Errno, FileBytes, PAGE_SIZE, Protection, Region, SignalSet, UserRange,
    program::{Program, ProgramError},
};

use crate::{
    arch::fpu,
    fs::{descriptors::Descriptors, root},
    mm::address_space::{self, AddressSpace},
    proc::{
        exit, family,
        process::Process,
        table,
        thread::{NAME_LEN, Start, Thread},
    },
    sched,
    trap::frame::{Entry, TrapFrame},
};

/// The first thread's stack ends here.
const STACK_END: u64 = 0x4748_0000;
const STACK_LEN: u64 = 64 << 10;
/// The arguments may take this much of it.
const ARGUMENTS_LEN: usize = 32 << 10;

/// Why a program was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExecError {
    /// This is what came of the path.
    Path(Errno),
    /// This is wrong with the file.
    Program(ProgramError),
    StackOverlap,
    ArgumentsTooLong,
    OutOfMemory,
    /// There are too many processes or threads.
    TooMany,
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(Errno::EACCES | Errno::EISDIR) => f.write_str("not a file"),
            Self::Path(_) => f.write_str("no such file in the initrd"),
            Self::Program(error) => error.fmt(f),
            Self::StackOverlap => f.write_str("a segment lies where the stack goes"),
            Self::ArgumentsTooLong => f.write_str("its arguments are too long"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::TooMany => f.write_str("too many processes"),
        }
    }
}

impl From<ExecError> for Errno {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Path(errno) => errno,
            ExecError::Program(_) | ExecError::StackOverlap => Self::ENOEXEC,
            ExecError::ArgumentsTooLong => Self::E2BIG,
            ExecError::OutOfMemory => Self::ENOMEM,
            ExecError::TooMany => Self::EAGAIN,
        }
    }
}

/// A program that could start.
struct Image {
    space: Arc<AddressSpace>,
    entry: Entry,
}

/// Starts the first process; the first argument is the program.
///
/// # Errors
/// As for [`load`].
pub(crate) fn start_first(arguments: &[String]) -> Result<(), ExecError> {
    let path = arguments[0].as_bytes();
    let image = load(root::directory(), path, arguments)?;
    let process = family::add(0, |pid| {
        let space = Arc::clone(&image.space);
        Arc::new(Process::new(pid, None, space, Descriptors::with_console()))
    })
    .map_err(|_| ExecError::TooMany)?;
    start(
        &process,
        &image.space,
        path,
        &Start::fresh(image.entry, SignalSet::EMPTY),
    )
    .map_err(|_| ExecError::TooMany)
}

/// Makes a child of the calling process that runs the program at `path`; returns its number.
///
/// # Errors
/// As for [`load`]; `EAGAIN` if there are too many processes or threads.
pub(crate) fn spawn(thread: &Thread, path: &[u8], arguments: &[Vec<u8>]) -> Result<u32, Errno> {
    let parent = thread.process();
    let files = parent.files.lock().duplicate()?;
    let image = load(files.directory, path, arguments)?;
    // Dropped here, not under the family's lock, if there is no room for the child.
    let mut files = Some(files);
    let child = family::add(parent.pid(), |pid| {
        let files = files.take().expect("invariant: called once");
        let space = Arc::clone(&image.space);
        Arc::new(Process::new(pid, Some(parent), space, files))
    })?;
    child.signals.dispositions.lock().forget_handlers();
    match start(
        &child,
        &image.space,
        path,
        &Start::fresh(image.entry, thread.mask()),
    ) {
        Ok(()) => Ok(child.pid()),
        Err(error) => {
            family::remove(&child);
            Err(error)
        }
    }
}

fn start(
    process: &Arc<Process>,
    space: &Arc<AddressSpace>,
    path: &[u8],
    start: &Start<'_>,
) -> Result<(), Errno> {
    let (thread, _) = table::create(process, space, name_of(path), start)?;
    sched::admission::submit(thread);
    Ok(())
}

/// Gives the calling thread's process the program at `path`; `frame` is where it starts.
///
/// # Errors
/// As for [`load`]; `EINTR` if the process ends, or another thread does the same.
///
/// # Blocking
/// Until all other threads have left.
pub(crate) fn exec(
    thread: &'static Thread,
    path: &[u8],
    arguments: &[Vec<u8>],
    frame: &mut TrapFrame,
) -> Result<(), Errno> {
    let process = thread.process();
    let directory = process.files.lock().directory;
    let image = load(directory, path, arguments)?;
    exit::become_the_only_thread(thread)?;
    let old = process.replace_space(Some(Arc::clone(&image.space)));
    let own = thread.replace_space(Some(Arc::clone(&image.space)));
    address_space::load(&image.space);
    drop((old, own));
    process.signals.dispositions.lock().forget_handlers();
    thread.set_name(name_of(path));
    thread.set_vectors(&fpu::INITIAL);
    sched::set_own_user_bases([0; 2]);
    *frame = image.entry.into();
    Ok(())
}

/// What a thread is called that runs the program at this path.
fn name_of(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    &name[..name.len().min(NAME_LEN)]
}

/// Makes the memory of a program and of its arguments.
///
/// # Errors
/// See [`ExecError`].
fn load(
    directory: DirectoryId,
    path: &[u8],
    arguments: &[impl AsRef<[u8]>],
) -> Result<Image, ExecError> {
    let file = root::program(directory, path).map_err(ExecError::Path)?;
    let program = Program::parse(&file).map_err(ExecError::Program)?;
    let space = address_space::empty().map_err(|_| ExecError::OutOfMemory)?;
    for segment in &program.segments {
        let (pages, protection) = (segment.pages, segment.protection);
        if let Cow::Borrowed(whole) = file {
            // The same bytes as the segment's, which the parser only borrows from `file`.
            let start = segment.bytes.as_ptr() as usize - whole.as_ptr() as usize;
            let backing = Backing::File(FileBytes {
                bytes: &whole[start..start + segment.bytes.len()],
                address: segment.address,
            });
            map(&space, pages, protection, backing)?;
        } else {
            map(&space, pages, protection, Backing::Zero)?;
            let bytes = FileBytes {
                bytes: segment.bytes,
                address: segment.address,
            };
            let mut contents = alloc::vec![0; PAGE_SIZE as usize];
            for page in (pages.start()..pages.end()).step_by(PAGE_SIZE as usize) {
                contents.fill(0);
                if bytes.fill(page, &mut contents) {
                    space
                        .preset(page, &contents)
                        .map_err(|_| ExecError::OutOfMemory)?;
                }
            }
        }
    }
    let stack = UserRange::new(STACK_END - STACK_LEN, STACK_LEN)
        .expect("invariant: the stack is user memory");
    map(&space, stack, Protection::READ_WRITE, Backing::Zero)?;
    let (stack_pointer, argv) = push_arguments(&space, arguments)?;
    let count = arguments.len() as u64;
    Ok(Image {
        entry: Entry {
            at: program.entry,
            stack: stack_pointer,
            arguments: [count, argv],
        },
        space: Arc::new(space),
    })
}

fn map(
    space: &AddressSpace,
    range: UserRange,
    protection: Protection,
    backing: Backing,
) -> Result<(), ExecError> {
    let region = Region {
        range,
        protection,
        backing,
        shared: false,
        dying: false,
    };
    // A segment where another is, or where the stack goes.
    space.map(region).map_err(|_| ExecError::StackOverlap)
}

/// Puts strings, the pointers to them and a zero word for a return address on the stack; returns the
/// stack pointer and the address of the pointers.
fn push_arguments(
    space: &AddressSpace,
    arguments: &[impl AsRef<[u8]>],
) -> Result<(u64, u64), ExecError> {
    let strings_len: usize = arguments
        .iter()
        .map(|argument| argument.as_ref().len() + 1)
        .sum();
    if strings_len + arguments.len() * 8 > ARGUMENTS_LEN {
        return Err(ExecError::ArgumentsTooLong);
    }
    let strings = (STACK_END - strings_len as u64) & !15;
    let pointers = (strings - (arguments.len() as u64 + 1) * 8) & !15;
    // As after a call: a return address, zero, on top, and the pointer 8 past a multiple of 16.
    let stack_pointer = pointers - 8;
    let start = stack_pointer - stack_pointer % PAGE_SIZE;
    let len = (STACK_END - start) as usize;
    let mut image = Vec::new();
    image
        .try_reserve_exact(len)
        .map_err(|_| ExecError::OutOfMemory)?;
    image.resize(len, 0u8);
    let mut at = strings;
    let mut addresses = Vec::new();
    for argument in arguments.iter().map(AsRef::as_ref) {
        image[(at - start) as usize..][..argument.len()].copy_from_slice(argument);
        addresses.extend_from_slice(&at.to_le_bytes());
        at += argument.len() as u64 + 1;
    }
    image[(pointers - start) as usize..][..addresses.len()].copy_from_slice(&addresses);
    for (page, contents) in (start..)
        .step_by(PAGE_SIZE as usize)
        .zip(image.chunks(PAGE_SIZE as usize))
    {
        space
            .preset(page, contents)
            .map_err(|_| ExecError::OutOfMemory)?;
    }
    Ok((stack_pointer, pointers))
}
