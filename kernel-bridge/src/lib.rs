//! The grounds a scheduler stands on (host threads, kernel system calls) and the 1:1 executor.
