//! Interrupts and faults: [`entry`] is the assembly, [`kcore::frame`] what it stores, [`fault`] what becomes
//! of a program that did wrong, [`interrupt`] what the timer and other CPUs want.

pub(crate) mod entry;
pub(crate) mod fault;
pub(crate) mod interrupt;
