//! The runtime of the ring-3 programs: entry, system calls, memory routines.
#![no_std]
