//! The order in which the kernel sets itself up.
//!
//! First CPU: console, processor features, memory, descriptor tables, clock, scheduler, the other
//! CPUs, the first program; then it becomes an idle loop like all others.

use kcore::{
    boot_info::BootInfo,
    command_line::CommandLine,
    initrd::{Initrd, InitrdError},
    madt,
};

use crate::{
    arch::{
        clock,
        cpu::{self, MAX_CPUS},
        features, lapic, pic, qemu, serial, tables,
    },
    boot::{options, smp},
    exit_code,
    fs::root,
    mm::{self, phys},
    proc::exec,
    sched, trace,
};

/// What the first CPU runs after the entry code.
pub(crate) extern "C" fn boot_main(start_info: u64) -> ! {
    serial::init();
    trace::init();
    features::enable();
    let boot = BootInfo::new(start_info, phys::read).expect("no PVH start info");
    mm::init(boot);
    tables::init();
    let madt = boot.acpi_table(*b"APIC").unwrap_or_default();
    let apic_ids: heapless::Vec<u8, MAX_CPUS> = madt::local_apics(madt).take(MAX_CPUS).collect();
    cpu::init_first(lapic::id());
    pic::mask();
    lapic::init();
    clock::calibrate();
    smp::start_others(&apic_ids);
    #[cfg(debug_assertions)]
    kcore::count_locks(|| cpu::this().number() as usize);
    let available = madt::local_apics(madt).count();
    if available > apic_ids.len() {
        crate::println!(
            "kernel: {available} CPUs, of which {} are used",
            cpu::count()
        );
    }
    start_init(boot);
    let stack_end = cpu::this().idle().stack_end();
    // SAFETY: the stack is the idle thread's own, mapped and not in use; nothing on the boot stack is
    // needed any more.
    unsafe { crate::arch::switch::call_on_stack(stack_end, sched::idle::enter) }
}

/// What every other CPU runs after the trampoline, on its idle thread's stack.
pub(crate) extern "C" fn ap_main(cpu: u64) -> ! {
    features::enable();
    cpu::load(cpu as u32);
    lapic::init();
    smp::report_online();
    sched::idle::enter()
}

/// Reads the initrd and the command line and makes the first process.
fn start_init(boot: BootInfo<'static>) {
    let archive = match boot
        .initrd()
        .ok_or(InitrdError::Missing)
        .and_then(Initrd::parse)
    {
        Ok(archive) => archive,
        Err(error) => stop(exit_code::BAD_INITRD, format_args!("initrd: {error}")),
    };
    root::mount(&archive);
    let line = alloc::string::String::from_utf8_lossy(boot.command_line());
    let Ok(line) = CommandLine::parse(&line) else {
        stop(
            exit_code::BAD_ELF,
            format_args!("no init=PROGRAM on the command line"),
        );
    };
    for option in &line.options {
        if !options::apply(option) {
            crate::println!("kernel: unknown option {option}");
        }
    }
    if let Err(error) = exec::start_first(&line.init) {
        stop(
            exit_code::BAD_ELF,
            format_args!("{}: {error}", line.init[0]),
        );
    }
}

/// Says why there is nothing to run, and leaves.
fn stop(code: u8, why: core::fmt::Arguments<'_>) -> ! {
    crate::println!("kernel: {why}");
    qemu::exit(code)
}
