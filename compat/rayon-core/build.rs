//! Cargo wants a build script beside a `links` key. There is nothing to build or to link: the key
//! alone makes cargo refuse a program with two crates of this name, and so with two global pools.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
