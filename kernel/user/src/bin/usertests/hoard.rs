//! Many small objects, until the kernel's own heap is full.

use user::process::{self, News};
use user::syscall::{self, Errno};

pub(crate) const CASES: &[super::Case] = &[("a full heap is ENOMEM and empties again", full_heap)];

/// A status for the end that must come.
const FULL: i32 = 112;

/// Opens files of its own until the kernel refuses one.
fn hoard() -> Errno {
    for fd in 3..256 {
        // Inherited ones are shared; those that are not there are refused.
        let _ = syscall::close(fd);
    }
    loop {
        if let Err(why) = syscall::open(c"/empty") {
            return why;
        }
    }
}

/// A chain of processes, each of which keeps what it has until the last has been refused.
fn chain(depth: u32) -> i32 {
    if hoard() == Errno::ENOMEM {
        return FULL;
    }
    match process::spawn(move || chain(depth + 1)) {
        Ok(child) => match process::wait(Some(child)) {
            Ok((_, News::Exited(status))) => status,
            other => panic!("at depth {depth}: {other:?}"),
        },
        Err(Errno::ENOMEM) => FULL,
        Err(why) => panic!("at depth {depth}: {why}"),
    }
}

fn full_heap() {
    for _ in 0..2 {
        super::without_loss(|| {
            let child = process::spawn(|| chain(0)).expect("a child");
            let news = process::wait(Some(child)).expect("it ends").1;
            assert_eq!(news, News::Exited(FULL));
            // And all is as before.
            let fd = syscall::open(c"/empty").expect("there is room again");
            syscall::close(fd).expect("it is open");
        });
    }
}
