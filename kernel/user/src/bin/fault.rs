//! Faults that end the process: one a boot, named by the argument.
//!
//! Each prints `about to …` first. What must follow is the kernel's line with the address and the
//! cause, and the end with status -1; a program that lives on says so and fails the test.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::sync::Arc;
use core::arch::asm;
use core::ptr;

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::syscall::{self, Protection};
use user::{Args, println, thread};

user::program!(main);

/// An address of these programs' own, and one where nothing is.
const MAPPED: usize = 0x20_0000_0000;
const UNMAPPED: usize = 0x20_1000_0000;

/// The kernel's half, and an address that is none.
const KERNEL: usize = 0xffff_ffff_8010_0000;
const NOT_CANONICAL: usize = 0x8000_0000_0000;

fn main(args: Args) -> i32 {
    let fault = args.get(1).expect("usage: fault NAME");
    println!("about to {fault}");
    match fault {
        "read-null" => read(0),
        "read-unmapped" => read(UNMAPPED),
        "read-kernel" => read(KERNEL),
        "read-not-canonical" => read(NOT_CANONICAL),
        "write-kernel" => write(KERNEL),
        "write-code" => write(main as fn(Args) -> i32 as usize),
        "write-constant" => write(c"constant".as_ptr() as usize),
        "write-read-only" => {
            let at = map(Protection::READ);
            // The page is there once it has been read.
            read(at);
            write(at);
        }
        "execute-data" => {
            let at = map(Protection::READ_WRITE);
            write(at);
            execute(at);
        }
        "exhaust-memory" => exhaust_memory(),
        "execute-kernel" => execute(KERNEL),
        "read-after-unmap" => {
            let at = map(Protection::READ_WRITE);
            write(at);
            unmap(at);
            read(at);
        }
        "divide" => divide(),
        // SAFETY: the processor refuses the instruction in ring 3.
        "halt" => unsafe { asm!("hlt") },
        // SAFETY: as above.
        "mask-interrupts" => unsafe { asm!("cli") },
        // SAFETY: as above.
        "write-port" => unsafe { asm!("out 0xf4, al", in("al") 0x10_u8) },
        // SAFETY: as above.
        "load-page-table" => unsafe { asm!("mov cr3, {}", in(reg) 0_usize) },
        // SAFETY: the processor refuses the instruction anywhere.
        "undefined" => unsafe { asm!("ud2") },
        // SAFETY: the vector's gate is not open to ring 3.
        "interrupt" => unsafe { asm!("int 0x20") },
        "overflow-stack" => {
            overflow(0);
        }
        "return-from-thread" => return_from_thread(),
        "in-a-thread" => in_a_thread(),
        "unmap-under-reader" => unmap_under_reader(),
        _ => panic!("no fault is named {fault}"),
    }
    println!("it lives on");
    0
}

fn read(at: usize) {
    let from: *const u8 = ptr::with_exposed_provenance(at);
    // SAFETY: not sound, and meant to be: the access must fault.
    let byte = unsafe { from.read_volatile() };
    println!("read {byte}");
}

fn write(at: usize) {
    let to: *mut u8 = ptr::with_exposed_provenance_mut(at);
    // SAFETY: as in `read`; where the address is mapped writable the byte is this program's.
    unsafe { to.write_volatile(1) };
}

fn execute(at: usize) {
    // SAFETY: as in `read`: the jump must fault.
    unsafe { asm!("call {}", in(reg) at, clobber_abi("sysv64")) };
}

fn map(protection: Protection) -> usize {
    // SAFETY: nothing else of this program is there.
    let page = unsafe { syscall::mmap(MAPPED, 4096, protection) };
    page.expect("a page can be mapped").expose_provenance()
}

fn unmap(at: usize) {
    // SAFETY: what still leads there is what must fault.
    let unmapped = unsafe { syscall::munmap(ptr::with_exposed_provenance_mut(at)) };
    unmapped.expect("it is mapped");
}

/// Touches more pages than the machine has.
fn exhaust_memory() {
    const LEN: usize = 1 << 40;
    // SAFETY: nothing else of this program is there.
    let start = unsafe { syscall::mmap(MAPPED, LEN, Protection::READ_WRITE) };
    let start = start.expect("a mapping costs nothing before it is touched");
    for page in (0..LEN).step_by(4096) {
        // SAFETY: within the mapping, which is this function's own.
        unsafe { start.wrapping_add(page).write_volatile(1) };
    }
}

fn divide() {
    // SAFETY: touches registers only; the processor refuses to divide by zero.
    unsafe {
        asm!("div {}", in(reg) 0_u64, inout("rax") 1_u64 => _, inout("rdx") 0_u64 => _,
            options(nomem, nostack));
    }
}

/// Needs a page of stack a call, until there is none.
#[inline(never)]
fn overflow(depth: usize) -> usize {
    let mut page = [depth as u8; 4096];
    // Keeps the page and the call after it from being optimised away.
    core::hint::black_box(&mut page);
    let deeper = if depth == usize::MAX {
        0
    } else {
        overflow(depth + 1)
    };
    deeper + usize::from(page[depth % page.len()])
}

/// Starts a thread at a bare `ret`: nothing is there to return to but a zero.
fn return_from_thread() {
    #[unsafe(naked)]
    unsafe extern "C" fn bare_return(_: *mut ()) -> ! {
        core::arch::naked_asm!("ret")
    }
    let stack = thread::Stack::map().expect("a stack can be mapped");
    // SAFETY: the stack is fresh and stays; that the function returns is the point.
    let tid =
        unsafe { syscall::thread_create(c"returns", stack.top(), bare_return, ptr::null_mut()) };
    let _ = syscall::thread_join(tid.expect("a thread can be created"));
}

/// A fault of one thread ends the whole process, wherever the others are.
fn in_a_thread() {
    let word = AtomicU32::new(0);
    let _spinner = thread::spawn(|| {
        loop {
            core::hint::spin_loop();
        }
    });
    let _faulty = thread::spawn(|| {
        read(UNMAPPED);
        0
    });
    loop {
        let _ = syscall::futex_wait(&word, 0, u64::MAX);
    }
}

/// A reader on another processor must fault once the page is gone, and never see it again.
fn unmap_under_reader() {
    let at = map(Protection::READ_WRITE);
    let rounds = Arc::new(AtomicU32::new(0));
    let inner = Arc::clone(&rounds);
    let _reader = thread::spawn(move || {
        loop {
            let from: *const u8 = ptr::with_exposed_provenance(at);
            // SAFETY: mapped at first; after the other thread's unmap this must fault.
            let _ = unsafe { from.read_volatile() };
            inner.fetch_add(1, SeqCst);
        }
    });
    while rounds.load(SeqCst) < 1000 {
        syscall::yield_now();
    }
    unmap(at);
    // From here on every read is of memory that is gone. One round may already be past its read.
    let seen = rounds.load(SeqCst);
    while rounds.load(SeqCst) < seen + 2 {
        syscall::yield_now();
    }
    println!("the reader reads what was unmapped");
    syscall::exit_group(0)
}
