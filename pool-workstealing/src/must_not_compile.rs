//! What the compiler has to refuse: nothing that is tied to one thread gets to another, and
//! nothing borrows from a stack that may be gone.

/// A closure with a capture that is not `Send`.
/// ```compile_fail,E0277
/// let held = std::rc::Rc::new(1);
/// pool_workstealing::spawn(move || drop(held));
/// ```
pub struct SpawnOfRc;

/// A result that is not `Send`, of a half.
/// ```compile_fail,E0277
/// pool_workstealing::join(|| std::rc::Rc::new(1), || 2);
/// ```
pub struct ResultOfJoin;

/// A half that borrows what is not `Sync`.
/// ```compile_fail,E0277
/// let cell = std::cell::Cell::new(1);
/// pool_workstealing::join(|| cell.set(2), || cell.set(3));
/// ```
pub struct BorrowOfJoin;

/// A result that is not `Send`, of a job with a handle.
/// ```compile_fail,E0277
/// let pool = pool_workstealing::ThreadPool::new(1).unwrap();
/// pool.spawn_with_handle(|| std::rc::Rc::new(1));
/// ```
pub struct ResultOfHandle;

/// A result that is not `Send`, of an installed closure.
/// ```compile_fail,E0277
/// let pool = pool_workstealing::ThreadPool::new(1).unwrap();
/// pool.install(|| std::rc::Rc::new(1));
/// ```
pub struct ResultOfInstall;

/// A future that holds what is not `Send` while it waits.
/// ```compile_fail
/// let pool = pool_workstealing::ThreadPool::new(1).unwrap();
/// pool.spawn_async(async {
///     let held = std::rc::Rc::new(1);
///     std::future::ready(()).await;
///     drop(held);
/// });
/// ```
pub struct FutureWithRc;

/// A broadcast whose results are not `Send`.
/// ```compile_fail,E0277
/// pool_workstealing::broadcast(|_| std::rc::Rc::new(1));
/// ```
pub struct ResultOfBroadcast;

/// A job of a scope with a capture that is not `Send`.
/// ```compile_fail,E0277
/// pool_workstealing::scope(|s| {
///     let held = std::rc::Rc::new(1);
///     s.spawn(move |_| drop(held));
/// });
/// ```
pub struct ScopeWithRc;

/// A job of a scope that borrows from the scope's own body, which ends before it.
/// ```compile_fail,E0373
/// pool_workstealing::scope(|s| {
///     let local = 1;
///     s.spawn(|_| drop(&local));
/// });
/// ```
pub struct ScopeBorrowsFromInside;

/// A spawned job that borrows from a stack.
/// ```compile_fail,E0597
/// let local = 1;
/// let borrowed: &i32 = &local;
/// pool_workstealing::spawn(move || drop(borrowed));
/// ```
pub struct SpawnThatBorrows;

/// A worker that leaves its thread.
/// ```compile_fail,E0277
/// let pool = pool_workstealing::ThreadPool::new(1).unwrap();
/// pool.install_worker(|worker| {
///     std::thread::scope(|threads| {
///         threads.spawn(|| worker.index());
///     });
/// });
/// ```
pub struct WorkerElsewhere;
