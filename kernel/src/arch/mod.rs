//! The machine: processors, interrupt controllers, clocks, the serial line. One file a device.

pub(crate) mod clock;
pub(crate) mod cpu;
pub(crate) mod features;
pub(crate) mod ioapic;
pub(crate) mod lapic;
mod memory;
pub(crate) mod pic;
pub(crate) mod qemu;
pub(crate) mod serial;
pub(crate) mod switch;
pub(crate) mod tables;
pub(crate) mod uart;
