//! One loom model a protocol, each with a twin that must fail.
