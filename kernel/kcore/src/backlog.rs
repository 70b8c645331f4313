//! The connections to a listening socket that nobody has accepted yet: a bounded queue that closes.

use alloc::collections::VecDeque;

use crate::monitor::Wakes;

/// The listener has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// The state of a [`Monitor`](crate::Monitor): givers connect, takers accept.
#[derive(Debug)]
pub struct Backlog<T> {
    connections: VecDeque<T>,
    limit: usize,
    closed: bool,
}

impl<T> Backlog<T> {
    /// The most connections that may wait.
    pub const MAX: u64 = 128;

    /// An empty one for at most `limit` connections; none for 0 and for more than [`MAX`](Self::MAX).
    #[must_use]
    pub fn new(limit: u64) -> Option<Self> {
        (1..=Self::MAX).contains(&limit).then(|| Self {
            connections: VecDeque::new(),
            limit: limit as usize,
            closed: false,
        })
    }

    /// Puts the connection that is in `new` behind all others; none while there is no room.
    ///
    /// # Errors
    /// [`Closed`], and the connection stays where it is.
    pub fn connect(
        &mut self,
        new: &mut Option<T>,
        wakes: &mut Wakes,
    ) -> Option<Result<(), Closed>> {
        if self.closed {
            return Some(Err(Closed));
        }
        if self.connections.len() >= self.limit {
            return None;
        }
        self.connections.extend(new.take());
        wakes.takers = 1;
        Some(Ok(()))
    }

    /// Takes the connection that has waited longest.
    pub fn accept(&mut self, wakes: &mut Wakes) -> Option<T> {
        let connection = self.connections.pop_front()?;
        wakes.givers = 1;
        Some(connection)
    }

    /// Closes; the connections that waited are to be dropped without the lock.
    #[must_use]
    pub fn close(&mut self, wakes: &mut Wakes) -> VecDeque<T> {
        self.closed = true;
        *wakes = Wakes::ALL;
        core::mem::take(&mut self.connections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(backlog: &mut Backlog<u32>, new: u32) -> (Option<Result<(), Closed>>, usize) {
        let (mut new, mut wakes) = (Some(new), Wakes::default());
        let end = backlog.connect(&mut new, &mut wakes);
        assert_eq!(new.is_none(), end == Some(Ok(())), "taken if it was let in");
        (end, wakes.takers)
    }

    #[test]
    fn who_comes_first_is_accepted_first() {
        let mut backlog = Backlog::new(2).unwrap();
        let mut wakes = Wakes::default();
        assert_eq!(backlog.accept(&mut wakes), None);
        assert_eq!(connect(&mut backlog, 1), (Some(Ok(())), 1));
        assert_eq!(connect(&mut backlog, 2), (Some(Ok(())), 1));
        assert_eq!(connect(&mut backlog, 3), (None, 0), "it is full");
        assert_eq!(wakes, Wakes::default());
        assert_eq!(backlog.accept(&mut wakes), Some(1));
        assert_eq!(wakes.givers, 1, "there is room for one");
        assert_eq!(connect(&mut backlog, 3), (Some(Ok(())), 1));
        assert_eq!(backlog.accept(&mut wakes), Some(2));
        assert_eq!(backlog.accept(&mut wakes), Some(3));
    }

    #[test]
    fn a_closed_one_refuses_and_gives_back_who_waited() {
        let mut backlog = Backlog::new(1).unwrap();
        connect(&mut backlog, 1);
        let mut wakes = Wakes::default();
        assert_eq!(backlog.close(&mut wakes), [1]);
        assert_eq!(wakes, Wakes::ALL);
        assert_eq!(connect(&mut backlog, 2), (Some(Err(Closed)), 0));
    }

    #[test]
    fn limits_have_limits() {
        for limit in [0, Backlog::<()>::MAX + 1, u64::MAX] {
            assert!(Backlog::<()>::new(limit).is_none(), "{limit}");
        }
        assert!(Backlog::<()>::new(Backlog::<()>::MAX).is_some());
    }
}
