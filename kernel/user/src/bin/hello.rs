//! The least program: prints its arguments and ends with status 0.
#![no_std]
#![no_main]

use user::{Args, println};

user::program!(main);

fn main(args: Args) -> i32 {
    println!("hello from ring 3: {} arguments", args.count());
    for index in 0..args.count() {
        println!("  {index}: {}", args.get(index).unwrap_or("(not text)"));
    }
    0
}
