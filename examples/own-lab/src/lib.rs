//! Some work of one's own, written once against the common handle, and the lab that asks which model
//! suits it.

#![forbid(unsafe_code)]

use benches::{Handle, Lab, Model};

/// The shelves of a made-up library: how many books, and how many of them are lent.
const SHELVES: u64 = 64;

/// How many books are lent: a job a shelf.
#[must_use]
pub fn lent_books(handle: &Handle) -> u64 {
    let jobs: Vec<_> = (0..SHELVES)
        .map(|shelf| handle.spawn(move || lent_on(shelf)))
        .collect();
    let lent = jobs.into_iter().map(|job| job.join().expect("no panic"));
    lent.sum()
}

/// The longest title, by halving the shelves.
#[must_use]
pub fn longest_title(handle: &Handle, from: u64, to: u64) -> u64 {
    if to - from <= 4 {
        return (from..to).map(title).max().unwrap_or(0);
    }
    let middle = from + (to - from) / 2;
    let (left, right) = handle.join(
        || longest_title(handle, from, middle),
        || longest_title(handle, middle, to),
    );
    left.max(right)
}

/// Every book is a number, and lent if that number's mix is even.
fn lent_on(shelf: u64) -> u64 {
    let books = shelf * 100..(shelf + 1) * 100;
    books.filter(|book| mixed(*book).is_multiple_of(2)).count() as u64
}

fn title(shelf: u64) -> u64 {
    let books = shelf * 100..(shelf + 1) * 100;
    books.map(|book| mixed(book) % 120).max().unwrap_or(0)
}

/// A number whose bits look random.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ (number >> 29)
}

/// The lab: two workloads, one of them at two sizes, under every model.
#[must_use]
pub fn lab() -> Lab {
    Lab::new()
        .title("A library's books under every model")
        .workload("lent books", lent_books)
        .workload("longest title/64", |handle: &Handle| {
            longest_title(handle, 0, 64)
        })
        .workload("longest title/512", |handle: &Handle| {
            longest_title(handle, 0, 512)
        })
        .models(Model::all())
}
