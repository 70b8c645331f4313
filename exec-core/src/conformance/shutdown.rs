//! Every accepted job runs, or its joiner hears why not.

use alloc::vec::Vec;
use core::{future::pending, time::Duration};

use super::{
    Config, Make, Outcome, Skipped,
    gate::{Count, CountsDrop, Gate},
};
use crate::{Handle, JoinError, JoinHandle, Reason, Shutdown};

pub(super) fn drain_runs_everything(make: Make<'_>, config: &Config) -> Outcome {
    let handle = make();
    let ran = Count::default();
    for _ in 0..config.many {
        let ran = ran.clone();
        handle.execute(move || ran.add()).expect("accepted");
    }
    let report = handle.shutdown(Shutdown::Drain);
    assert_eq!(ran.get(), config.many, "a drain runs what was accepted");
    assert!(report.is_clean(), "{report}");
    Ok(())
}

pub(super) fn refuses_afterwards_and_hands_back(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    assert!(handle.shutdown(Shutdown::Drain).is_clean());
    match handle.spawn(|| 1).join() {
        Err(JoinError::Rejected(Reason::ShutDown)) => {}
        other => panic!("spawn after shutdown: {other:?}"),
    }
    match handle.spawn_async(async { 1 }).join() {
        Err(JoinError::Rejected(Reason::ShutDown)) => {}
        other => panic!("spawn_async after shutdown: {other:?}"),
    }
    let refused = handle
        .try_spawn(|| 5)
        .expect_err("try_spawn after shutdown");
    assert_eq!(refused.reason, Reason::ShutDown);
    assert_eq!((refused.into_job())(), 5, "the closure came back unharmed");
    let ran = Count::default();
    let counted = ran.clone();
    let refused = handle
        .execute(move || counted.add())
        .expect_err("execute after shutdown");
    assert_eq!(refused.reason, Reason::ShutDown);
    assert_eq!(ran.get(), 0);
    refused.job.run().expect("the job came back unharmed");
    assert_eq!(ran.get(), 1);
    // What must come to an end does: here, on the caller.
    assert_eq!(handle.join(|| 1, || 2), (1, 2));
    let scoped = Count::default();
    handle.scope(|s| s.spawn(|| scoped.add()));
    assert_eq!(scoped.get(), 1);
    Ok(())
}

pub(super) fn is_idempotent_and_concurrent(make: Make<'_>, config: &Config) -> Outcome {
    let (handle, other) = (make(), make());
    let ran = Count::default();
    for _ in 0..config.many / 4 {
        let ran = ran.clone();
        handle.execute(move || ran.add()).expect("accepted");
    }
    // A second executor is the second thread.
    let second = {
        let handle = handle.clone();
        other.spawn(move || handle.shutdown(Shutdown::Drain))
    };
    let first = handle.shutdown(Shutdown::Drain);
    let second = second.join().expect("the second shutdown returns");
    assert!(first.is_clean() && second.is_clean());
    assert_eq!(ran.get(), config.many / 4);
    assert!(
        handle.shutdown(Shutdown::Drain).is_clean(),
        "a third one too"
    );
    Ok(())
}

/// Spawns jobs behind one that waits, ends the executor, and returns when every joiner has
/// heard.
fn end_under_load(handle: &Handle, how: Shutdown) {
    let (gate, ran) = (Gate::default(), Count::default());
    let held = Count::default();
    let blocker = {
        let (gate, held, inner) = (gate.clone(), held.clone(), handle.clone());
        handle.spawn(move || {
            held.add();
            gate.wait(inner.ground());
        })
    };
    held.wait_for(1, handle.ground());
    let jobs: Vec<JoinHandle<()>> = (0..8)
        .map(|_| {
            let ran = ran.clone();
            handle.spawn(move || ran.add())
        })
        .collect();
    let report = handle.shutdown(how);
    gate.open();
    blocker.join().expect("what runs is not killed");
    let (mut finished, mut cancelled) = (0, 0);
    for job in jobs {
        match job.join() {
            Ok(()) => finished += 1,
            Err(JoinError::Cancelled | JoinError::Rejected(_)) => cancelled += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(finished + cancelled, 8);
    assert_eq!(ran.get(), finished);
    assert!(
        report.leaked >= 1,
        "the blocker was still running: {report}"
    );
}

pub(super) fn deadline_leaves_no_joiner_hanging(make: Make<'_>, _: &Config) -> Outcome {
    end_under_load(&make(), Shutdown::Deadline(Duration::from_millis(2)));
    Ok(())
}

pub(super) fn now_leaves_no_joiner_hanging(make: Make<'_>, config: &Config) -> Outcome {
    if config.now_ends_process {
        return Err(Skipped("Shutdown::Now ends the process on this ground"));
    }
    end_under_load(&make(), Shutdown::Now);
    Ok(())
}

pub(super) fn cancels_waiting_futures(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    if !handle.caps().native_futures {
        return Err(Skipped("the model does not keep a list of its futures"));
    }
    let (drops, polled) = (Count::default(), Count::default());
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (held, polled) = (CountsDrop(drops.clone()), polled.clone());
            handle.spawn_async(async move {
                let _held = held;
                polled.add();
                pending::<()>().await;
            })
        })
        .collect();
    polled.wait_for(8, handle.ground());
    let report = handle.shutdown(Shutdown::Deadline(Duration::from_millis(5)));
    for task in tasks {
        assert!(matches!(task.join(), Err(JoinError::Cancelled)));
    }
    assert_eq!(drops.get(), 8);
    assert_eq!(report.cancelled, 8, "{report}");
    Ok(())
}

pub(super) fn dropping_the_last_handle_drains(make: Make<'_>, config: &Config) -> Outcome {
    let handle = make();
    let ran = Count::default();
    let jobs: Vec<_> = (0..config.many / 4)
        .map(|_| {
            let ran = ran.clone();
            handle.spawn(move || ran.add())
        })
        .collect();
    drop(handle);
    for job in jobs {
        job.join().expect("what was accepted ran");
    }
    assert_eq!(ran.get(), config.many / 4);
    Ok(())
}

pub(super) fn spawn_during_shutdown_is_answered(make: Make<'_>, config: &Config) -> Outcome {
    let handle = make();
    let (ran, refused, started) = (Count::default(), Count::default(), Count::default());
    let rounds = config.many / 4;
    let spawner = {
        let (ran, refused, started, inner) = (
            ran.clone(),
            refused.clone(),
            started.clone(),
            handle.clone(),
        );
        handle.spawn(move || {
            started.add();
            for _ in 0..rounds {
                let ran = ran.clone();
                if inner
                    .try_spawn(move || ran.add())
                    .map(JoinHandle::detach)
                    .is_err()
                {
                    refused.add();
                }
            }
        })
    };
    started.wait_for(1, handle.ground());
    let report = handle.shutdown(Shutdown::Drain);
    assert!(report.is_clean(), "{report}");
    spawner.join().expect("the spawner returns");
    assert_eq!(
        ran.get() + refused.get(),
        rounds,
        "a job was neither run nor handed back"
    );
    Ok(())
}

pub(super) fn counts_add_up(make: Make<'_>, config: &Config) -> Outcome {
    let handle = make();
    let jobs: Vec<_> = (0..config.many / 4)
        .map(|n| handle.spawn(move || n))
        .collect();
    for job in jobs {
        job.join().expect("returns");
    }
    let _ = handle.shutdown(Shutdown::Drain);
    let stats = handle.stats();
    assert!(stats.scheduled >= (config.many / 4) as u64, "{stats}");
    assert_eq!(stats.scheduled, stats.ran + stats.cancelled, "{stats}");
    assert_eq!(stats.panicked, 0, "{stats}");
    Ok(())
}
