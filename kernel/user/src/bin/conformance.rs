//! The tests that every executor has to pass, for the model named by the argument, inside the kernel.
//!
//! A line a case, its name first and how it ended after, so that the console of a machine that hangs
//! names the case; then one line with the sums. A case that fails panics, and the process ends.
#![no_std]
#![no_main]

extern crate alloc;

use exec_core::Handle;
use exec_core::conformance::{Config, run_all};
use kernel_bridge::OneToOne;
use mini_executor::Runtime;
use user::kernel::Kernel;
use user::{Args, print, println};

user::program!(main);

/// The status of a wrong command line.
const WRONG_USAGE: i32 = 2;

/// Jobs that a case spawns at once: each may be a thread with a stack.
const MANY: usize = 300;

fn main(args: Args) -> i32 {
    let model = args.get(1).unwrap_or_default();
    let config = Config::default().many(MANY);
    let (make, config): (fn() -> Handle, Config) = match model {
        // `Now` is exit_group there.
        "one-to-one" => (one_to_one, config.now_ends_process(true)),
        "mini-executor" => (mini_executor, config),
        _ => {
            println!("conformance: no model '{model}' in the kernel");
            return WRONG_USAGE;
        }
    };
    let (passed, skipped) = run_all(&make, &config, &mut |case, outcome| match outcome {
        None => print!("{}: ", case.name),
        Some(Ok(())) => println!("ok"),
        Some(Err(why)) => println!("skipped, {}", why.0),
    });
    println!("conformance {model}: {passed} passed, {skipped} skipped");
    0
}

fn one_to_one() -> Handle {
    Handle::new(OneToOne::<Kernel>::new()).into_dyn()
}

/// Two workers, so that there is stealing also where there is one processor.
fn mini_executor() -> Handle {
    let runtime = Runtime::<Kernel>::on_ground().workers(2).build();
    Handle::new(runtime.expect("the kernel has threads for the workers")).into_dyn()
}
