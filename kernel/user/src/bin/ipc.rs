//! The tests that every ground's IPC has to pass, inside the kernel: a line a case, then the sum.
#![no_std]
#![no_main]

extern crate alloc;

use exec_core::Handle;
use kernel_bridge::OneToOne;
use kernel_bridge::ipc::conformance;
use user::kernel::Kernel;
use user::{Args, println};

user::program!(main);

fn main(_: Args) -> i32 {
    let handle = Handle::new(OneToOne::<Kernel>::new()).into_dyn();
    let count = conformance::run_all(Kernel, &handle, &mut |case| println!("{case}"));
    println!("ipc: {count} passed");
    0
}
