//! A connection that doesn't block: what loops and pools do when there is something to do on it.

use std::io::{self, ErrorKind, Read, Write};

use super::conversation::Conversation;
use crate::sockets::Exchange;

/// What a connection is read into at once.
pub(super) const ROOM: usize = 1024;

/// A connection, what is said on it, and what could not be sent yet.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    conversation: Conversation,
    outbox: Vec<u8>,
    /// Bytes of the outbox that have been sent.
    sent: usize,
}

impl<S: Read + Write> Connection<S> {
    pub(super) fn new(stream: S, exchange: Exchange) -> Self {
        Self {
            stream,
            conversation: Conversation::new(exchange),
            outbox: Vec::new(),
            sent: 0,
        }
    }

    /// Does what can be done without waiting; false once the connection is over.
    ///
    /// Everything is read that has come, until the system says so or gives less than there was room
    /// for: whoever waits for edges hears of the rest. That does not hold for the end of the input,
    /// which may have come with its last bytes: after an event that told of it, `to_the_end`, there
    /// will be no other. Nothing is read while an answer can't be sent.
    pub(super) fn serve(&mut self, to_the_end: bool) -> bool {
        self.try_serve(to_the_end).unwrap_or(false)
    }

    fn try_serve(&mut self, to_the_end: bool) -> io::Result<bool> {
        let mut room = [0; ROOM];
        while self.flush()? {
            if self.conversation.is_over() {
                return Ok(false);
            }
            let read = match self.stream.read(&mut room) {
                Ok(0) => return Ok(false),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.conversation.hear(&room[..read], &mut self.outbox);
            if read < ROOM && !to_the_end && !self.conversation.is_over() {
                self.flush()?;
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// Sends what there is to send; false while there is no room for all of it.
    fn flush(&mut self) -> io::Result<bool> {
        while self.sent < self.outbox.len() {
            match self.stream.write(&self.outbox[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.outbox.clear();
        self.sent = 0;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A socket of which every call does as little as it may.
    #[derive(Default)]
    struct Slow {
        input: VecDeque<Vec<u8>>,
        output: Vec<u8>,
        /// Bytes that can be written before the next call would block.
        room: usize,
        ended: bool,
    }

    impl Read for &mut Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.input.pop_front() {
                Some(piece) => {
                    buffer[..piece.len()].copy_from_slice(&piece);
                    Ok(piece.len())
                }
                None if self.ended => Ok(0),
                None => Err(ErrorKind::WouldBlock.into()),
            }
        }
    }

    impl Write for &mut Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.room.min(bytes.len()).min(3);
            if taken == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.room -= taken;
            self.output.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn short_reads_and_short_writes_lose_nothing() {
        let message: Vec<u8> = (0..=255).collect();
        let mut slow = Slow::default();
        let mut connection = Connection::new(&mut slow, Exchange::Echo);
        for piece in message.chunks(7) {
            connection.stream.input.push_back(piece.to_vec());
            // An edge for the input; some have no room at all to answer.
            assert!(connection.serve(false));
            connection.stream.room += 5;
            // An edge for the room.
            assert!(connection.serve(false));
        }
        for _ in 0..message.len() {
            connection.stream.room += 5;
            assert!(connection.serve(false));
        }
        assert_eq!(slow.output, message);
    }

    #[test]
    fn it_reads_on_only_when_it_could_answer() {
        let mut slow = Slow::default();
        slow.input.extend([vec![1; 10], vec![2; 10]]);
        let mut connection = Connection::new(&mut slow, Exchange::Echo);
        assert!(connection.serve(false));
        assert!(connection.serve(false));
        assert_eq!(connection.stream.input.len(), 1, "one was read too many");
    }

    #[test]
    fn the_end_is_an_end_on_both_sides() {
        let mut slow = Slow {
            ended: true,
            ..Slow::default()
        };
        assert!(!Connection::new(&mut slow, Exchange::Echo).serve(false));
        let mut slow = Slow {
            room: 1000,
            ended: true,
            ..Slow::default()
        };
        slow.input.push_back(b"a".to_vec());
        assert!(!Connection::new(&mut slow, Exchange::Echo).serve(true));
        assert_eq!(slow.output, b"a", "the end came with the last bytes");
        let mut slow = Slow {
            room: 1000,
            ..Slow::default()
        };
        slow.input.push_back(b"GET / HTTP/1.0\r\n\r\n".to_vec());
        assert!(!Connection::new(&mut slow, Exchange::Hello).serve(false));
        assert!(slow.output.ends_with(b"Hello, world!"), "answered first");
    }
}
