//! Counts the words of a text, map-reduce: real input, uneven jobs, results to merge.
//!
//! A word is a run of bytes between ASCII white space; bytes that are no UTF-8 are counted
//! like any others. The text is cut into chunks of about equal length at white space, each
//! chunk is one job of a scope that counts into a map of its own, and the caller merges the
//! maps.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use exec_core::{Executor, Handle};

use crate::mix::mix;

/// Counts by word.
pub type Counts<'text> = BTreeMap<&'text [u8], u64>;

/// Counts the words of `text` in `chunks` jobs and returns the checksum of the counts.
///
/// # Panics
/// Where a shutdown drops a job of the scope.
///
/// # Blocking
/// Until every job has ended.
pub fn run<E: Executor + ?Sized>(handle: &Handle<E>, chunks: u64, text: &[u8]) -> u64 {
    let chunks = split(text, chunks);
    let mut maps: Vec<Counts<'_>> = chunks.iter().map(|_| Counts::new()).collect();
    handle.scope(|scope| {
        for (chunk, map) in chunks.iter().zip(&mut maps) {
            scope.spawn(move || *map = count(chunk));
        }
    });
    reduce(maps)
}

/// The same checksum from the sorted list of all words.
#[must_use]
pub fn serial(text: &[u8]) -> u64 {
    let mut all: Vec<&[u8]> = words(text).collect();
    all.sort_unstable();
    all.chunk_by(|a, b| a == b).fold(0, |sum, run| {
        sum.wrapping_add(weight(run[0], run.len() as u64))
    })
}

/// Counts the words of one chunk.
#[must_use]
pub fn count(chunk: &[u8]) -> Counts<'_> {
    let mut counts = Counts::new();
    for word in words(chunk) {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

/// Merges the counts of all chunks and returns their checksum.
#[must_use]
pub fn reduce(maps: Vec<Counts<'_>>) -> u64 {
    let mut total = Counts::new();
    for map in maps {
        for (word, number) in map {
            *total.entry(word).or_insert(0) += number;
        }
    }
    total.iter().fold(0, |sum, (word, number)| {
        sum.wrapping_add(weight(word, *number))
    })
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

/// What a word and its number add to the checksum.
fn weight(word: &[u8], number: u64) -> u64 {
    let name = word.iter().fold(word.len() as u64, |state, byte| {
        mix(state ^ u64::from(*byte))
    });
    mix(name ^ number)
}

/// Cuts a text into at most `chunks` pieces that end at white space, none of them
/// empty.
#[must_use]
pub fn split(text: &[u8], chunks: u64) -> Vec<&[u8]> {
    let chunks = usize::try_from(chunks).unwrap_or(usize::MAX).max(1);
    let length = text.len().div_ceil(chunks).max(1);
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let tail = rest.get(length..).unwrap_or_default();
        let end = tail
            .iter()
            .position(u8::is_ascii_whitespace)
            .map_or(rest.len(), |more| length + more);
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum(counts: &[(&str, u64)]) -> u64 {
        counts.iter().fold(0, |sum, (word, n)| {
            sum.wrapping_add(weight(word.as_bytes(), *n))
        })
    }

    #[test]
    fn words_are_counted_by_name() {
        let expected = checksum(&[("a", 2), ("b", 1), ("\u{e9}t\u{e9}", 1)]);
        assert_eq!(serial("a b\n\ta  \u{e9}t\u{e9}\r\n".as_bytes()), expected);
        assert_ne!(serial(b"a b a a"), expected);
    }

    #[test]
    fn bytes_that_are_no_text_are_words_too() {
        assert_ne!(serial(&[0xff, b' ', 0xfe]), serial(&[0xff, b' ', 0xff]));
        assert_eq!(serial(b" \n"), 0);
    }

    #[test]
    fn chunks_cut_no_word_and_lose_none() {
        let text = b"one two  three\nfour five sixsixsixsixsixsix seven ";
        for chunks in [0, 1, 2, 3, 7, 50, 1_000] {
            let pieces = split(text, chunks);
            assert!(pieces.len() as u64 <= chunks.max(1), "{chunks}: {pieces:?}");
            assert_eq!(pieces.concat(), text, "{chunks}");
            let found: Vec<&[u8]> = pieces.iter().flat_map(|piece| words(piece)).collect();
            assert_eq!(found, words(text).collect::<Vec<_>>(), "{chunks}");
        }
        assert!(split(b"", 4).is_empty());
    }
}
