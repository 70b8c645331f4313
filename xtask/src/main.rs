//! The project commands: compare, test, loom, kernel.
fn main() {}
