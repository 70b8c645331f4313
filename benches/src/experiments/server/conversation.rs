//! What a server says to what it hears, without any socket: the same for each architecture.

use super::http::{self, Parsed};
use crate::sockets::Exchange;

/// One connection's side of a protocol.
#[derive(Debug)]
pub(super) struct Conversation {
    exchange: Exchange,
    /// The beginning of a request, where it came in pieces.
    inbox: Vec<u8>,
    /// Bytes of a body that are still to come, and are skipped.
    skip: u64,
    is_over: bool,
}

impl Conversation {
    pub(super) fn new(exchange: Exchange) -> Self {
        Self {
            exchange,
            inbox: Vec::new(),
            skip: 0,
            is_over: false,
        }
    }

    /// Takes what has come, and appends what is to be answered.
    pub(super) fn hear(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.exchange {
            _ if self.is_over => {}
            Exchange::Echo => out.extend_from_slice(bytes),
            Exchange::Hello if self.inbox.is_empty() => {
                let used = self.requests(bytes, out);
                self.inbox.extend_from_slice(&bytes[used..]);
            }
            Exchange::Hello => {
                let mut inbox = std::mem::take(&mut self.inbox);
                inbox.extend_from_slice(bytes);
                let used = self.requests(&inbox, out);
                inbox.drain(..used);
                self.inbox = inbox;
            }
        }
    }

    /// Whether the connection ends once everything has been sent.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Answers each whole request; says how many bytes these were.
    fn requests(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut used = 0;
        while used < bytes.len() && !self.is_over {
            let rest = &bytes[used..];
            if self.skip > 0 {
                let here = self.skip.min(rest.len() as u64);
                self.skip -= here;
                used += here as usize;
                continue;
            }
            match http::parse(rest) {
                Parsed::Partial => return used,
                Parsed::Request { head, body, answer } => {
                    answer.write(out);
                    used += head;
                    self.skip = body;
                    self.is_over = !answer.keep;
                }
                Parsed::Refused(answer) => {
                    answer.write(out);
                    self.is_over = true;
                }
            }
        }
        if self.is_over { bytes.len() } else { used }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    /// The answers to some bytes that come in pieces of a length.
    fn answers(text: &str, piece: usize) -> (String, bool) {
        let mut conversation = Conversation::new(Exchange::Hello);
        let mut out = Vec::new();
        for bytes in text.as_bytes().chunks(piece) {
            conversation.hear(bytes, &mut out);
        }
        let text = String::from_utf8(out).expect("text");
        (text, conversation.is_over())
    }

    #[test]
    fn pieces_make_no_difference() {
        let with_body = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 30\r\n\r\n";
        let text = format!(
            "{GET}{GET}{with_body}{}{GET}",
            "GET / HTTP/1.1\r\n\r\n".repeat(2) + "x"
        );
        let whole = format!("{GET}{GET}{with_body}{}{GET}", "x".repeat(30));
        let (expected, _) = answers(&whole, whole.len());
        assert_eq!(expected.matches("200 OK").count(), 3, "{expected}");
        assert_eq!(expected.matches("405").count(), 1, "{expected}");
        for piece in 1..whole.len() {
            assert_eq!(answers(&whole, piece), (expected.clone(), false), "{piece}");
        }
        // What is too long for the body is a request of its own, and this one has no host.
        assert!(answers(&text, 7).1);
    }

    #[test]
    fn nothing_is_answered_after_the_end() {
        let close = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        for piece in [1, 10, 1000] {
            let (text, is_over) = answers(&format!("{close}{GET}"), piece);
            assert_eq!(text.matches("200 OK").count(), 1, "{text}");
            assert!(is_over);
        }
        let (text, is_over) = answers(&format!("no request\r\n\r\n{GET}"), 1000);
        assert!(text.starts_with("HTTP/1.1 400") && is_over, "{text}");
    }

    #[test]
    fn an_echo_is_what_came() {
        let mut conversation = Conversation::new(Exchange::Echo);
        let mut out = Vec::new();
        conversation.hear(b"ab", &mut out);
        conversation.hear(b"c", &mut out);
        assert_eq!(out, b"abc");
        assert!(!conversation.is_over());
    }
}
