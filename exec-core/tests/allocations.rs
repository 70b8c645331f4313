//! What a spawn and a wake allocate: counted, not guessed.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    future::Future,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
};

use exec_core::{
    Caps, Executor, Ground, Handle, Job, Meta, Rejected, Shutdown, ShutdownReport, Stats,
    StdGround, Ticket,
    wait::{ParkWaiter, Waiter},
};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: by the caller.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: by the caller.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count<R>(f: impl FnOnce() -> R) -> (usize, R) {
    let before = COUNT.with(Cell::get);
    let result = f();
    (COUNT.with(Cell::get) - before, result)
}

/// Keeps jobs in a queue that never grows.
struct Shelf(Mutex<Vec<Job>>);

impl Executor for Shelf {
    fn schedule(&self, job: Job, _: &Meta<'_>) -> Result<Ticket, Rejected> {
        self.0.lock().unwrap().push(job);
        Ok(Ticket::shared())
    }
    fn waiter(&self) -> &'static dyn Waiter {
        &ParkWaiter(StdGround)
    }
    fn ground(&self) -> &dyn Ground {
        &StdGround
    }
    fn caps(&self) -> Caps {
        Caps::new("shelf", 0)
    }
    fn shutdown(&self, _: Shutdown) -> ShutdownReport {
        ShutdownReport::default()
    }
    fn stats(&self) -> Stats {
        Stats::default()
    }
}

fn shelf() -> Handle<Shelf> {
    Handle::new(Shelf(Mutex::new(Vec::with_capacity(64))))
}

fn run(handle: &Handle<Shelf>) -> bool {
    let job = handle.executor().0.lock().unwrap().pop();
    job.is_some_and(|job| job.run().is_ok())
}

#[test]
fn a_spawn_is_one_allocation_and_a_join_none() {
    let shelf = shelf();
    let big = [1_u8; 200];
    let (allocations, job) = count(|| shelf.spawn(move || big.len()));
    assert_eq!(allocations, 1);
    let (allocations, result) = count(|| {
        assert!(run(&shelf));
        job.join()
    });
    assert_eq!((allocations, result.unwrap()), (0, 200));
}

#[test]
fn a_detached_closure_without_captures_is_not_allocated() {
    let shelf = shelf();
    let (allocations, _) = count(|| shelf.execute(|| ()).unwrap());
    assert_eq!(allocations, 0);
    let word = 3_usize;
    let (allocations, _) = count(|| shelf.execute(move || assert_eq!(word, 3)).unwrap());
    assert_eq!(allocations, 1);
    while run(&shelf) {}
}

#[test]
fn a_future_is_one_allocation_and_a_wake_none() {
    struct Yields(u32);
    impl Future for Yields {
        type Output = &'static str;
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            if self.0 == 0 {
                return Poll::Ready("done");
            }
            self.0 -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
    let shelf = shelf();
    let (allocations, task) = count(|| shelf.spawn_async(Yields(20)));
    assert_eq!(allocations, 1);
    let (allocations, _) = count(|| while run(&shelf) {});
    assert_eq!(allocations, 0);
    assert_eq!(task.join().unwrap(), "done");
}
