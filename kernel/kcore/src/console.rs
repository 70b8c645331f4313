//! What goes over the console's serial line, both ways.
//!
//! # Protocol
//! *Typed*: text as it is, for a person. Input is edited by line: it is echoed, backspace takes a byte
//! back, control-U the line, control-D on an empty line is the end of the input, once.
//!
//! *Framed*: for a program on the other side, so that each byte of each stream arrives as it was
//! written, in one order. Output is a sequence of frames: the [`Stream`], the length in two bytes,
//! least first, and that many bytes. Input is bytes as they are, but 0x10 announces: followed by 0x10
//! it stands for itself, followed by 0x04 it is the end of the input, for ever.
//!
//! *Closed*: no input; a reader is at its end at once.

use alloc::{collections::VecDeque, vec::Vec};

/// The most bytes of a frame.
pub const FRAME_LEN: usize = 512;
/// The most bytes of input that wait for a reader; the rest stays in the line.
const INPUT_LEN: usize = 4096;
const ANNOUNCE: u8 = 0x10;
const END_OF_INPUT: u8 = 0x04;
const ERASE_BYTE: [u8; 2] = [0x08, 0x7f];
const ERASE_LINE: u8 = 0x15;

/// Whose bytes a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// A program's standard output.
    Output = 1,
    /// A program's standard error.
    Error = 2,
    /// Lines of the kernel itself.
    Kernel = 3,
    /// The first process has ended; the bytes are its status, an `i32`, least byte first.
    Status = 4,
    /// The line takes input from now on: what was sent before may be lost. No bytes.
    Ready = 5,
}

impl Stream {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Output,
            Self::Error,
            Self::Kernel,
            Self::Status,
            Self::Ready,
        ]
        .into_iter()
        .find(|stream| *stream as u8 == byte)
    }

    /// The bytes before `len` bytes of this stream.
    ///
    /// # Panics
    /// If they are more than [`FRAME_LEN`].
    #[must_use]
    pub const fn header(self, len: usize) -> [u8; 3] {
        assert!(len <= FRAME_LEN, "a frame is no longer than this");
        [self as u8, len as u8, (len >> 8) as u8]
    }
}

/// Takes frames apart, whatever pieces they arrive in.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: VecDeque<u8>,
    /// A byte came where a frame must begin, and began none: what follows is text.
    broken: bool,
}

impl Frames {
    /// Takes bytes from the line.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// The next whole frame. Where there is no frame, as after a panic in the middle of one, all the
    /// rest is the kernel's.
    #[must_use]
    pub fn pop(&mut self) -> Option<(Stream, Vec<u8>)> {
        let first = *self.bytes.front()?;
        let stream = Stream::from_byte(first).filter(|_| !self.broken);
        let Some(stream) = stream else {
            self.broken = true;
            return Some((Stream::Kernel, self.bytes.drain(..).collect()));
        };
        let len = usize::from(*self.bytes.get(1)?) | usize::from(*self.bytes.get(2)?) << 8;
        if self.bytes.len() < 3 + len {
            return None;
        }
        self.bytes.drain(..3);
        Some((stream, self.bytes.drain(..len).collect()))
    }
}

/// Announces what must be announced in bytes for a framed line, and its end if there is one.
#[must_use]
pub fn stuff_input(bytes: &[u8], end: bool) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(bytes.len() + 2);
    for &byte in bytes {
        if byte == ANNOUNCE {
            stuffed.push(ANNOUNCE);
        }
        stuffed.push(byte);
    }
    if end {
        stuffed.extend([ANNOUNCE, END_OF_INPUT]);
    }
    stuffed
}

/// How the line is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Text out, nothing in.
    #[default]
    Closed,
    /// Text out, edited lines in.
    Typed,
    /// Frames out, announced bytes in.
    Framed,
}

impl Mode {
    /// The mode that a boot option names.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "closed" => Some(Self::Closed),
            "typed" => Some(Self::Typed),
            "framed" => Some(Self::Framed),
            _ => None,
        }
    }
}

/// The input that has come in and has not been read.
#[derive(Debug)]
pub struct Input {
    mode: Mode,
    ready: VecDeque<u8>,
    /// A line that is still being edited.
    line: Vec<u8>,
    announced: bool,
    ended: bool,
}

impl Input {
    /// No input, at its end.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            mode: Mode::Closed,
            ready: VecDeque::new(),
            line: Vec::new(),
            announced: false,
            ended: true,
        }
    }

    /// Chooses the mode.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        self.ended = mode == Mode::Closed;
    }

    /// Whether another byte can be taken from the line.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.ready.len() + self.line.len() < INPUT_LEN
    }

    /// Takes a byte from the line; returns what is to be echoed.
    pub fn push(&mut self, byte: u8) -> Vec<u8> {
        match self.mode {
            Mode::Closed => Vec::new(),
            Mode::Typed => self.edit(byte),
            Mode::Framed => {
                match (self.announced, byte) {
                    (false, ANNOUNCE) => self.announced = true,
                    (true, END_OF_INPUT) => self.ended = true,
                    (_, byte) => {
                        self.announced = false;
                        self.ready.push_back(byte);
                    }
                }
                Vec::new()
            }
        }
    }

    fn edit(&mut self, byte: u8) -> Vec<u8> {
        match byte {
            b'\r' | b'\n' => {
                self.line.push(b'\n');
                self.ready.extend(self.line.drain(..));
                b"\r\n".to_vec()
            }
            END_OF_INPUT if self.line.is_empty() => {
                self.ended = true;
                Vec::new()
            }
            ERASE_LINE => b"\x08 \x08".repeat(core::mem::take(&mut self.line).len()),
            byte if ERASE_BYTE.contains(&byte) => match self.line.pop() {
                Some(_) => b"\x08 \x08".to_vec(),
                None => Vec::new(),
            },
            byte if byte < b' ' && byte != b'\t' => Vec::new(),
            byte => {
                self.line.push(byte);
                [byte].into()
            }
        }
    }

    /// Whether a reader need not wait.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty() || self.ended
    }

    /// Takes at most as many bytes as fit, typed ones only up to the end of a line; none if the input
    /// is at its end.
    #[must_use]
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        if self.ready.is_empty() {
            // Typed input goes on after its end.
            self.ended &= self.mode != Mode::Typed;
            return 0;
        }
        let mut len = 0;
        while len < buffer.len()
            && let Some(byte) = self.ready.pop_front()
        {
            buffer[len] = byte;
            len += 1;
            if byte == b'\n' && self.mode == Mode::Typed {
                break;
            }
        }
        len
    }

    /// Puts back what was read last and could not be delivered.
    pub fn put_back(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .rev()
            .for_each(|&byte| self.ready.push_front(byte));
    }
}

impl Default for Input {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(mode: Mode, bytes: &[u8]) -> Input {
        let mut input = Input::new();
        input.set_mode(mode);
        for &byte in bytes {
            let _ = input.push(byte);
        }
        input
    }

    fn read(input: &mut Input) -> Vec<u8> {
        let mut buffer = [0; 64];
        let len = input.read(&mut buffer);
        buffer[..len].to_vec()
    }

    #[test]
    fn frames_come_apart_whatever_pieces_they_arrive_in() {
        let all: Vec<u8> = (0..=255).collect();
        let mut line = Vec::new();
        for (stream, bytes) in [
            (Stream::Output, &all[..]),
            (Stream::Ready, b""),
            (Stream::Kernel, b"kernel: up\n"),
            (Stream::Status, &(-3i32).to_le_bytes()),
        ] {
            line.extend(stream.header(bytes.len()));
            line.extend(bytes);
        }
        for piece in [1, 2, 3, 5, 100, 1000] {
            let mut frames = Frames::default();
            let mut got = Vec::new();
            for part in line.chunks(piece) {
                frames.push(part);
                got.extend(core::iter::from_fn(|| frames.pop()));
            }
            assert_eq!(got.len(), 4, "pieces of {piece}");
            assert_eq!(got[0], (Stream::Output, all.clone()));
            assert_eq!(got[3], (Stream::Status, (-3i32).to_le_bytes().to_vec()));
        }
    }

    #[test]
    fn what_is_no_frame_is_the_kernels_last_words() {
        let mut frames = Frames::default();
        frames.push(b"kernel: panic");
        assert_eq!(
            frames.pop(),
            Some((Stream::Kernel, b"kernel: panic".to_vec()))
        );
        frames.push(&Stream::Output.header(0));
        assert_eq!(frames.pop().map(|(stream, _)| stream), Some(Stream::Kernel));
    }

    #[test]
    fn announced_bytes_arrive_as_they_were() {
        let all: Vec<u8> = (0..=255).collect();
        let mut input = input(Mode::Framed, &stuff_input(&all, false));
        let mut got = Vec::new();
        while input.is_ready() {
            got.extend(read(&mut input));
        }
        assert_eq!(got, all);
        for byte in stuff_input(&[], true) {
            let _ = input.push(byte);
        }
        for _ in 0..2 {
            assert!(input.is_ready());
            assert_eq!(read(&mut input), b"");
        }
    }

    #[test]
    fn a_typed_line_is_edited_before_it_is_read() {
        let mut typed = input(Mode::Typed, b"lx\x7fs\x08\x08\x08ps\nno\x15yes\r");
        assert_eq!(read(&mut typed), b"ps\n");
        assert_eq!(read(&mut typed), b"yes\n");
        assert!(!typed.is_ready());
        let _ = typed.push(b'x');
        assert!(!typed.is_ready(), "half a line");
        let _ = typed.push(END_OF_INPUT);
        assert!(!typed.is_ready(), "no end in the middle of a line");
        let _ = typed.push(b'\n');
        let _ = typed.push(END_OF_INPUT);
        assert_eq!(read(&mut typed), b"x\n");
        assert_eq!(read(&mut typed), b"", "the end");
        assert!(!typed.is_ready(), "and it goes on");
    }

    #[test]
    fn closed_input_is_at_its_end_and_full_input_says_so() {
        let mut closed = input(Mode::Closed, b"lost");
        assert!(closed.is_ready());
        assert_eq!(read(&mut closed), b"");
        let mut full = input(Mode::Framed, &[7; INPUT_LEN]);
        assert!(!full.has_room());
        let got = read(&mut full);
        assert!(full.has_room());
        full.put_back(&got);
        assert!(!full.has_room());
    }
}
