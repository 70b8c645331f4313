//! Processes and threads: what they are, how they begin and how they end.

pub(crate) mod exec;
pub(crate) mod exit;
pub(crate) mod family;
pub(crate) mod fork;
pub(crate) mod process;
pub(crate) mod signal;
pub(crate) mod table;
pub(crate) mod thread;
