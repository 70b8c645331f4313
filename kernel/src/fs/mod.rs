//! Files: the tree of names, descriptors, pipes, the console.

pub(crate) mod descriptors;
pub(crate) mod file;
pub(crate) mod pages;
pub(crate) mod pieces;
pub(crate) mod pipe;
pub(crate) mod root;
