//! mini-executor's list of living tasks: a task that ends while a sweep cancels it is struck out
//! once, and its memory is freed once.
#![cfg(loom)]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use exec_core::{
    Job, StdGround, Ticket, Wake,
    sync::with_seed,
    task::{Schedule, TaskRef, spawn_future},
    wait::ParkWaiter,
};
use loom::thread;
use loom_tests::{breaks, holds};
use mini_executor::model::{Owner, Shard};

/// Enters tasks into a list, and drops what is scheduled, which ends the task.
struct Home {
    list: Mutex<Owner>,
    shard: Arc<Shard>,
}

#[derive(Clone)]
struct Share(Arc<Home>);

impl Schedule for Share {
    fn schedule(&self, job: Job, _: Wake) {
        drop(job);
    }
    fn adopt(&self, task: TaskRef) -> usize {
        self.0.list.lock().unwrap().enter(task) as usize
    }
    fn disown(&self, key: usize) -> Option<TaskRef> {
        self.0.shard.strike(key as u32)
    }
}

struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn end_meets_sweep() {
    let (owner, shard) = Owner::new();
    let home = Arc::new(Home {
        list: Mutex::new(owner),
        shard: shard.clone(),
    });
    let drops = Arc::new(AtomicUsize::new(0));
    let held = CountsDrop(drops.clone());
    let mut first = None;
    let task = spawn_future(
        async move {
            let _held = held;
        },
        Share(home.clone()),
        &ParkWaiter(StdGround),
        |job, _| {
            first = Some(job);
            Ok(Ticket::shared())
        },
    );
    task.detach();
    let job = first.expect("scheduled");
    let worker = thread::spawn(move || job.run().expect("no panic"));
    shard.sweep();
    worker.join().unwrap();
    assert_eq!(shard.live(), 0, "struck out once");
    assert_eq!(drops.load(SeqCst), 1, "dropped once");
}

#[test]
fn a_task_that_ends_is_struck_out_once() {
    holds(10, end_meets_sweep);
}

#[test]
fn a_task_that_ends_is_struck_out_once_breaks_when_the_end_ignores_the_sweep() {
    with_seed("owned: the end ignores the sweep", || {
        breaks(end_meets_sweep)
    });
}
