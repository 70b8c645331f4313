//! Makes a process from a file.
//!
//! The file stays where it is, in the initrd: its segments become mappings that copy their pages on
//! first touch.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::fmt;

use kcore::{
    Backing, FileBytes, PAGE_SIZE, Protection, Region, UserRange,
    initrd::Kind,
    program::{Program, ProgramError},
};

use crate::{
    fs::{descriptors::Descriptors, root},
    mm::address_space::AddressSpace,
    proc::{family, process::Process, table, thread::Start},
    sched,
    trap::frame::TrapFrame,
};

/// The first thread's stack ends here.
const STACK_END: u64 = 0x4748_0000;
const STACK_LEN: u64 = 64 << 10;
/// The arguments may take this much of it.
const ARGUMENTS_LEN: usize = 32 << 10;

/// Why a program was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExecError {
    NotFound,
    NotAFile,
    Program(ProgramError),
    StackOverlap,
    ArgumentsTooLong,
    OutOfMemory,
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such file in the initrd"),
            Self::NotAFile => f.write_str("not a file"),
            Self::Program(error) => error.fmt(f),
            Self::StackOverlap => f.write_str("a segment lies where the stack goes"),
            Self::ArgumentsTooLong => f.write_str("its arguments are too long"),
            Self::OutOfMemory => f.write_str("out of memory"),
        }
    }
}

/// Starts the first process; the first argument is the program.
pub(crate) fn start_first(arguments: &[String]) -> Result<(), ExecError> {
    let path = &arguments[0];
    let file = root::find(path.as_bytes()).ok_or(ExecError::NotFound)?;
    if file.kind != Kind::File {
        return Err(ExecError::NotAFile);
    }
    let program = Program::parse(file.data).map_err(ExecError::Program)?;
    let space = AddressSpace::new().map_err(|_| ExecError::OutOfMemory)?;
    for segment in &program.segments {
        let backing = Backing::File(FileBytes {
            bytes: segment.bytes,
            address: segment.address,
        });
        map(&space, segment.pages, segment.protection, backing)?;
    }
    let stack = UserRange::new(STACK_END - STACK_LEN, STACK_LEN)
        .expect("invariant: the stack is user memory");
    map(&space, stack, Protection::READ_WRITE, Backing::Zero)?;
    let (stack_pointer, argv) = push_arguments(&space, arguments)?;

    let mut space = Some(Arc::new(space));
    let process = family::add(0, |pid| {
        let space = space.take().expect("invariant: called once");
        Arc::new(Process::new(pid, None, space, Descriptors::with_console()))
    })
    .map_err(|_| ExecError::OutOfMemory)?;
    let frame = TrapFrame::start(program.entry, stack_pointer, [arguments.len() as u64, argv]);
    let name = path.rsplit('/').next().unwrap_or(path).as_bytes();
    let name = &name[..name.len().min(crate::proc::thread::NAME_LEN)];
    let (thread, _) =
        table::create(&process, name, &Start::fresh(&frame)).map_err(|_| ExecError::OutOfMemory)?;
    sched::make_ready(thread);
    Ok(())
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
    space.map(region).map_err(|_| ExecError::StackOverlap)
}

/// Puts strings, the pointers to them and a zero word for a return address on the stack; returns the
/// stack pointer and the address of the pointers.
fn push_arguments(space: &AddressSpace, arguments: &[String]) -> Result<(u64, u64), ExecError> {
    let strings_len: usize = arguments.iter().map(|argument| argument.len() + 1).sum();
    let strings = (STACK_END - strings_len as u64) & !15;
    let pointers = (strings - (arguments.len() as u64 + 1) * 8) & !15;
    // As after a call: a return address, zero, on top, and the pointer 8 past a multiple of 16.
    let stack_pointer = pointers - 8;
    let start = stack_pointer - stack_pointer % PAGE_SIZE;
    let len = (STACK_END - start) as usize;
    if len > ARGUMENTS_LEN {
        return Err(ExecError::ArgumentsTooLong);
    }
    let mut image = alloc::vec![0u8; len];
    let mut at = strings;
    let mut addresses = Vec::new();
    for argument in arguments {
        image[(at - start) as usize..][..argument.len()].copy_from_slice(argument.as_bytes());
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
