//! All processes, and what parents are told.
//!
//! # Who owns what
//! `FAMILY` has a lock of its own, held for a few lines; no process is dropped under it, and no other
//! lock is taken but that of a process's dispositions. A process is in it from its making until its parent has taken the news of its
//! end; living ones are owned by it.
//!
//! # Why no news are lost
//! A waiting parent looks for news under the lock of its queue `children`; who has news puts them into
//! the family first and then takes that lock to wake. The signal that there are news is pending before
//! anybody can take them, so it never comes when they are forgotten.

use alloc::sync::Arc;

use kcore::{
    Errno, Family, INIT, Keep, News, NoChild, Signal, SignalSet, SpinLock, WaitEnd, Which,
};

use crate::{
    proc::{
        process::Process,
        signal,
        thread::{Thread, ThreadRef},
    },
    sched::wait,
};

/// The most processes, zombies included.
const MOST: usize = 1024;

static FAMILY: SpinLock<Family<Arc<Process>>> = SpinLock::new(Family::new(MOST));

/// Adds a process, which `make` makes for its number.
///
/// # Errors
/// `EAGAIN` if there are too many.
pub(crate) fn add(
    parent: u32,
    make: impl FnOnce(u32) -> Arc<Process>,
) -> Result<Arc<Process>, Errno> {
    FAMILY.lock().add(parent, make).ok_or(Errno::EAGAIN)
}

/// Takes out a child that never had a thread. Who waits for children looks whether there are others.
pub(crate) fn remove(parent: &Process, child: &Process) {
    FAMILY.lock().remove(child.pid());
    parent.children.wake_all();
}

/// The living process with this number.
pub(crate) fn find(pid: u32) -> Option<Arc<Process>> {
    FAMILY.lock().find(pid).cloned()
}

/// Whether the process has ended and waits for its parent.
pub(crate) fn is_zombie(pid: u32) -> bool {
    FAMILY.lock().is_zombie(pid)
}

/// The number of the parent; 0 for the first process.
pub(crate) fn parent_of(pid: u32) -> u32 {
    FAMILY.lock().parent_of(pid)
}

/// Turns a process into a zombie and tells its parent; if the parent ignores its children, it is gone
/// at once. So are zombies that come to the first process if that one ignores its children.
pub(super) fn end(process: &Process) {
    let asks = |parent: u32| find(parent).is_none_or(|parent| !parent.signals.ignores_children());
    let keep = Keep {
        by_parent: asks(parent_of(process.pid())),
        by_first: asks(INIT),
    };
    let mut family = FAMILY.lock();
    let wake = family.end(process.pid(), process.threads.end(), keep);
    let told = [wake.parent, wake.init];
    told.iter().flatten().for_each(put_signal);
    drop(family);
    told.iter().flatten().for_each(wake_up);
    drop(wake.ended);
}

/// Stops a child or lets it go on by `change`, and tells its parent, in one order; false if `change`
/// says that this is no news.
pub(super) fn tell(process: &Process, news: News, change: impl FnOnce() -> bool) -> bool {
    let mut family = FAMILY.lock();
    if !change() {
        return false;
    }
    let parent = family.note(process.pid(), news);
    parent.iter().for_each(put_signal);
    drop(family);
    parent.iter().for_each(wake_up);
    true
}

/// There are news for a parent; under the family's lock.
fn put_signal(parent: &Arc<Process>) {
    signal::put(parent, Signal::CHLD);
}

/// Wakes who waits for news first, so that the signal does not make that wait end early.
fn wake_up(parent: &Arc<Process>) {
    parent.children.wake_all();
    signal::find_takers(parent, SignalSet::only(Signal::CHLD));
}

/// Waits for news of a child: ended ones are gone then. With `all`, also for stops; `None` if there are
/// none and the caller does not want to wait.
///
/// # Errors
/// `ECHILD` if there is no such child, `EINTR` if a signal came first.
///
/// # Blocking
/// Until there are news, if `block`.
pub(crate) fn wait(
    thread: &'static Thread,
    which: Which,
    all: bool,
    block: bool,
) -> Result<Option<(u32, News)>, Errno> {
    let process = thread.process();
    loop {
        let mut found = Ok(None);
        let look = || {
            found = FAMILY.lock().take_news(process.pid(), which, all);
            !matches!(found, Ok(None)) || !block
        };
        let pause = || wait::pause_until(thread, wait::FOREVER);
        let end = process.children.wait(&ThreadRef(thread), look, pause);
        match end {
            WaitEnd::Changed => return found.map_err(|NoChild| Errno::ECHILD),
            WaitEnd::Woken => {}
            // News that are there come before a signal.
            WaitEnd::TimedOut | WaitEnd::Interrupted => {
                return match FAMILY.lock().take_news(process.pid(), which, all) {
                    Ok(Some(news)) => Ok(Some(news)),
                    _ => Err(Errno::EINTR),
                };
            }
        }
    }
}

/// Gives news back that could not be handed on.
pub(crate) fn put_back(process: &Process, pid: u32, news: News) {
    FAMILY.lock().put_back(process.pid(), pid, news);
    process.children.wake_all();
}
