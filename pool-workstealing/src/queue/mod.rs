//! Where jobs wait: four queues, one for each way a job comes into being.
//!
//! | queue | holds | pushes | takes |
//! |---|---|---|---|
//! | [`split`] | second halves of `join`, on the stacks that wait for them | its worker | its worker, newest first; thieves, oldest first |
//! | [`deque`] | jobs spawned on a worker | its worker | its worker, newest first; thieves, oldest first |
//! | [`spill`] | what a worker spawns when its deque is long | its worker | anybody, oldest first |
//! | [`injector`] | jobs from outside, and all that a queue bound counts | anybody | anybody, oldest first |

pub(crate) mod deque;
pub(crate) mod injector;
pub(crate) mod spill;
pub(crate) mod split;
