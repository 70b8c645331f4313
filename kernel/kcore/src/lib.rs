//! The parts of the kernel that run, and are model-checked, on the host.
