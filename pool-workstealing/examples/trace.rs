//! Writes what a pool did as a trace: open `trace.json` in Perfetto or `chrome://tracing`.
//!
//! `cargo run --example trace [FILE]`

use std::{error::Error, fs::File, io::BufWriter};

use pool_workstealing::{ThreadPool, Worker};

fn fib(worker: &Worker, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = worker.join(|w| fib(w, n - 1), |w| fib(w, n - 2));
    a + b
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1);
    let path = path.as_deref().unwrap_or("trace.json");
    let pool = ThreadPool::new(0)?;
    pool.start_recording(1 << 14);
    for n in 20..30 {
        let sum = pool.install_worker(|worker| fib(worker, n));
        pool.spawn(move || println!("fib({n}) = {sum}"));
    }
    pool.scope(|s| {
        for n in 0..64 {
            s.spawn(move |_| {
                std::hint::black_box((0..n * 1_000).sum::<u64>());
            });
        }
    });
    let recording = pool.stop_recording();
    recording.write_chrome_trace(BufWriter::new(File::create(path)?))?;
    println!("{} spans in {path}", recording.len());
    for (index, stats) in pool.worker_stats().iter().enumerate() {
        println!("worker {index}: {stats:?}");
    }
    Ok(())
}
