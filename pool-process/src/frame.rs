//! What goes over a worker's socket: frames, and how they are put together again.
//!
//! A frame is a head of 13 bytes (the length of the body, the job's number, the kind; little
//! endian) and a body. The pool sends `Setup` once and then `Run`s; the worker answers with
//! `Ready` once and then with one answer a job.
//!
//! Neither side trusts the other: a length beyond [`MAX_BODY`], an unknown kind, an answer to a
//! question that was not asked is an error, and memory is reserved only as bytes arrive.

use serde::Serialize;

/// The largest body: 1 GiB.
pub(crate) const MAX_BODY: usize = 1 << 30;

/// Bytes before the body.
pub(crate) const HEAD: usize = 13;

/// What is kept of a buffer between frames.
const KEPT: usize = 256 << 10;

/// What is read at once at least.
const CHUNK: usize = 16 << 10;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// To the worker, once: its limits, and a descriptor.
    Setup = 0,
    /// To the worker: a function's name and its arguments.
    Run = 1,
    /// From the worker, once: it serves.
    Ready = 2,
    /// From the worker: the result.
    Done = 3,
    /// From the worker: the message of the job's panic.
    Panicked = 4,
    /// From the worker: why arguments or result could not be read or written.
    Codec = 5,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Setup,
            Self::Run,
            Self::Ready,
            Self::Done,
            Self::Panicked,
            Self::Codec,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// A frame in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    /// The number of the job it is about.
    pub(crate) job: u64,
    pub(crate) body: &'a [u8],
}

/// What no peer in its right mind sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbled;

/// Begins a frame in an empty buffer; the body is appended, and [`finish`] completes the head.
pub(crate) fn begin(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer.resize(HEAD, 0);
    buffer
}

/// Completes a frame that [`begin`] began.
///
/// # Errors
/// The length of a body that is longer than [`MAX_BODY`].
pub(crate) fn finish(buffer: &mut [u8], kind: Kind, job: u64) -> Result<(), usize> {
    let body = buffer.len() - HEAD;
    let len = match u32::try_from(body) {
        Ok(len) if body <= MAX_BODY => len,
        _ => return Err(body),
    };
    buffer[..4].copy_from_slice(&len.to_le_bytes());
    buffer[4..12].copy_from_slice(&job.to_le_bytes());
    buffer[12] = kind as u8;
    Ok(())
}

/// Appends a value.
///
/// # Errors
/// What serde says.
pub(crate) fn append<T: Serialize + ?Sized>(
    value: &T,
    buffer: Vec<u8>,
) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_extend(value, buffer)
}

/// The frame of a job.
pub(crate) fn run<A: Serialize>(job: u64, name: &str, args: &A) -> Result<Vec<u8>, RunError> {
    let buffer = append(name, begin(Vec::with_capacity(64)))
        .and_then(|buffer| append(args, buffer))
        .map_err(RunError::Encode)?;
    let mut buffer = buffer;
    finish(&mut buffer, Kind::Run, job).map_err(RunError::TooLarge)?;
    Ok(buffer)
}

/// Why a job has no frame.
#[derive(Debug)]
pub(crate) enum RunError {
    Encode(postcard::Error),
    TooLarge(usize),
}

/// Parts the body of a `Run` into the name and the arguments.
pub(crate) fn parts(body: &[u8]) -> Option<(&str, &[u8])> {
    postcard::take_from_bytes(body).ok()
}

/// Bytes that have arrived, made into frames.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    buffer: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
}

impl Assembler {
    /// The next whole frame, if there is one.
    ///
    /// # Errors
    /// When the bytes are no frame; nothing after them can be read either.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, Garbled> {
        let Some((len, job, kind)) = self.head()? else {
            return Ok(None);
        };
        let body = self.start + HEAD;
        let Some(body) = self.buffer.get(body..body + len) else {
            return Ok(None);
        };
        self.start += HEAD + len;
        Ok(Some(Frame { kind, job, body }))
    }

    fn head(&self) -> Result<Option<(usize, u64, Kind)>, Garbled> {
        let bytes = &self.buffer[self.start..];
        let Some((head, _)) = bytes.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [a, b, c, d, job @ .., kind] = *head;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if len > MAX_BODY {
            return Err(Garbled);
        }
        let kind = Kind::from_byte(kind).ok_or(Garbled)?;
        Ok(Some((len, u64::from_le_bytes(job), kind)))
    }

    /// The buffer with room for what comes next; frames that were taken are gone.
    ///
    /// Room grows with what has arrived, not with what a head promises.
    pub(crate) fn room(&mut self) -> &mut Vec<u8> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(KEPT);
            self.start = 0;
        } else if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let more = self.buffer.len().max(CHUNK);
        if self.buffer.capacity() - self.buffer.len() < CHUNK {
            self.buffer.reserve(more);
        }
        &mut self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: Kind, job: u64, body: &[u8]) -> Vec<u8> {
        let mut buffer = begin(Vec::new());
        buffer.extend_from_slice(body);
        finish(&mut buffer, kind, job).expect("small");
        buffer
    }

    /// Two frames, cut into pieces of every size, come out as they went in.
    #[test]
    fn any_cut_gives_the_same_frames() {
        let long: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let mut bytes = frame(Kind::Done, 7, &long);
        bytes.extend(frame(Kind::Panicked, u64::MAX, b""));
        for size in [1, 2, 12, 13, 14, 4_096, 70_012, 70_013, 70_014, 100_000] {
            let mut assembler = Assembler::default();
            let mut seen = Vec::new();
            for piece in bytes.chunks(size) {
                assembler.room().extend_from_slice(piece);
                while let Some(frame) = assembler.next().expect("whole") {
                    seen.push((frame.kind, frame.job, frame.body.to_vec()));
                }
            }
            let expected = [
                (Kind::Done, 7, long.clone()),
                (Kind::Panicked, u64::MAX, vec![]),
            ];
            assert!(seen == expected, "pieces of {size}");
        }
    }

    #[test]
    fn nonsense_is_an_error_and_reserves_nothing() {
        for bad in [[255; HEAD], {
            let mut head = [0; HEAD];
            head[12] = 99;
            head
        }] {
            let mut assembler = Assembler::default();
            assembler.room().extend_from_slice(&bad);
            assert_eq!(assembler.next(), Err(Garbled));
        }
        let mut assembler = Assembler::default();
        let mut head = frame(Kind::Done, 1, b"");
        head[..4].copy_from_slice(&(MAX_BODY as u32).to_le_bytes());
        assembler.room().extend_from_slice(&head);
        assert_eq!(assembler.next(), Ok(None));
        assert!(assembler.room().capacity() < 1 << 20, "only promised");
    }

    #[test]
    fn a_run_is_a_name_and_arguments() {
        let bytes = run(3, "area", &(2_u8, 3_u8)).expect("encodes");
        let (name, args) = parts(&bytes[HEAD..]).expect("is one");
        assert_eq!((name, args), ("area", &[2, 3][..]));
        assert_eq!(parts(&[200, 1]), None);
    }
}
