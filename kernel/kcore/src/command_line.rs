//! The boot command line: options of the kernel, then `init=PROGRAM` and its arguments.
//!
//! Words are separated by blanks; a part between double quotes is one with its blanks. A backslash
//! takes the next character as it is, but `\xNN` is the character with that hexadecimal number.

use alloc::{string::String, vec::Vec};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The words before `init=`, for the kernel.
    pub options: Vec<String>,
    /// The arguments of the first program; the first one is the program itself. Never empty.
    pub init: Vec<String>,
}

/// The line names no first program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoInit;

impl CommandLine {
    /// Splits a command line.
    ///
    /// # Errors
    /// [`NoInit`] if there is no `init=PROGRAM` in it.
    pub fn parse(line: &str) -> Result<Self, NoInit> {
        let mut options = Vec::new();
        let mut words = split(line).into_iter();
        while let Some(word) = words.next() {
            match word.strip_prefix("init=") {
                Some("") => return Err(NoInit),
                Some(program) => {
                    let init = core::iter::once(String::from(program))
                        .chain(words)
                        .collect();
                    return Ok(Self { options, init });
                }
                None => options.push(word),
            }
        }
        Err(NoInit)
    }
}

fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().extend(escaped(&mut rest)),
            c if c.is_ascii_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What stands after a backslash.
fn escaped(rest: &mut core::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        'x' => {
            let high = rest.next()?.to_digit(16)?;
            let low = rest.next()?.to_digit(16)?;
            char::from_u32(high << 4 | low)
        }
        other => Some(other),
    }
}

/// A word as [`CommandLine::parse`] reads it back, whatever is in it.
#[must_use]
pub fn quote(word: &str) -> String {
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_control() => quoted += &alloc::format!("\\x{:02x}", c as u32),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn splits_options_program_and_arguments() {
        let line = CommandLine::parse(" sched=rr  init=/fib \"a b\" \"\" 30 init=x ").unwrap();
        assert_eq!(line.options, ["sched=rr"]);
        assert_eq!(line.init, ["/fib", "a b", "", "30", "init=x"]);
    }

    #[test]
    fn a_line_without_a_program_is_refused() {
        for line in ["", "   ", "quiet", "init=", "xinit=/a", "init"] {
            assert_eq!(CommandLine::parse(line), Err(NoInit), "{line:?}");
        }
        assert_eq!(CommandLine::parse("init=\"/a").unwrap().init, ["/a"]);
    }

    #[test]
    fn a_quoted_word_is_read_back_whatever_is_in_it() {
        for word in [
            "",
            "a b",
            "\"",
            "\\x41\\",
            "tab\tline\n\x7f",
            "ünï\\",
            "init=",
        ] {
            let line = alloc::format!("init=/p {} end", quote(word));
            assert_eq!(CommandLine::parse(&line).unwrap().init, ["/p", word, "end"]);
        }
        let line = CommandLine::parse("init=/p\\ q a\\x4 \\").unwrap();
        assert_eq!(line.init, ["/p q", "a"], "half an escape is nothing");
    }

    proptest! {
        #[test]
        fn any_line_is_read_and_any_words_come_back(
            line in any::<std::string::String>(),
            words in prop::collection::vec(any::<std::string::String>(), 0..6),
        ) {
            let _ = CommandLine::parse(&line);
            let mut quoted = std::string::String::from("init=/p");
            for word in &words {
                quoted.push(' ');
                quoted.push_str(&quote(word));
            }
            let read = CommandLine::parse(&quoted).unwrap();
            prop_assert_eq!(&read.init[1..], &words[..]);
        }
    }
}
