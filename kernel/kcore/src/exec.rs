//! What a program starts with: the top of its stack, and why it does not start.

use alloc::vec::Vec;
use core::fmt;

use crate::{
    address_space::FaultError, errno::Errno, page_frame::OutOfFrames, program::ProgramError,
    region_map::RegionError, user_range::PAGE_SIZE,
};

/// Where the first thread's stack ends.
pub const STACK_END: u64 = 0x4748_0000;
/// Bytes of it.
pub const STACK_LEN: u64 = 64 << 10;
/// The arguments may take this much of it.
pub const ARGUMENTS_LEN: usize = 32 << 10;

/// Why a program was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecError {
    /// This is what came of the path.
    Path(Errno),
    /// This is wrong with the file.
    Program(ProgramError),
    /// A segment lies where another is, or where the stack goes.
    StackOverlap,
    /// The arguments take too much of the stack.
    ArgumentsTooLong,
    /// There is no memory for it.
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

impl From<ProgramError> for ExecError {
    fn from(error: ProgramError) -> Self {
        Self::Program(error)
    }
}

/// Of a segment or the stack.
impl From<RegionError> for ExecError {
    fn from(_: RegionError) -> Self {
        Self::StackOverlap
    }
}

impl From<OutOfFrames> for ExecError {
    fn from(_: OutOfFrames) -> Self {
        Self::OutOfMemory
    }
}

/// Of a page that is filled beforehand.
impl From<FaultError> for ExecError {
    fn from(_: FaultError) -> Self {
        Self::OutOfMemory
    }
}

/// The top of a new program's stack: the strings of its arguments, the pointers to them, and a zero
/// word for a return address.
#[derive(Debug)]
pub struct StackImage {
    /// The stack pointer, as after a call: 8 past a multiple of 16.
    pub stack_pointer: u64,
    /// Where the pointers are, after the last of which comes a zero.
    pub argv: u64,
    /// The page of the first byte.
    start: u64,
    /// Up to [`STACK_END`].
    bytes: Vec<u8>,
}

impl StackImage {
    /// The stack of a program with these arguments.
    ///
    /// # Errors
    /// [`ExecError::ArgumentsTooLong`], [`ExecError::OutOfMemory`].
    pub fn new(arguments: &[impl AsRef<[u8]>]) -> Result<Self, ExecError> {
        let lens = arguments.iter().map(|argument| argument.as_ref().len() + 1);
        let strings_len: usize = lens.sum();
        if strings_len + arguments.len() * 8 > ARGUMENTS_LEN {
            return Err(ExecError::ArgumentsTooLong);
        }
        let strings = (STACK_END - strings_len as u64) & !15;
        let argv = (strings - (arguments.len() as u64 + 1) * 8) & !15;
        let stack_pointer = argv - 8;
        let start = stack_pointer - stack_pointer % PAGE_SIZE;
        let len = (STACK_END - start) as usize;
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(len)
            .map_err(|_| ExecError::OutOfMemory)?;
        bytes.resize(len, 0);
        let mut put = |at: u64, what: &[u8]| {
            bytes[(at - start) as usize..][..what.len()].copy_from_slice(what);
        };
        let mut at = strings;
        for (pointer, argument) in (argv..).step_by(8).zip(arguments) {
            put(pointer, &at.to_le_bytes());
            put(at, argument.as_ref());
            at += argument.as_ref().len() as u64 + 1;
        }
        Ok(Self {
            stack_pointer,
            argv,
            start,
            bytes,
        })
    }

    /// Each of its pages: the address and the contents.
    pub fn pages(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let addresses = (self.start..).step_by(PAGE_SIZE as usize);
        addresses.zip(self.bytes.chunks(PAGE_SIZE as usize))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{string::ToString, vec};

    use proptest::prelude::*;

    use super::*;

    impl StackImage {
        fn byte(&self, at: u64) -> u8 {
            let page = at - at % PAGE_SIZE;
            let (_, bytes) = self.pages().find(|(start, _)| *start == page).unwrap();
            bytes[(at - page) as usize]
        }

        fn word(&self, at: u64) -> u64 {
            u64::from_le_bytes(core::array::from_fn(|byte| self.byte(at + byte as u64)))
        }

        /// The arguments as the program reads them.
        fn arguments(&self) -> Vec<Vec<u8>> {
            let pointers = (self.argv..).step_by(8).map(|at| self.word(at));
            let string = |start: u64| {
                let bytes = (start..).map(|at| self.byte(at));
                bytes.take_while(|byte| *byte != 0).collect()
            };
            pointers.take_while(|at| *at != 0).map(string).collect()
        }
    }

    #[test]
    fn no_arguments_are_a_stack_too() {
        let image = StackImage::new(&[] as &[&str]).unwrap();
        assert!(image.arguments().is_empty());
        assert_eq!(image.word(image.stack_pointer), 0, "a return address");
        assert_eq!(image.pages().count(), 1);
    }

    #[test]
    fn arguments_that_take_too_much_are_refused() {
        let most = vec![b'x'; ARGUMENTS_LEN - 9];
        let image = StackImage::new(&[&most]).unwrap();
        assert_eq!(image.arguments(), [&most[..]]);
        for arguments in [vec![vec![b'x'; ARGUMENTS_LEN - 8]], vec![vec![]; 4000]] {
            let refused = StackImage::new(&arguments).unwrap_err();
            assert_eq!(refused, ExecError::ArgumentsTooLong);
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let path = |errno| ExecError::Path(errno).to_string();
        assert_eq!(path(Errno::ENOENT), "no such file in the initrd");
        assert_eq!(path(Errno::EISDIR), "not a file");
        let program = ExecError::from(ProgramError::NotElf);
        assert_eq!(program.to_string(), ProgramError::NotElf.to_string());
        assert_eq!(Errno::from(program), Errno::ENOEXEC);
        assert_eq!(Errno::from(ExecError::TooMany), Errno::EAGAIN);
        assert_eq!(Errno::from(ExecError::ArgumentsTooLong), Errno::E2BIG);
    }

    proptest! {
        #[test]
        fn a_program_reads_what_it_was_given(
            arguments in prop::collection::vec(prop::collection::vec(1..=255_u8, 0..300), 0..40)
        ) {
            let image = StackImage::new(&arguments).unwrap();
            prop_assert_eq!(image.arguments(), arguments);
            prop_assert_eq!(image.stack_pointer % 16, 8);
            prop_assert_eq!(image.word(image.stack_pointer), 0);
            prop_assert!(image.pages().all(|(at, _)| at >= STACK_END - STACK_LEN));
        }
    }
}
