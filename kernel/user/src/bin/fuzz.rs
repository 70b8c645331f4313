//! Random system calls: `fuzz SEED CALLS`. Whatever comes of them, the kernel must live and get all of
//! its memory back.
//!
//! # Protocol
//! Children make the calls, some hundreds each, with arguments of the kinds that [`TABLE`] names for
//! each call: now and then right ones, mostly near misses. A child that gets through exits with
//! [`DONE`], and only such calls count. Calls that wait are ended by the parent, which sends each child
//! `USR1` now and then, and in the end `KILL`. The same seed makes the same calls.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::ffi::CString;
use alloc::vec::Vec;

use exec_core::sync::atomic::AtomicU32;
use user::kernel::{file, schedule};
use user::process::{self, News, Pid};
use user::signal::{self, Disposition, Saved, Signal};
use user::syscall::{self, Errno, Protection};
use user::{Args, object, println};

user::program!(main);

/// Calls of one child.
const CALLS: u64 = 250;

/// The status of a child that got through.
const DONE: i32 = 77;

/// How often a child that waits is woken before it is killed.
const PATIENCE: u32 = 24;

/// Between two looks at a child.
const LOOK_NS: u64 = 1_000_000;

/// A program that can be run.
static PROGRAM: &core::ffi::CStr = c"/echo";

/// Where children map memory.
const SCRATCH: usize = 0x30_0000_0000;

/// What an argument is about.
#[derive(Clone, Copy)]
enum Kind {
    /// A number without a meaning, small as a rule.
    Number,
    /// Something to read from or write to.
    Buffer,
    /// A length.
    Length,
    /// A descriptor.
    File,
    /// A path.
    Path,
    /// A table of words.
    Words,
    /// A place for a mapping.
    Place,
    /// A process, hardly ever the caller.
    Process,
    /// A thread.
    Thread,
    /// A signal.
    SignalNumber,
    /// Signals to block: not those that the parent sends, as a rule.
    Mask,
    /// A function.
    Code,
    /// An aligned word of 32 bits.
    Word,
    /// A time in ns: short, or for ever.
    Time,
}

use Kind::*;

/// The calls: their numbers, how often each is made, and their arguments. `exit`, `exit_group` and
/// `sigreturn` end a child, so they are rare. New calls belong in here.
const TABLE: &[(usize, u32, &[Kind])] = &[
    (0, 0, &[Number]),
    (1, 3, &[Path, Number]),
    (2, 3, &[File, Buffer, Length]),
    (3, 3, &[File, Buffer, Length]),
    (4, 2, &[File, Number, Number]),
    (5, 1, &[File]),
    (6, 2, &[File]),
    (7, 2, &[Buffer]),
    (8, 4, &[Place, Length, Number, File, Number]),
    (9, 4, &[Place]),
    (10, 1, &[]),
    (11, 2, &[Path, Buffer, Code, Number]),
    (12, 2, &[Thread, Buffer]),
    (13, 0, &[Number]),
    (14, 1, &[Path]),
    (15, 1, &[Path]),
    (16, 2, &[Path]),
    (17, 1, &[Path]),
    (18, 1, &[File, Buffer, Number]),
    (19, 1, &[Path, Buffer]),
    (20, 1, &[File]),
    (0x100, 1, &[]),
    (0x101, 2, &[]),
    (0x102, 3, &[Word, Number, Time]),
    (0x103, 3, &[Word, Number]),
    (0x104, 1, &[]),
    (0x105, 1, &[]),
    (0x106, 1, &[Thread, Buffer]),
    (0x108, 1, &[Thread]),
    (0x109, 1, &[]),
    (0x110, 1, &[Path, Words]),
    (0x111, 1, &[Path, Words]),
    (0x112, 3, &[Process, Buffer, Number]),
    (0x113, 1, &[]),
    (0x114, 1, &[]),
    (0x115, 1, &[]),
    (0x116, 1, &[Number]),
    (0x117, 1, &[]),
    (0x118, 1, &[Number]),
    (0x119, 2, &[Process, SignalNumber]),
    (0x11a, 2, &[SignalNumber, Code, Number, Code]),
    (0x11b, 1, &[Number, Number]),
    (0x11c, 0, &[]),
    (0x11d, 1, &[]),
    (0x11e, 1, &[Mask]),
    (0x11f, 1, &[Thread, SignalNumber]),
    (0x120, 1, &[Number, Buffer]),
    (0x121, 1, &[Number, Buffer]),
    (0x122, 1, &[Number]),
    (0x140, 2, &[File]),
    (0x141, 1, &[File, File]),
    (0x142, 1, &[Path]),
    (0x143, 1, &[Path, Number]),
    (0x144, 1, &[Path, Time]),
    (0x145, 1, &[File, Time]),
    (0x148, 1, &[Length, Number]),
    (0x149, 1, &[Number, Place, Number]),
    (0x14a, 1, &[Number]),
    (0x150, 2, &[Number, Number]),
    (0x151, 2, &[Number, Time]),
    (0x152, 2, &[Number, Number]),
    (0x153, 2, &[Number]),
    (0x158, 2, &[Number, Number, Number]),
    (0x159, 2, &[Number, Buffer, Length, Time]),
    (0x15a, 2, &[Number, Buffer, Length, Buffer, Time]),
    (0x15b, 2, &[Number]),
    (0x160, 1, &[Process, Buffer, Length, Time]),
    (0x161, 1, &[Buffer, Length, Time]),
    (0x180, 1, &[Thread, Number]),
    (0x181, 1, &[Thread, Number]),
    (0x182, 1, &[Thread, Number]),
    (0x183, 1, &[Buffer, Length]),
    (0x184, 1, &[Thread, Number]),
    (0x188, 1, &[Number]),
    (0x189, 1, &[Number, Buffer, Length]),
    (0x18a, 1, &[Buffer, Length]),
];

/// One in so many calls has a random number.
const UNKNOWN: u64 = 20;

/// One in so many calls ends its child.
const LAST: u64 = 2000;

/// A generator of random numbers: the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    fn of<T: Copy>(&mut self, what: &[T]) -> T {
        what[self.below(what.len() as u64) as usize]
    }
}

/// Numbers at the edges of something.
const EDGES: [usize; 16] = [
    0,
    1,
    7,
    8,
    0xfff,
    0x1000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_efff,
    0x7fff_ffff_f000,
    0x8000_0000_0000,
    0xffff_8000_0000_0000,
    0xffff_ffff_8010_0000,
    1 << 63,
    usize::MAX,
];

/// Memory that calls read and write as they like.
struct Memory(exec_core::sync::UnsafeCell<[u8; 8192]>);

// SAFETY: nothing in the program reads it as anything but bytes that may be anything.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(exec_core::sync::UnsafeCell::new([0; 8192]));

fn memory() -> usize {
    MEMORY.0.with_mut(|bytes| bytes.expose_provenance())
}

extern "C" fn take_note(_: i32, _: &mut Saved) {}

unsafe extern "C" fn end_thread(_: *mut ()) -> ! {
    syscall::exit(0)
}

/// What the calls of one child work on.
struct Child {
    random: Random,
    /// Results that were neither errors nor 0: descriptors, threads, processes, objects.
    results: [usize; 8],
}

impl Child {
    fn argument(&mut self, kind: Kind) -> usize {
        if self.random.below(8) == 0 {
            return self.random.of(&EDGES);
        }
        if self.random.below(64) == 0 {
            return self.random.next() as usize;
        }
        let small = self.random.below(12) as usize;
        let paths = [
            c"/fuzz-a",
            c"/fuzz-b",
            c"/fuzz-d",
            c"/fuzz-d/x",
            c"../fuzz-a",
            c"/",
            c"..",
            PROGRAM,
        ];
        let result = self.random.of(&self.results);
        match kind {
            Number => self.random.of(&[small, small, result, usize::MAX]),
            Buffer => self.random.of(&[
                memory() + small,
                memory(),
                memory() + 8190,
                SCRATCH,
                SCRATCH + 4090,
            ]),
            Length => self.random.of(&[small, 4096, 4097, 1 << 20, memory()]),
            File => self.random.of(&[3, 4, 5, small, usize::MAX]),
            Path => self.random.of(&paths).as_ptr().expose_provenance(),
            Words => self.random.of(&[0, memory()]),
            Place => SCRATCH + small * 4096,
            Process => self.random.of(&[usize::MAX, 77_777, result, 0]),
            Thread => self.random.of(&[0, result, usize::MAX, 4096]),
            // None that stops: nobody would let a grandchild go on.
            SignalNumber => self.random.of(&[0, 10, 12, 17, 18, 32]),
            Mask => self.random.of(&[0, 1, 1 << 12]),
            Code => self.random.of(&[
                end_thread as unsafe extern "C" fn(*mut ()) -> ! as usize,
                memory(),
                1,
            ]),
            Word => memory() + small * 4,
            Time => self.random.of(&[0, 1000, 1_000_000, usize::MAX]),
        }
    }

    /// Makes one call.
    fn step(&mut self) {
        let mut args = [0; 6];
        let number = if self.random.below(UNKNOWN) == 0 {
            for arg in &mut args {
                *arg = self.random.of(&EDGES);
            }
            self.random
                .of(&[0x14, 0x15, 0x99, 0x10a, 0x13f, 0x19f, 0x1a0, usize::MAX])
        } else {
            let (number, kinds) = self.choose();
            for (arg, kind) in args.iter_mut().zip(kinds) {
                *arg = self.argument(*kind);
            }
            number
        };
        // USR1 stays as it is: it is what ends a wait. And nobody kills the one who looks after all.
        if number == 0x11a && args[0] == 10 || number == 0x119 && (args[0] == 1 || args[1] == 9) {
            return;
        }
        // The program that is run stays what it is: what is written to it would count as lost.
        let spoils = number == 1 && args[1] != 0 || matches!(number, 14 | 16 | 0x142 | 0x143);
        if spoils && args[0] == PROGRAM.as_ptr().expose_provenance() {
            return;
        }
        // SAFETY: not sound, and meant to be: a child that is hurt by it ends.
        let result = unsafe { syscall::raw(number, args) };
        if number == 10 && result == 0 {
            syscall::exit_group(0);
        }
        signal::unblock(Signal::USR1);
        if result > 0 {
            let place = self.random.below(8) as usize;
            self.results[place] = result as usize;
        }
    }

    fn choose(&mut self) -> (usize, &'static [Kind]) {
        if self.random.below(LAST) == 0 {
            let last = self.random.of(&[0, 13, 0x11c]);
            let found = TABLE.iter().find(|(number, ..)| *number == last);
            let (number, _, kinds) = found.expect("they are in the table");
            return (*number, kinds);
        }
        let total: u32 = TABLE.iter().map(|(_, weight, _)| weight).sum();
        let mut left = self.random.below(u64::from(total)) as u32;
        for (number, weight, kinds) in TABLE {
            if left < *weight {
                return (*number, kinds);
            }
            left -= weight;
        }
        unreachable!("the weights are counted")
    }
}

/// What a child does.
fn calls(seed: u64) -> i32 {
    for fd in 0..3 {
        syscall::close(fd).expect("it is open");
    }
    // SAFETY: nothing else of this program is there.
    let _ = unsafe { syscall::mmap(SCRATCH, 8192, Protection::READ_WRITE) };
    let mut child = Child {
        random: Random(seed | 1),
        results: [0; 8],
    };
    if child.random.below(2) == 0 {
        process::set_user(1000).expect("user 0 may");
    }
    for _ in 0..CALLS {
        child.step();
    }
    DONE
}

/// Waits for a child, which may wait for anything itself.
fn look_after(child: Pid) -> News {
    static NEVER: AtomicU32 = AtomicU32::new(0);
    for look in 0.. {
        match process::try_wait(Some(child)) {
            Ok(Some((_, news))) => return news,
            Ok(None) => {}
            Err(why) => panic!("a child is gone: {why}"),
        }
        let signal = match look {
            0..PATIENCE => Signal::USR1,
            _ => Signal::KILL,
        };
        if look % 8 == 7 {
            let _ = signal::kill(child, Signal::CONT);
        }
        let _ = signal::kill(child, signal);
        let _ = syscall::futex_wait(&NEVER, 0, LOOK_NS);
    }
    unreachable!("a killed child ends")
}

/// Waits for the programs that children have started, which are this process's now. One may wait for
/// ever, such as for room in a full pipe whose one reader it is itself: then all are killed.
fn end_orphans() {
    static NEVER: AtomicU32 = AtomicU32::new(0);
    for look in 0.. {
        loop {
            match process::try_wait(None) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        if look >= PATIENCE {
            let own = process::id();
            let others = schedule::threads()
                .into_iter()
                .map(|thread| Pid(thread.pid));
            for other in others.filter(|pid| *pid != own) {
                let _ = signal::kill(other, Signal::KILL);
            }
        }
        let _ = syscall::futex_wait(&NEVER, 0, LOOK_NS);
    }
}

/// Undoes what children leave to others: files, wherever they are.
fn clean_up() {
    // Orphans first: they may still make files.
    end_orphans();
    let _ = syscall_path(17, c"/");
    remove_below("/");
}

/// Removes what is in a directory, but not what was there from the beginning: programs and files.
fn remove_below(directory: &str) {
    let path = CString::new(directory).expect("no NUL in a path");
    let fd = syscall::open(&path).expect("a directory can be opened");
    let mut entries = alloc::vec![file::Entry::EMPTY; 64];
    let mut names = Vec::new();
    while let Ok(count @ 1..) = file::readdir(fd, &mut entries) {
        names.extend(entries[..count].iter().map(|entry| entry.name().to_vec()));
    }
    syscall::close(fd).expect("it is open");
    for name in names {
        // A name may be any bytes; those of the archive are text.
        let mut path = directory.as_bytes().to_vec();
        path.extend_from_slice(&name);
        let path = CString::new(path).expect("no NUL in a name");
        let is_new = directory != "/" || name.starts_with(b"fuzz-");
        if is_new && file::unlink(&path) == Err(Errno::ENOTEMPTY) {
            let text = path.to_str().expect("a directory of this program's");
            remove_below(&alloc::format!("{text}/"));
            let _ = file::unlink(&path);
        }
    }
}

fn syscall_path(number: usize, path: &core::ffi::CStr) -> isize {
    // SAFETY: the kernel reads the path.
    unsafe { syscall::raw(number, [path.as_ptr().expose_provenance(), 0, 0, 0, 0, 0]) }
}

/// Makes calls until so many have been counted; says how often children ended in which way.
fn round(random: &mut Random, wanted: u64) -> [u64; 3] {
    let [mut done, mut ended, mut killed] = [0; 3];
    while done * CALLS < wanted {
        let seed = random.next();
        let child = process::spawn(|| calls(seed)).expect("a child");
        let news = look_after(child);
        match news {
            News::Exited(DONE) => done += 1,
            News::Killed(_) => killed += 1,
            _ => ended += 1,
        }
    }
    [done, ended, killed]
}

fn main(args: Args) -> i32 {
    let seed = args.number(1, 1);
    let wanted = args.number(2, 100_000);
    println!("fuzz: seed {seed}, {wanted} calls");
    // Inherited: a child must not be killed before it says what it does.
    signal::set(Signal::USR1, Disposition::Handle(take_note)).expect("it can be caught");
    let mut random = Random(seed.wrapping_mul(2).wrapping_add(1));
    // Makes what is made once: the pages of this very code, those of its heap, and this process's inbox,
    // to which children may send.
    drop(core::hint::black_box(alloc::vec![1_u8; 256 << 10]));
    let _ = object::message_receive(&mut [0; 64], 0);
    let (_, warm) = measured(&mut random, CALLS * 8);
    println!("fuzz: warm-up, {} calls", warm * CALLS);
    let (lost, done) = measured(&mut random, wanted);
    println!("fuzz: {} calls, {lost} pages lost", done * CALLS);
    i32::from(lost > 0)
}

/// Makes calls; says how many pages have not come back, and how many children got through.
fn measured(random: &mut Random, wanted: u64) -> (i64, u64) {
    let before = syscall::free_memory();
    let [done, ended, killed] = round(random, wanted);
    clean_up();
    println!("fuzz: {done} children got through, {ended} ended before, {killed} were killed");
    let limit = syscall::clock() + 2_000_000_000;
    while syscall::free_memory() != before && syscall::clock() < limit {
        syscall::yield_now();
    }
    (before as i64 - syscall::free_memory() as i64, done)
}
