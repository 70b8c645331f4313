//! What the tests' workers can run.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses its part of it"
)]

use std::{
    fs,
    io::Write as _,
    process,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use pool_process::{Builder, Function, ProcessPool, Registered};

pub static DOUBLE: Function<u64, u64> = Function::new("double", |n| n * 2);
pub static ECHO: Function<Vec<u8>, Vec<u8>> = Function::new("echo", |bytes| bytes);
pub static PID: Function<(), u32> = Function::new("pid", |()| process::id());
pub static PANIC: Function<String, ()> = Function::new("panic", |text| panic!("{text}"));
pub static EXIT: Function<i32, ()> = Function::new("exit", |code| process::exit(code));
pub static ABORT: Function<(), ()> = Function::new("abort", |()| process::abort());
/// Kills its own process with a signal.
pub static RAISE: Function<i32, ()> = Function::new("raise", |signal| {
    // SAFETY: has no memory to touch.
    unsafe { libc::raise(signal) };
});
/// Writes to an address that is no one's.
pub static SEGFAULT: Function<(), ()> = Function::new("segfault", |()| {
    let nowhere = std::hint::black_box(std::ptr::without_provenance_mut::<u8>(8));
    // SAFETY: it is not safe; that is what the test is about.
    unsafe { nowhere.write_volatile(1) };
});
/// Never ends, and sleeps.
pub static HANG: Function<(), ()> = Function::new("hang", |()| {
    loop {
        thread::park();
    }
});
/// Never ends, and is busy.
pub static SPIN: Function<(), ()> = Function::new("spin", |()| {
    loop {
        std::hint::black_box(0);
    }
});
/// Waits until something is in the file; then returns how many bytes are in it.
pub static WAIT_FOR: Function<String, u64> = Function::new("wait_for", |path| {
    loop {
        if let Ok(found) = fs::metadata(&path)
            && found.len() > 0
        {
            return found.len();
        }
        thread::sleep(Duration::from_millis(1));
    }
});
/// Appends a line to a file; how often it has run can be counted.
pub static NOTE: Function<(String, String), ()> = Function::new("note", |(path, line)| {
    let mut file = fs::File::options().append(true).create(true).open(path);
    let file = file.as_mut().expect("the file");
    // One write, which no other worker's can part.
    file.write_all(format!("{line}\n").as_bytes())
        .expect("a line");
});
pub static LEN: Function<String, usize> = Function::new("len", |text| text.len());
/// Takes so many bytes and touches them.
pub static EAT: Function<usize, u64> = Function::new("eat", |bytes| {
    let eaten = vec![1_u8; bytes];
    std::hint::black_box(&eaten)
        .iter()
        .map(|byte| u64::from(*byte))
        .sum()
});
/// Starts a process that outlives the job, holds every descriptor that is not close-on-exec, and
/// returns its number.
pub static LEAVE_CHILD: Function<(), u32> = Function::new("leave_child", |()| {
    let child = process::Command::new("sleep").arg("1000").spawn();
    child.expect("a process").id()
});
/// The open descriptors of the worker: what they are.
pub static DESCRIPTORS: Function<(), Vec<String>> =
    Function::new("descriptors", |()| descriptors());
/// What a program that the job starts finds in its environment and its standard input.
pub static CHILD_SEES: Function<(), String> = Function::new("child_sees", |()| {
    let mut command = process::Command::new("sh");
    command.arg("-c").arg("ls /proc/self/fd | wc -l; wc -c");
    if std::env::var_os("POOL_PROCESS_WORKER_OF").is_some() {
        command.stdin(process::Stdio::inherit());
    }
    let seen = command.output();
    String::from_utf8(seen.expect("a shell").stdout).expect("text")
});
/// Fails to be written down.
pub static BAD_RESULT: Function<(), Unwritable> = Function::new("bad_result", |()| Unwritable);
pub static BAD_ARGS: Function<Unwritable, ()> = Function::new("bad_args", |_| ());
/// Panics with a payload that is no text, and whose drop panics too.
pub static NASTY: Function<(), ()> = Function::new("nasty", |()| {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            panic!("in the drop of a payload");
        }
    }
    std::panic::panic_any(Nasty)
});
/// Says something that no worker says, on the pool's socket.
pub static GARBLE: Function<(), ()> = Function::new("garble", |()| {
    for fd in 3..10 {
        // SAFETY: the buffer is valid; descriptors that are not open are refused.
        unsafe { libc::write(fd, [255_u8; 64].as_ptr().cast(), 64) };
    }
    loop {
        thread::park();
    }
});
/// Closes the pool's socket and goes on.
pub static CLOSE: Function<(), ()> = Function::new("close", |()| {
    for fd in 3..10 {
        // SAFETY: nobody in this process needs what is closed here; that is the test.
        unsafe { libc::close(fd) };
    }
    loop {
        thread::park();
    }
});
/// Recurses until the stack ends.
pub static RECURSE: Function<u64, u64> = Function::new("recurse", recurse);
/// In no list.
pub static UNKNOWN: Function<u64, u64> = Function::new("unknown", |n| n);

#[expect(unconditional_recursion, reason = "the stack has to end")]
fn recurse(n: u64) -> u64 {
    std::hint::black_box([n; 64])[0] + recurse(n + 1)
}

static FUNCTIONS: &[&dyn Registered] = &[
    &DOUBLE,
    &ECHO,
    &PID,
    &PANIC,
    &EXIT,
    &ABORT,
    &RAISE,
    &SEGFAULT,
    &HANG,
    &SPIN,
    &WAIT_FOR,
    &NOTE,
    &EAT,
    &LEN,
    &LEAVE_CHILD,
    &DESCRIPTORS,
    &CHILD_SEES,
    &BAD_RESULT,
    &BAD_ARGS,
    &NASTY,
    &GARBLE,
    &CLOSE,
    &RECURSE,
];

/// Refuses to be written down or read.
#[derive(Debug)]
pub struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not this one"))
    }
}

impl<'de> serde::Deserialize<'de> for Unwritable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("not this one"))
    }
}

/// The way in of the workers: what the test `worker` of each program calls.
pub fn init() {
    pool_process::init(FUNCTIONS);
}

/// A builder whose workers come in by the test `worker`.
pub fn builder() -> Builder {
    init();
    ProcessPool::builder().test("worker")
}

/// A pool of so many workers.
pub fn pool(workers: usize) -> ProcessPool {
    builder().workers(workers).build().expect("a small pool")
}

/// Held by tests that look at what belongs to the whole process: its children, its descriptors.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path for a file of this process that is not there yet.
pub fn fresh_file(name: &str) -> String {
    let path = std::env::temp_dir().join(format!("pool-process-{}-{name}", process::id()));
    let _ = fs::remove_file(&path);
    path.to_str().expect("text").to_owned()
}

/// What the descriptors of this process are, but for the directory that is being read.
pub fn descriptors() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").expect("the directory");
    let mut found: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let to = fs::read_link(entry.path()).ok()?;
            let (fd, to) = (entry.file_name(), to.to_string_lossy().into_owned());
            (!to.starts_with("/proc/")).then(|| format!("{} {to}", fd.to_string_lossy()))
        })
        .collect();
    found.sort();
    found
}

/// Children of this process that have ended and that nobody has waited for.
pub fn zombies() -> Vec<String> {
    children()
        .into_iter()
        .filter(|(_, state)| *state == 'Z')
        .map(|(pid, _)| pid)
        .collect()
}

/// The children of this process, each with the letter of its state.
pub fn children() -> Vec<(String, char)> {
    let me = process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("the directory").flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // The name, in parentheses, may have anything in it.
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        let mut words = rest.split(' ');
        let (state, parent) = (words.next(), words.next());
        if parent == Some(&me) {
            let pid = entry.file_name().to_string_lossy().into_owned();
            found.push((pid, state.and_then(|s| s.chars().next()).unwrap_or('?')));
        }
    }
    found
}

/// Whether a process with this number is there.
pub fn exists(pid: u32) -> bool {
    fs::metadata(format!("/proc/{pid}")).is_ok()
}

/// Waits until `good`; the watchdog ends a wait that is in vain.
pub fn until(good: impl Fn() -> bool) {
    while !good() {
        thread::sleep(Duration::from_millis(1));
    }
}
