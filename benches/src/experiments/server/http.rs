//! As much of HTTP/1.1 as a greeting needs: requests one after the other on a kept connection.
//!
//! The head is parsed by `httparse`. A body is allowed where its length is given, and skipped. What is
//! not understood is answered with an error, after which the connection ends: where the next request
//! would begin is not known then.

use httparse::{EMPTY_HEADER, Error, Request, Status};

/// The longest head that is taken.
pub(super) const LONGEST_HEAD: usize = 8 * 1024;

/// Header lines of one request.
const HEADERS: usize = 64;

/// What the bytes at the beginning of a connection's input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// Not all of a head yet.
    Partial,
    /// A request that can be answered.
    Request {
        /// Bytes of its head.
        head: usize,
        /// Bytes of its body, which follows.
        body: u64,
        /// What is answered.
        answer: Answer,
    },
    /// Something else: it is answered, and the connection ends.
    Refused(Answer),
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    status: &'static str,
    body: &'static str,
    /// Whether the body itself is left out, as for HEAD.
    head_only: bool,
    /// Whether the connection is kept.
    pub(super) keep: bool,
    /// Whether a client of HTTP/1.0 has to be told that it is kept.
    say_keep: bool,
}

impl Answer {
    const fn refusal(status: &'static str) -> Self {
        Self {
            status,
            body: "",
            head_only: false,
            keep: false,
            say_keep: false,
        }
    }

    /// Appends its bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let length = match self.body.len() {
            13 => "13",
            _ => "0",
        };
        for part in ["HTTP/1.1 ", self.status, "\r\ncontent-length: ", length] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(match (self.keep, self.say_keep) {
            (false, _) => b"\r\nconnection: close\r\n\r\n",
            (true, true) => b"\r\nconnection: keep-alive\r\n\r\n".as_slice(),
            (true, false) => b"\r\n\r\n",
        });
        if !self.head_only {
            out.extend_from_slice(self.body.as_bytes());
        }
    }
}

/// The greeting, whose 13 bytes [`Answer::write`] knows.
const GREETING: &str = "Hello, world!";

/// Parses one head.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let refused = |status| Parsed::Refused(Answer::refusal(status));
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut request = Request::new(&mut headers);
    let head = match request.parse(bytes) {
        Ok(Status::Complete(head)) if head <= LONGEST_HEAD => head,
        Ok(Status::Partial) if bytes.len() < LONGEST_HEAD => return Parsed::Partial,
        Ok(_) | Err(Error::TooManyHeaders) => {
            return refused("431 Request Header Fields Too Large");
        }
        Err(Error::Version) => return refused("505 HTTP Version Not Supported"),
        Err(_) => return refused("400 Bad Request"),
    };
    let is_new = request.version == Some(1);
    let mut keep = is_new;
    let mut body = None;
    let mut hosts = 0;
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("connection") {
            let options = header.value.split(|byte| *byte == b',');
            for option in options.map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    keep = false;
                    break;
                }
                keep |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if is("content-length") {
            match (length(header.value), body) {
                // Two that differ: one of them is a trap.
                (Some(new), Some(old)) if new != old => return refused("400 Bad Request"),
                (None, _) => return refused("400 Bad Request"),
                (new, _) => body = new,
            }
        } else if is("transfer-encoding") {
            return refused("501 Not Implemented");
        } else if is("host") {
            hosts += 1;
        }
    }
    if hosts > 1 || (is_new && hosts == 0) {
        return refused("400 Bad Request");
    }
    let (status, text) = match request.method {
        Some("GET" | "HEAD") => ("200 OK", GREETING),
        _ => ("405 Method Not Allowed\r\nallow: GET, HEAD", ""),
    };
    Parsed::Request {
        head,
        body: body.unwrap_or(0),
        answer: Answer {
            status,
            body: text,
            head_only: request.method == Some("HEAD"),
            keep,
            say_keep: keep && !is_new,
        },
    }
}

/// A length is digits only: a sign would be read differently by others.
fn length(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok()?.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: &[u8]) -> (String, bool) {
        let answer = match parse(bytes) {
            Parsed::Request { answer, .. } | Parsed::Refused(answer) => answer,
            Parsed::Partial => panic!("not whole: {}", bytes.escape_ascii()),
        };
        let mut out = Vec::new();
        answer.write(&mut out);
        (String::from_utf8(out).expect("text"), answer.keep)
    }

    fn status(bytes: &[u8]) -> String {
        answer(bytes).0[9..12].to_owned()
    }

    #[test]
    fn a_get_is_greeted_and_kept() {
        let (text, keep) = answer(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(
            text,
            "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, world!"
        );
        assert!(keep);
        let (text, _) = answer(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(text.ends_with("content-length: 13\r\n\r\n"), "{text}");
        assert_eq!(GREETING.len(), 13);
    }

    #[test]
    fn every_beginning_of_a_request_is_partial() {
        let whole = b"\r\nGET /a?b HTTP/1.1\r\nhost: a\r\naccept: */*\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), Parsed::Partial, "{end} bytes");
        }
        let Parsed::Request { head, body, .. } = parse(whole) else {
            panic!("a request");
        };
        assert_eq!((head, body), (whole.len(), 0));
    }

    #[test]
    fn who_asks_to_close_is_closed() {
        for (head, kept) in [
            ("GET / HTTP/1.1\r\nhost: a\r\nConnection: close", false),
            ("GET / HTTP/1.1\r\nhost: a\r\nconnection: te , Close", false),
            ("GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive", true),
            ("GET / HTTP/1.0", false),
            ("GET / HTTP/1.0\r\nconnection: Keep-Alive", true),
        ] {
            let (text, keep) = answer(format!("{head}\r\n\r\n").as_bytes());
            assert_eq!(keep, kept, "{head}");
            assert_eq!(text.contains("connection: close"), !kept, "{head}");
            let told = head.contains("HTTP/1.0") && kept;
            assert_eq!(text.contains("connection: keep-alive"), told, "{head}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (head, expected) in [
            ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3", "405"),
            ("GET / HTTP/1.1", "400"),
            ("GET / HTTP/1.1\r\nhost: a\r\nhost: b", "400"),
            ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: +3", "400"),
            (
                "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4",
                "400",
            ),
            (
                "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked",
                "501",
            ),
            ("GET / HTTP/2.0\r\nhost: a", "505"),
            ("nonsense\0", "400"),
        ] {
            assert_eq!(
                status(format!("{head}\r\n\r\n").as_bytes()),
                expected,
                "{head}"
            );
        }
    }

    #[test]
    fn a_head_has_an_end() {
        let mut long = b"GET / HTTP/1.1\r\nhost: a\r\nx: ".to_vec();
        long.resize(LONGEST_HEAD, b'x');
        assert_eq!(status(&long), "431");
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS + 1));
        assert_eq!(status(many.as_bytes()), "431");
    }
}
