//! What isolation is for: a parser of what strangers send, with a bug, and a pool that survives it.

use std::time::Duration;

use pool_process::{Function, JobError, ProcessPool};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Picture {
    width: u32,
    height: u32,
}

/// Reads `WIDTHxHEIGHT`; and, as real parsers do, breaks on what nobody has thought of.
static PARSE: Function<String, Picture> = Function::new("parse", |text| {
    match text.as_str() {
        "bomb" => drop(std::hint::black_box(vec![1_u8; 8 << 30])),
        "loop" => loop {
            std::hint::spin_loop();
        },
        "corrupt" => std::process::abort(),
        _ => {}
    }
    let (width, height) = text.split_once('x').expect("a width and a height");
    Picture {
        width: width.parse().expect("a number"),
        height: height.parse().expect("a number"),
    }
});

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pool_process::init(&[&PARSE]);
    let pool = ProcessPool::builder()
        .workers(2)
        .name("parser")
        .memory_limit(1 << 30)
        .time_limit(Duration::from_secs(3))
        .build()?;
    let texts = ["4x3", "bomb", "16x9", "loop", "corrupt", "nonsense", "21x9"];
    let jobs: Vec<_> = texts
        .iter()
        .map(|text| (text, pool.spawn(&PARSE, text.to_string())))
        .collect();
    let mut fine = 0;
    for (text, job) in jobs {
        match job.join() {
            Ok(picture) => {
                fine += 1;
                println!("{text}: {picture:?}");
            }
            Err(JobError::Panicked(why)) => println!("{text}: it says: {why}"),
            Err(error) => println!("{text}: {error}"),
        }
    }
    assert_eq!(fine, 3);
    println!("{}", pool.worker_stats());
    Ok(())
}
