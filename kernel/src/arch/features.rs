//! Which processor features the kernel needs, and how it sets them.
//!
//! SMEP and SMAP: the kernel neither runs nor touches user pages by mistake. FSGSBASE: programs set
//! their thread-local base without a system call. NX, global pages, SYSCALL.

use raw_cpuid::{CpuId, CpuIdReaderNative};
use x86_64::registers::control::{Cr4, Cr4Flags};

/// Sets up the calling CPU.
///
/// # Panics
/// If it lacks a feature.
pub(crate) fn enable() {
    let cpuid = CpuId::<CpuIdReaderNative>::new();
    let features = cpuid.get_extended_feature_info();
    let has = |what: &str, found: Option<bool>| {
        assert!(
            found == Some(true),
            "this CPU has no {what}: start QEMU with -cpu max"
        );
    };
    has("SMEP", features.as_ref().map(|f| f.has_smep()));
    has("SMAP", features.as_ref().map(|f| f.has_smap()));
    has("FSGSBASE", features.as_ref().map(|f| f.has_fsgsbase()));
    let flags = Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION
        | Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION
        | Cr4Flags::FSGSBASE
        | Cr4Flags::PAGE_GLOBAL
        | Cr4Flags::PHYSICAL_ADDRESS_EXTENSION
        | Cr4Flags::OSFXSR
        | Cr4Flags::OSXMMEXCPT_ENABLE;
    // SAFETY: what runs now keeps running: paging stays as it is, and the kernel touches no user page
    // outside of its copy routines.
    unsafe { Cr4::write(flags) };
}
