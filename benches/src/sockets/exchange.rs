//! What is asked, and what has to come back.

use anyhow::ensure;

/// Bytes of a message that is echoed.
const MESSAGE: usize = 64;

/// What a web server is asked.
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// The end of what it answers.
const HELLO: &[u8] = b"\r\n\r\nHello, world!";

/// What is sent, and what has to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Exchange {
    /// Some bytes, and the same again.
    Echo,
    /// A request of HTTP/1.1, and a greeting.
    Hello,
}

/// Room for the longest request that is made anew each time.
pub(crate) type Room = [u8; MESSAGE];

impl Exchange {
    /// The name on the command line and in the benches.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Hello => "hello",
        }
    }

    /// The bytes of a request.
    pub(crate) fn request(self, number: u64, room: &mut Room) -> &[u8] {
        match self {
            Self::Echo => {
                for word in room.chunks_exact_mut(8) {
                    word.copy_from_slice(&number.to_le_bytes());
                }
                room
            }
            Self::Hello => GET,
        }
    }

    /// Whether all of its answer has come.
    ///
    /// # Errors
    /// Where the answer is wrong.
    pub(crate) fn is_whole(self, number: u64, answer: &[u8]) -> anyhow::Result<bool> {
        match self {
            Self::Echo => {
                let number = number.to_le_bytes();
                let right = answer.chunks(8).all(|word| number.starts_with(word));
                ensure!(right && answer.len() <= MESSAGE, "a wrong echo");
                Ok(answer.len() == MESSAGE)
            }
            Self::Hello => {
                let whole = answer.ends_with(HELLO);
                let right = !whole || answer.starts_with(b"HTTP/1.1 200 OK\r\n");
                ensure!(right && answer.len() < 512, "a wrong answer");
                Ok(whole)
            }
        }
    }
}
