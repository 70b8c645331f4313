//! Segments, task state and interrupt vectors.
//!
//! Each CPU has its own [`Segments`] (inside its [`Cpu`](crate::arch::cpu::Cpu)); the interrupt
//! vectors are shared. Non-maskable interrupt, double fault and machine check have stacks of their
//! own, because they may come when the stack pointer is worthless.

use alloc::vec;
use core::{arch::asm, cell::UnsafeCell};

use crate::trap::entry;

pub(crate) const KERNEL_CODE: u16 = 0x08;
const TASK: u16 = 0x28;
/// `STAR`: kernel segments from 0x08, user segments from 0x10 (data at +8, code at +16).
pub(crate) const STAR: u64 = 0x10 << 48 | 0x08 << 32;

const VECTOR_NMI: usize = 2;
const VECTOR_DOUBLE_FAULT: usize = 8;
const VECTOR_MACHINE_CHECK: usize = 18;
const FATAL_STACKS: usize = 3;
const FATAL_STACK_LEN: usize = 8192;

/// The task state: where the stacks are.
#[repr(C, packed(4))]
pub(crate) struct TaskState {
    reserved0: u32,
    /// The kernel stack of the running thread, read by the processor and by the system-call entry.
    pub(crate) rsp0: u64,
    unused: [u64; 3],
    interrupt_stacks: [u64; 7],
    reserved1: u64,
    reserved2: u16,
    io_map: u16,
}

/// The descriptor table of one CPU.
#[repr(C)]
pub(crate) struct Segments {
    descriptors: [u64; 7],
}

#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

impl TaskState {
    pub(crate) const fn new() -> Self {
        Self {
            reserved0: 0,
            rsp0: 0,
            unused: [0; 3],
            interrupt_stacks: [0; 7],
            reserved1: 0,
            reserved2: 0,
            io_map: size_of::<Self>() as u16,
        }
    }
}

impl Segments {
    pub(crate) const fn new() -> Self {
        Self {
            descriptors: [0; 7],
        }
    }

    /// Fills in the descriptors for `task`, and new stacks into `task`.
    pub(crate) fn prepare(&mut self, task: &mut TaskState) {
        for index in 0..FATAL_STACKS {
            let stack = vec![0u128; FATAL_STACK_LEN / size_of::<u128>()].leak();
            task.interrupt_stacks[index] = stack.as_mut_ptr_range().end as u64;
        }
        let base = core::ptr::from_mut(task) as u64;
        let limit = size_of::<TaskState>() as u64 - 1;
        let low = (base & 0xff_ffff) << 16 | (base >> 24 & 0xff) << 56 | 0x89 << 40 | limit;
        self.descriptors = [
            0,
            0x00af_9b00_0000_ffff,
            0x00cf_9300_0000_ffff,
            0x00cf_f300_0000_ffff,
            0x00af_fb00_0000_ffff,
            low,
            base >> 32,
        ];
    }

    /// Makes the calling CPU use these segments and the shared vectors.
    ///
    /// # Safety
    /// `self` and the task state given to [`prepare`](Self::prepare) must stay where they are for
    /// ever, and no other CPU may use them.
    pub(crate) unsafe fn load(&self) {
        let gdt = TablePointer {
            limit: size_of_val(&self.descriptors) as u16 - 1,
            base: self.descriptors.as_ptr() as u64,
        };
        let idt = TablePointer {
            limit: size_of::<Vectors>() as u16 - 1,
            base: VECTORS.0.get() as u64,
        };
        // SAFETY: both tables are complete and live for ever; the code segment has the selector that
        // is in use already, and all data segments are reloaded.
        unsafe {
            asm!(
                "lgdt [{gdt}]",
                "lidt [{idt}]",
                "push {code}",
                "lea {tmp}, [rip + 2f]",
                "push {tmp}",
                "retfq",
                "2:",
                "mov ss, {zero:e}",
                "mov ds, {zero:e}",
                "mov es, {zero:e}",
                "ltr {task:x}",
                gdt = in(reg) &gdt,
                idt = in(reg) &idt,
                code = in(reg) u64::from(KERNEL_CODE),
                tmp = out(reg) _,
                zero = in(reg) 0u64,
                task = in(reg) u64::from(TASK),
            );
        }
    }
}

/// One interrupt gate.
#[repr(C)]
#[derive(Clone, Copy)]
struct Gate([u64; 2]);

struct Vectors(UnsafeCell<[Gate; 256]>);

// SAFETY: written once by `init`, on one CPU, before any CPU loads it.
unsafe impl Sync for Vectors {}

static VECTORS: Vectors = Vectors(UnsafeCell::new([Gate([0; 2]); 256]));

/// Fills the interrupt vectors; to be called once, before any CPU loads them.
pub(crate) fn init() {
    let gates = core::array::from_fn(|vector| {
        let stack = match vector {
            VECTOR_DOUBLE_FAULT => 1,
            VECTOR_NMI => 2,
            VECTOR_MACHINE_CHECK => 3,
            _ => 0,
        };
        let target = entry::stub(vector);
        // Present, interrupt gate, ring 0 only: a program's `int` ends in a protection fault.
        let low = target & 0xffff | u64::from(KERNEL_CODE) << 16 | stack << 32 | 0x8e << 40;
        Gate([low | (target >> 16 & 0xffff) << 48, target >> 32])
    });
    // SAFETY: only the first CPU runs, and the vectors are not loaded yet.
    unsafe { VECTORS.0.get().write(gates) };
}
