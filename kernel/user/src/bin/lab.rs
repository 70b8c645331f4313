//! One program of the comparison under one model, and one line about it:
//!
//! ```text
//! lab model=one-to-one workload=fib param=15 ns=123 voluntary=4 involuntary=5 checksum=610
//! ```
//!
//! Arguments: model, program, parameter, processors, and a file for programs that read a text; several
//! programs and their parameters with commas in between. A last word `trace` records the measured run
//! of each program and sends the kernel's chart of it over the second serial line.
//! The program runs once unmeasured, so that stacks are mapped and workers have run. The
//! expected checksum is computed by whoever started the machine.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::ffi::CString;
use alloc::vec::Vec;

use exec_core::{Executor, Handle};
use kernel_bridge::OneToOne;
use mini_executor::Runtime;
use user::kernel::{Kernel, schedule, trace};
use user::syscall::{self, Errno};
use user::{Args, chart, println};
use workloads::Workload;

user::program!(main);

/// The status of a wrong command line.
const WRONG_USAGE: i32 = 2;

fn main(args: Args) -> i32 {
    let (Some(model), Some(workload)) = (args.get(1), args.get(2)) else {
        println!("lab: MODEL PROGRAM[,PROGRAM…] PARAMETER[,PARAMETER…] PROCESSORS [FILE [trace]]");
        return WRONG_USAGE;
    };
    let cpus = args.number(4, 1) as usize;
    let Some(handle) = build(model, cpus) else {
        println!("lab: no model '{model}' in the kernel");
        return WRONG_USAGE;
    };
    let text = match args.get(5).map(read_file) {
        None => Vec::new(),
        Some(Ok(text)) => text,
        Some(Err(error)) => {
            println!("lab: can't read the text: {error:?}");
            return 1;
        }
    };
    let traced = args.get(6) == Some("trace");
    let mut params = args.get(3).unwrap_or("0").split(',');
    for workload in workload.split(',') {
        let param = params.next().and_then(|param| param.parse().ok());
        let status = match (workload.parse::<Workload>(), param) {
            (Ok(workload), Some(param)) => sample(&handle, model, workload, param, &text, traced),
            (Ok(_), None) => {
                println!("lab: a number for each program");
                WRONG_USAGE
            }
            (Err(error), _) => {
                println!("lab: {error}");
                WRONG_USAGE
            }
        };
        if status != 0 {
            return status;
        }
    }
    0
}

/// Runs one program and prints its line; returns the status.
fn sample<E: Executor + ?Sized>(
    handle: &Handle<E>,
    model: &str,
    workload: Workload,
    param: u64,
    text: &[u8],
    traced: bool,
) -> i32 {
    if let Err(error) = workload.run(handle, param, text) {
        println!("lab: {workload} could not be run: {error}");
        return 1;
    }
    if traced {
        trace::begin();
    }
    let switches = syscall::process_stats();
    let start = syscall::clock();
    let answer = workload.run(handle, param, text);
    let ns = syscall::clock() - start;
    let after = syscall::process_stats();
    if traced {
        trace::end();
        chart::tell(workload.name(), &chart::chart(&schedule::threads()));
    }
    let voluntary = after.voluntary - switches.voluntary;
    let involuntary = after.involuntary - switches.involuntary;
    match answer {
        Ok(checksum) => {
            println!(
                "lab model={model} workload={workload} param={param} ns={ns} \
                 voluntary={voluntary} involuntary={involuntary} checksum={checksum}"
            );
            0
        }
        Err(error) => {
            println!("lab: {workload} could not be run again: {error}");
            1
        }
    }
}

fn build(model: &str, cpus: usize) -> Option<Handle> {
    match model {
        "mini-executor" => {
            let runtime = Runtime::<Kernel>::on_ground().workers(cpus).build();
            Some(Handle::new(runtime.expect("the kernel has threads for the workers")).into_dyn())
        }
        "one-to-one" => Some(Handle::new(OneToOne::<Kernel>::new()).into_dyn()),
        _ => None,
    }
}

fn read_file(path: &str) -> Result<Vec<u8>, Errno> {
    let path = CString::new(path).expect("invariant: an argument has no zero byte inside");
    let fd = syscall::open(&path)?;
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match syscall::read(fd, &mut chunk)? {
            0 => break,
            count => text.extend_from_slice(&chunk[..count]),
        }
    }
    syscall::close(fd)?;
    Ok(text)
}
