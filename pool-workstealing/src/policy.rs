//! What a worker may do while it waits inside a job.

/// What a worker runs while it waits for a stolen half of a join, for a scope, or for a handle.
///
/// Whatever the policy, a worker runs the very job it waits for when nobody has started it, so
/// that nested waiting cannot hang for lack of workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitPolicy {
    /// Only work that belongs to what it waits for: it steals back from the thief of its job,
    /// takes jobs of its own scope, and what it has itself spawned since the scope began. A lock
    /// that is held across a nested join is safe, and the stack stays as deep as the computation.
    #[default]
    OwnSubtree,
    /// Any work of the pool. A little more throughput in uneven programs; a lock that is held
    /// across a nested join can deadlock, and stacks can grow without relation to the program.
    Any,
    /// Nothing: it parks.
    Park,
}
