//! Files: the root (the initrd, read only), descriptors, the console.

pub(crate) mod descriptors;
pub(crate) mod file;
pub(crate) mod root;
