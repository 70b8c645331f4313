//! Jobs whose result nobody waits for.

use alloc::vec::Vec;

use super::{
    Config, Make, Outcome,
    gate::{Count, CountsDrop, Gate},
};
use crate::Shutdown;

pub(super) fn execute_runs_without_a_handle(make: Make<'_>, config: &Config) -> Outcome {
    let handle = make();
    let ran = Count::default();
    for _ in 0..config.many {
        let ran = ran.clone();
        handle.execute(move || ran.add()).expect("accepted");
    }
    ran.wait_for(config.many, handle.ground());
    Ok(())
}

pub(super) fn a_dropped_handle_detaches(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let (gate, ran) = (Gate::default(), Count::default());
    let job = {
        let (gate, ran, inner) = (gate.clone(), ran.clone(), handle.clone());
        handle.spawn(move || {
            gate.wait(inner.ground());
            ran.add();
        })
    };
    drop(job);
    gate.open();
    ran.wait_for(1, handle.ground());
    Ok(())
}

pub(super) fn output_is_dropped_once_whoever_is_last(make: Make<'_>, config: &Config) -> Outcome {
    let handle = make();
    let drops = Count::default();
    let make_output = |drops: &Count| {
        let drops = drops.clone();
        move || CountsDrop(drops)
    };
    // The handle goes at once: before, during or after the job, as it happens.
    for _ in 0..config.many / 4 {
        handle.spawn(make_output(&drops)).detach();
    }
    // The handle goes when the job has ended.
    let job = handle.spawn(make_output(&drops));
    while !job.is_finished() {
        handle.ground().yield_now();
    }
    drop(job);
    // The output is taken.
    let jobs: Vec<_> = (0..config.many / 4)
        .map(|_| handle.spawn(make_output(&drops)))
        .collect();
    let outputs: Vec<_> = jobs
        .into_iter()
        .map(|job| job.join().expect("returns"))
        .collect();
    let taken = outputs.len();
    drop(outputs);
    assert_eq!(handle.shutdown(Shutdown::Drain).leaked, 0);
    assert_eq!(drops.get(), config.many / 4 + 1 + taken);
    Ok(())
}
