//! Prints its arguments and ends with a status: `echo STATUS WORD…`. What `start` and `exec` are tested
//! with; `echo exec STATUS WORD…` does it in a fresh program of the same process.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::ffi::CString;
use alloc::vec::Vec;

use user::{Args, print, println, process};

user::program!(main);

fn main(args: Args) -> i32 {
    if args.get(1) == Some("exec") {
        let words: Vec<CString> = (0..args.count())
            .filter(|index| *index != 1)
            .map(|index| CString::new(args.get(index).expect("UTF-8")).expect("no NUL in a word"))
            .collect();
        let words: Vec<_> = words.iter().map(CString::as_c_str).collect();
        panic!("{}", process::exec(c"/echo", &words));
    }
    for index in 2..args.count() {
        print!(
            "{}{}",
            if index > 2 { " " } else { "" },
            args.get(index).unwrap_or("?")
        );
    }
    println!();
    args.get(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}
