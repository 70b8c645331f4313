//! Jobs that borrow.

use super::{Config, Make, Outcome, gate::Count};

pub(super) fn borrows_from_the_stack(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let mut squares = [1_u32, 2, 3, 4, 5, 6, 7, 8];
    let seen = handle.scope(|s| {
        for n in &mut squares {
            s.spawn(move || *n *= *n);
        }
        "the value of the closure"
    });
    assert_eq!(seen, "the value of the closure");
    assert_eq!(squares, [1, 4, 9, 16, 25, 36, 49, 64]);
    Ok(())
}

pub(super) fn spawns_from_its_jobs(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let ran = Count::default();
    handle.scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                ran.add();
                s.spawn(|| {
                    ran.add();
                    s.spawn(|| ran.add());
                });
            });
        }
    });
    assert_eq!(ran.get(), 9);
    Ok(())
}

pub(super) fn nests_inside_jobs(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let total = Count::default();
    handle.scope(|outer| {
        for _ in 0..4 {
            let (handle, total) = (&handle, &total);
            outer.spawn(move || {
                handle.scope(|inner| {
                    inner.spawn(|| total.add());
                    inner.spawn(|| total.add());
                });
                // The inner scope has ended, so its jobs have run.
                assert!(total.get() >= 2);
            });
        }
    });
    assert_eq!(total.get(), 8);
    Ok(())
}

pub(super) fn may_be_empty(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    assert_eq!(handle.scope(|_| 5), 5);
    Ok(())
}
