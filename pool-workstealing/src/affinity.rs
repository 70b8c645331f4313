//! Tying a worker to a CPU, where the system can.

/// Ties the current thread to `cpu`; `false` when the system refuses or cannot.
#[cfg(target_os = "linux")]
pub(crate) fn pin(cpu: usize) -> bool {
    if cpu >= libc::CPU_SETSIZE as usize {
        return false;
    }
    // SAFETY: a set of CPUs is plain bits, for which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `cpu` is below `CPU_SETSIZE`, so the bit is inside of the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: 0 names the current thread; the set is readable and of the size given.
    let result =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    result == 0
}

/// This system is not asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_cpu: usize) -> bool {
    false
}
