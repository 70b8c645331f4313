//! The boot command line: options of the kernel, then `init=PROGRAM` and its arguments.
//!
//! Words are separated by blanks; a part between double quotes is taken as it is, blanks included.

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
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_ascii_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
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
}
