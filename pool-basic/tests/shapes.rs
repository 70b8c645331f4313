//! Closures of any size and alignment.

mod watchdog;

use std::thread;

use pool_basic::{Queue, ThreadPool};
use watchdog::watched;

#[repr(align(256))]
struct Aligned([u8; 256]);

/// Unoptimised code moves a large closure over the stack several times.
const ROOMY: usize = 64 << 20;

#[test]
fn nothing_a_few_words_a_megabyte_and_odd_alignments() {
    watched(|| {
        thread::Builder::new()
            .stack_size(ROOMY)
            .spawn(all_shapes)
            .expect("one thread")
            .join()
            .expect("no panic");
    });
}

fn all_shapes() {
    for queue in [Queue::Locked, Queue::Mpsc, Queue::Crossbeam] {
        let pool = ThreadPool::builder()
            .threads(2)
            .queue(queue)
            .stack_size(ROOMY)
            .build()
            .expect("two threads");
        let (tell, told) = std::sync::mpsc::channel();
        pool.execute(|| ()).expect("nothing captured");
        let small = (tell.clone(), [1_u64; 2]);
        pool.execute(move || small.0.send(small.1.iter().sum()).expect("heard"))
            .expect("a few words");
        let (large, send) = (Box::new([1_u8; 1 << 20]), tell.clone());
        let large = *large;
        pool.execute(move || {
            let sum = large.iter().map(|n| u64::from(*n)).sum();
            send.send(sum).expect("heard");
        })
        .expect("a megabyte");
        let aligned = Aligned([2; 256]);
        pool.execute(move || {
            let aligned = aligned;
            assert_eq!((&raw const aligned).addr() % 256, 0);
            let sum = aligned.0.iter().map(|n| u64::from(*n)).sum();
            tell.send(sum).expect("heard");
        })
        .expect("an odd alignment");
        let mut sums: Vec<u64> = told.iter().collect();
        sums.sort_unstable();
        assert_eq!(sums, [2, 512, 1 << 20]);
        assert_eq!(pool.stats().panicked, 0);
    }
}
