//! Where jobs wait: three queues, one for each way a job comes into being.
//!
//! | queue | holds | pushes | takes |
//! |---|---|---|---|
//! | [`split`] | second halves of `join`, on the stacks that wait for them | its worker | its worker, newest first; thieves, oldest first |
//! | [`deque`] | jobs spawned on a worker | its worker | its worker, newest first; thieves, oldest first |
//! | [`injector`] | jobs from outside, and what overflows the deques | anybody | anybody, oldest first |

pub(crate) mod deque;
pub(crate) mod injector;
pub(crate) mod split;
