//! The programs that are compared, written once against Handle.
