//! A reader beside a writer sees whole events, in order.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use flight_recorder::{Event, Ring};

#[test]
fn a_reader_that_races_tears_no_event() {
    let ring = Ring::new();
    ring.begin(16);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Relaxed) {
                n += 1;
                ring.write(n, Event::Mark, n);
            }
        });
        let mut seen = 0;
        while seen < 1_000 {
            let entries = ring.read();
            for entry in &entries {
                assert_eq!(entry.at_ns, entry.argument, "a torn event");
            }
            assert!(entries.windows(2).all(|w| w[0].at_ns + 1 == w[1].at_ns));
            seen += usize::from(!entries.is_empty());
            thread::yield_now();
        }
        stop.store(true, Relaxed);
    });
}
