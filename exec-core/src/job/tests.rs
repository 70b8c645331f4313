use std::{
    boxed::Box,
    panic::panic_any,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use super::*;

struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn run_consumes_the_closure_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let held = CountsDrop(drops.clone());
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    let job = Job::new(move || {
        let _held = held;
        counted.fetch_add(1, SeqCst);
    });
    assert_eq!((ran.load(SeqCst), drops.load(SeqCst)), (0, 0));
    job.run().expect("no panic");
    assert_eq!((ran.load(SeqCst), drops.load(SeqCst)), (1, 1));
}

#[test]
fn drop_consumes_the_closure_unrun() {
    let drops = Arc::new(AtomicUsize::new(0));
    let held = CountsDrop(drops.clone());
    drop(Job::new(move || {
        let _held = held;
        panic!("ran");
    }));
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn run_returns_the_panic_of_a_job_without_a_joiner() {
    let payload = Job::new(|| panic_any(4_u8)).run().expect_err("panics");
    assert_eq!(payload.downcast_ref::<u8>(), Some(&4));
}

#[test]
fn drop_contains_a_panic_of_the_captures() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the drop of a capture");
        }
    }
    let bomb = Bomb;
    drop(Job::new(move || drop(bomb)));
}

#[test]
fn raw_parts_go_round() {
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    let boxed: Box<dyn FnOnce() + Send> = Box::new(move || {
        counted.fetch_add(1, SeqCst);
    });
    let job = Job::from(boxed);
    let id = job.id();
    let (data, vtable) = job.into_raw();
    // SAFETY: the parts of a job that was taken apart, put together once.
    let job = unsafe { Job::from_raw(data, vtable) };
    assert_eq!(job.id(), id);
    job.run().expect("no panic");
    assert_eq!(ran.load(SeqCst), 1);
}
