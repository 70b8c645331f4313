//! One connection of a load, with at most one request on its way.

use std::io::{ErrorKind, Read, Write};

use anyhow::{Context as _, ensure};

use super::exchange::Exchange;

/// A connection that doesn't block.
#[derive(Debug)]
pub(crate) struct Line<S> {
    pub(crate) stream: S,
    /// Of the request that is on its way, or of the last one.
    number: u64,
    /// What has come of its answer, where that came in pieces.
    partial: Vec<u8>,
}

/// What a look at a connection has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Taken {
    /// The answer, whole and right.
    Answer,
    /// Not all of it yet.
    NotYet,
    /// The other side has closed it.
    Closed,
}

impl<S: Read + Write> Line<S> {
    /// Nothing is on its way yet.
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            number: 0,
            partial: Vec::new(),
        }
    }

    /// The request that is on its way, or was the last one.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Sends a request; the last one has been answered.
    ///
    /// # Errors
    /// Where it can't be sent whole.
    pub(crate) fn ask(&mut self, exchange: Exchange, number: u64) -> anyhow::Result<()> {
        self.number = number;
        let mut room = [0; _];
        let request = exchange.request(number, &mut room);
        // Nothing else is on its way, so there is room for all of it.
        let written = self.stream.write(request).context("could not send")?;
        ensure!(written == request.len(), "only {written} bytes were sent");
        Ok(())
    }

    /// Takes what has come.
    ///
    /// # Errors
    /// Where the connection fails, or the answer is wrong.
    pub(crate) fn take(&mut self, exchange: Exchange) -> anyhow::Result<Taken> {
        let mut bytes = [0; 1024];
        let read = loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(Taken::Closed),
                Ok(read) => break read,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(Taken::NotYet),
                    ErrorKind::ConnectionReset => return Ok(Taken::Closed),
                    ErrorKind::Interrupted => {}
                    _ => return Err(error).context("could not receive"),
                },
            }
        };
        let bytes = &bytes[..read];
        let whole = if self.partial.is_empty() {
            exchange.is_whole(self.number, bytes)?
        } else {
            self.partial.extend_from_slice(bytes);
            exchange.is_whole(self.number, &self.partial)?
        };
        if whole {
            self.partial.clear();
            return Ok(Taken::Answer);
        }
        if self.partial.is_empty() {
            self.partial.extend_from_slice(bytes);
        }
        Ok(Taken::NotYet)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;

    use super::*;

    /// Gives what it is told to, piece by piece, and keeps what is written.
    #[derive(Default)]
    struct Script {
        pieces: VecDeque<io::Result<Vec<u8>>>,
        written: Vec<u8>,
        /// The most that a write takes.
        room: Option<usize>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let piece = self.pieces.pop_front().expect("no more reads")?;
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.room.unwrap_or(bytes.len()).min(bytes.len());
            self.written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_answer_in_pieces_is_one_answer() {
        let mut line = Line::new(Script::default());
        line.ask(Exchange::Echo, 7).expect("sent");
        let echo = line.stream.written.clone();
        for byte in &echo {
            let nothing = Err(ErrorKind::WouldBlock.into());
            line.stream.pieces.extend([nothing, Ok(vec![*byte])]);
        }
        for at in 0..echo.len() {
            assert_eq!(line.take(Exchange::Echo).expect("right"), Taken::NotYet);
            let last = at + 1 == echo.len();
            let expected = if last { Taken::Answer } else { Taken::NotYet };
            assert_eq!(line.take(Exchange::Echo).expect("right"), expected);
        }
    }

    #[test]
    fn the_end_and_a_wrong_answer_are_told_apart() {
        let mut line = Line::new(Script::default());
        line.ask(Exchange::Echo, 7).expect("sent");
        line.stream.pieces.push_back(Ok(Vec::new()));
        assert_eq!(line.take(Exchange::Echo).expect("ended"), Taken::Closed);
        let reset = Err(ErrorKind::ConnectionReset.into());
        line.stream.pieces.push_back(reset);
        assert_eq!(line.take(Exchange::Echo).expect("ended"), Taken::Closed);
        line.stream.pieces.push_back(Ok(vec![0; 64]));
        assert!(line.take(Exchange::Echo).is_err());
    }

    #[test]
    fn a_request_is_sent_whole_or_not_at_all() {
        let mut line = Line::new(Script {
            room: Some(10),
            ..Script::default()
        });
        assert!(line.ask(Exchange::Hello, 0).is_err());
    }
}
