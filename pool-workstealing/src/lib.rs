//! A work-stealing thread pool: fork-join, scopes and spawned jobs.
