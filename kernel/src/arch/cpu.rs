//! What each CPU has for itself.
//!
//! # Who owns what
//! A [`Cpu`] is found through the `gs` base while the kernel runs. The fields in [`Cpu`] that are
//! atomics are shared with other CPUs; those in cells are touched by their own CPU only, and the
//! kernel runs with interrupts off, so nothing comes in between.

use alloc::{boxed::Box, sync::Arc};
use core::{
    arch::asm,
    cell::{Cell, UnsafeCell},
    mem::offset_of,
    sync::atomic::{AtomicPtr, AtomicU32, Ordering},
};

use flight_recorder::Ring;
use kcore::{FlushRequests, Tid};
use x86_64::registers::model_specific::Msr;

use crate::{
    arch::tables::{STAR, Segments, TaskState},
    mm::address_space::AddressSpace,
    proc::thread::Thread,
    sched::queue::{CpuQueue, Front},
    syscall,
};

/// The most CPUs that are used.
pub(crate) const MAX_CPUS: usize = 16;

const LSTAR_MSR: u32 = 0xc000_0082;
const STAR_MSR: u32 = 0xc000_0081;
const FMASK_MSR: u32 = 0xc000_0084;
const GS_BASE_MSR: u32 = 0xc000_0101;
const KERNEL_GS_BASE_MSR: u32 = 0xc000_0102;
/// Flags that a system call clears: trap, interrupt, direction, nested task, alignment check.
const SYSCALL_CLEARS: u64 = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 18;

/// One CPU.
#[repr(C)]
pub(crate) struct Cpu {
    /// The stack pointer of the program, for a moment, in the system-call entry.
    user_rsp: UnsafeCell<u64>,
    /// The running thread; the idle thread if there is none.
    current: Cell<&'static Thread>,
    task: UnsafeCell<TaskState>,
    number: u32,
    apic_id: u8,
    idle: &'static Thread,
    segments: UnsafeCell<Segments>,
    /// The address space that is loaded, kept alive by this; the kernel's own if none.
    pub(crate) space: Cell<Option<Arc<AddressSpace>>>,
    /// Which one that is, for a quick look.
    pub(crate) space_at: Cell<*const AddressSpace>,
    /// Ready threads and sleeping threads that belong here. Shared.
    pub(crate) queue: CpuQueue,
    /// What happened here lately; see [`crate::trace`]. Written here, read by all.
    pub(crate) ring: Ring,
    /// Who wants this CPU to forget translations. Shared.
    pub(crate) flush: FlushRequests,
}

// SAFETY: other CPUs touch the shared fields only, which are `Sync` by themselves; the cells are
// reached through `this` alone, hence by their own CPU.
unsafe impl Sync for Cpu {}

/// Where the entry code finds things, from the `gs` base.
pub(crate) const USER_RSP_OFFSET: usize = offset_of!(Cpu, user_rsp);
pub(crate) const RSP0_OFFSET: usize = offset_of!(Cpu, task) + offset_of!(TaskState, rsp0);
pub(crate) const CURRENT_OFFSET: usize = offset_of!(Cpu, current);

static CPUS: [AtomicPtr<Cpu>; MAX_CPUS] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CPUS];
/// How many entries of [`CPUS`] are set.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Makes the first CPU's structure and loads it.
pub(crate) fn init_first(apic_id: u8) {
    prepare(0, apic_id);
    load(0);
}

/// Makes the structure of a CPU that has not started; returns the end of its stack.
pub(crate) fn prepare(number: u32, apic_id: u8) -> u64 {
    let idle = Thread::new_idle(number);
    let cpu = Box::leak(Box::new(Cpu {
        user_rsp: UnsafeCell::new(0),
        current: Cell::new(idle),
        task: UnsafeCell::new(TaskState::new()),
        number,
        apic_id,
        idle,
        segments: UnsafeCell::new(Segments::new()),
        space: Cell::new(None),
        space_at: Cell::new(core::ptr::null()),
        queue: CpuQueue::new(number, Tid::MAX_SLOTS, Front::new()),
        ring: Ring::new(),
        flush: FlushRequests::new(),
    }));
    cpu.segments.get_mut().prepare(cpu.task.get_mut());
    // ORDERING: Release pairs with `get`; the count comes after the entry.
    CPUS[number as usize].store(cpu, Ordering::Release);
    idle.stack_end()
}

/// Makes the calling CPU the one with this number.
pub(crate) fn load(number: u32) {
    let cpu = get(number);
    // SAFETY: only the CPU itself loads its segments, once, and the structure lives for ever.
    let segments = unsafe { &*cpu.segments.get() };
    // SAFETY: they never move, and belong to this CPU alone.
    unsafe { segments.load() };
    let base = core::ptr::from_ref(cpu) as u64;
    for (msr, value) in [
        (GS_BASE_MSR, base),
        (KERNEL_GS_BASE_MSR, 0),
        (STAR_MSR, STAR),
        (LSTAR_MSR, syscall::entry::address()),
        (FMASK_MSR, SYSCALL_CLEARS),
    ] {
        let mut msr = Msr::new(msr);
        // SAFETY: the values that the entry code and `this` expect.
        unsafe { msr.write(value) };
    }
    // ORDERING: Release pairs with `count`.
    COUNT.fetch_add(1, Ordering::Release);
}

/// The CPU with this number, which must have been prepared.
pub(crate) fn get(number: u32) -> &'static Cpu {
    // ORDERING: Acquire pairs with `prepare`.
    let cpu = CPUS[number as usize].load(Ordering::Acquire);
    assert!(!cpu.is_null(), "invariant: CPU {number} is prepared");
    // SAFETY: set by `prepare` to a structure that lives for ever.
    unsafe { &*cpu }
}

/// How many CPUs run. Numbers below it are valid for [`get`].
pub(crate) fn count() -> u32 {
    // ORDERING: Acquire pairs with `load`.
    COUNT.load(Ordering::Acquire)
}

/// All running CPUs.
pub(crate) fn all() -> impl Iterator<Item = &'static Cpu> {
    (0..count()).map(get)
}

/// The calling CPU. Not to be kept across a switch: the thread may go on elsewhere.
#[inline(always)]
pub(crate) fn this() -> &'static Cpu {
    let base: *const Cpu;
    // SAFETY: in the kernel the base is that of this CPU's structure; FSGSBASE is on.
    unsafe { asm!("rdgsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
    // SAFETY: set by `load` to a structure that lives for ever.
    unsafe { &*base }
}

/// The running thread.
#[inline(always)]
pub(crate) fn current() -> &'static Thread {
    let thread: *const Thread;
    // SAFETY: reads the field of this CPU's structure in one instruction.
    unsafe {
        asm!(
            "mov {}, gs:[{}]",
            out(reg) thread,
            const CURRENT_OFFSET,
            options(readonly, nostack, preserves_flags)
        );
    }
    // SAFETY: the field is a reference that lives for ever.
    unsafe { &*thread }
}

impl Cpu {
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn apic_id(&self) -> u8 {
        self.apic_id
    }

    /// The thread that runs when there is nothing to run.
    pub(crate) fn idle(&self) -> &'static Thread {
        self.idle
    }

    /// Makes `thread` the running one: entries from ring 3 use its stack from now on.
    #[inline]
    pub(crate) fn set_current(&self, thread: &'static Thread) {
        self.current.set(thread);
        // SAFETY: the task state is this CPU's own, and only this line writes it after the set-up.
        unsafe { (*self.task.get()).rsp0 = thread.entry_stack() };
    }
}
