//! A spawned closure runs once and its result arrives.

use alloc::vec::Vec;

use super::{
    Config, Make, Outcome,
    gate::{Count, CountsDrop},
};
use crate::Shutdown;

pub(super) fn returns_the_result(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let job = handle.spawn(|| 6 * 7);
    assert_eq!(job.join().expect("the job returns"), 42);
    Ok(())
}

pub(super) fn runs_each_job_once(make: Make<'_>, config: &Config) -> Outcome {
    let handle = make();
    let ran = Count::default();
    let jobs: Vec<_> = (0..config.many)
        .map(|n| {
            let ran = ran.clone();
            handle.spawn(move || {
                ran.add();
                n
            })
        })
        .collect();
    for (n, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.join().expect("the job returns"), n);
    }
    assert_eq!(ran.get(), config.many);
    Ok(())
}

pub(super) fn runs_jobs_that_jobs_spawn(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let inner = handle.clone();
    let outer = handle.spawn(move || inner.spawn(|| 7));
    let inner = outer.join().expect("the outer job returns");
    assert_eq!(inner.join().expect("the inner job returns"), 7);
    Ok(())
}

pub(super) fn takes_closures_of_any_shape(make: Make<'_>, _: &Config) -> Outcome {
    #[repr(align(128))]
    struct Aligned(u8);

    let handle = make();
    handle.spawn(|| ()).join().expect("nothing captured");
    let word = 5_usize;
    assert_eq!(
        handle
            .spawn(move || word)
            .join()
            .expect("one word captured"),
        5
    );
    let big = [3_u8; 4096];
    let sum = handle.spawn(move || big.iter().map(|&b| u32::from(b)).sum::<u32>());
    assert_eq!(sum.join().expect("4 KiB captured"), 3 * 4096);
    let aligned = Aligned(9);
    let job = handle.spawn(move || {
        // The whole value, so that the closure holds it and not a copy of its field.
        let aligned = aligned;
        let at = (&raw const aligned).addr();
        (at % 128, aligned.0)
    });
    assert_eq!(job.join().expect("an over-aligned value captured"), (0, 9));
    let returned = handle
        .spawn(|| [7_u64; 300])
        .join()
        .expect("a large result");
    assert_eq!(returned, [7; 300]);
    Ok(())
}

pub(super) fn drops_captures_once(make: Make<'_>, config: &Config) -> Outcome {
    let handle = make();
    let drops = Count::default();
    for _ in 0..config.many / 8 {
        let held = CountsDrop(drops.clone());
        handle.execute(move || drop(held)).expect("accepted");
        let held = CountsDrop(drops.clone());
        handle.spawn(move || drop(held)).detach();
        let held = CountsDrop(drops.clone());
        // Cancelled or not, the capture is dropped.
        let job = handle.spawn(move || drop(held));
        let _ = job.cancel();
    }
    let report = handle.shutdown(Shutdown::Drain);
    assert_eq!(report.leaked, 0);
    drop(handle);
    assert_eq!(drops.get(), config.many / 8 * 3);
    Ok(())
}

pub(super) fn tells_its_caps(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let caps = handle.caps();
    assert!(!caps.model.is_empty(), "a model has a name");
    assert!(handle.ground().parallelism() >= 1);
    let before = handle.ground().now();
    handle.spawn(|| ()).join().expect("the job returns");
    assert!(
        handle.ground().now() >= before,
        "the ground's clock does not go back"
    );
    Ok(())
}
