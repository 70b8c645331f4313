//! One value a line, as JSON: what a measuring process tells the one that has started it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Gives the line, without a newline.
pub(crate) fn of(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("invariant: numbers and text can be written")
}

/// Reads the last line of a process's output that is such a value.
pub(crate) fn last<T: DeserializeOwned>(output: &str) -> Option<T> {
    output
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str(line).ok())
}
