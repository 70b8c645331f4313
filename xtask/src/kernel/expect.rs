//! Compares what a console showed with what was expected, line by line.
//!
//! The kernel's own lines start with [`KERNEL`]. Those that are not expected are passed over: how
//! the kernel greets is not the tests' business. Every other line must be expected, in its place. A
//! `*` in an expected line stands for any text, such as an address; a line [`ANY`] for any number of
//! lines, up to the first that matches what follows it.

/// How every line of the kernel itself starts.
const KERNEL: &str = "kernel: ";

/// An expected line that stands for any lines.
pub(super) const ANY: &str = "...";

/// Checks `console` against `expected`; the error says which line is wrong.
pub(super) fn check(console: &str, expected: &[&str]) -> Result<(), String> {
    let mut wanted = expected.iter().copied();
    let mut next = wanted.next();
    let mut any = false;
    for line in console
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
    {
        while next == Some(ANY) {
            (any, next) = (true, wanted.next());
        }
        match next {
            Some(pattern) if matches(pattern, line) => (any, next) = (false, wanted.next()),
            _ if any || line.starts_with(KERNEL) => {}
            Some(pattern) => return Err(format!("expected '{pattern}', found '{line}'")),
            None => return Err(format!("expected nothing more, found '{line}'")),
        }
    }
    match next.filter(|pattern| *pattern != ANY) {
        None => Ok(()),
        Some(pattern) => Err(format!("expected '{pattern}', found the end")),
    }
}

/// Whether `line` is `pattern` with any text for each `*`.
pub(super) fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("a", "a"));
        assert!(!matches("a", "ab"));
        assert!(matches("thread * at *", "thread 7 at 0x10"));
        assert!(matches("*", ""));
        assert!(matches("a*b*c", "a1b2b3c"));
        assert!(!matches("a*b*c", "a1c"));
        assert!(!matches("aa*aa", "aaa"), "the ends may not share text");
    }

    #[test]
    fn dots_stand_for_any_lines() {
        let console = "one\ntwo\nthree\nfour\n";
        assert_eq!(check(console, &["one", ANY, "four"]), Ok(()));
        assert_eq!(check(console, &[ANY, "three", "four"]), Ok(()));
        assert_eq!(check(console, &["one", ANY]), Ok(()));
        assert!(
            check(console, &[ANY, "three"]).is_err(),
            "a line after the last"
        );
        assert!(check(console, &["one", ANY, "five"]).is_err());
        assert!(check(console, &[ANY, "two", "one"]).is_err());
    }

    #[test]
    fn unexpected_lines_of_the_kernel_are_passed_over_and_others_are_not() {
        let console =
            "kernel: 2 cpus\none\nkernel: noise\ntwo\nkernel: init exited with status 3\n";
        assert_eq!(check(console, &["one", "two"]), Ok(()));
        assert_eq!(
            check(
                console,
                &["one", "two", "kernel: init exited with status 3"]
            ),
            Ok(())
        );
        assert!(check(console, &["two", "one"]).is_err());
        assert!(check(console, &["one"]).is_err(), "an unexpected line");
        assert!(
            check(console, &["one", "two", "three"]).is_err(),
            "a missing line"
        );
        assert!(
            check(
                console,
                &["one", "two", "kernel: init exited with status 4"]
            )
            .is_err()
        );
    }
}
