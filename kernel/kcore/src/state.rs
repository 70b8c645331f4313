//! The life of a thread: which state may follow which.
//!
//! # States
//! - `New`: it has a number and a frame, nobody has made it ready yet.
//! - `Ready`: it stands in a run queue. `Running`: it is a CPU's current thread.
//! - `Waiting`: it is off the CPU until something wakes it.
//! - `Stopped`: it is off the CPU until its process is continued, or ends.
//! - `Terminated`: nothing of the program runs in it any more. Once it has been left for ever, its
//!   structure may become a `New` thread.
//!
//! # Protocol
//! Whoever moves a thread says so with [`StateCell::enter`], which asserts that the step is one of
//! the table. The steps are ordered by what moves the thread (a run queue's lock, the parking word);
//! this word follows them. Where steps may have to be recorded, [`StateCell::enter_quietly`] comes
//! first: one look at [`Steps`] says both that the step is allowed and that nobody records it.

use crate::sync::{AtomicU32, Ordering};

/// Where a thread is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// Made, never run.
    New,
    /// In a run queue.
    Ready,
    /// On a CPU.
    Running,
    /// Off the CPU until it is woken.
    Waiting,
    /// Off the CPU until its process goes on.
    Stopped,
    /// Ended.
    Terminated,
}

impl State {
    /// All states, by number.
    pub const ALL: [Self; 6] = [
        Self::New,
        Self::Ready,
        Self::Running,
        Self::Waiting,
        Self::Stopped,
        Self::Terminated,
    ];

    /// Its name in listings and traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Terminated => "terminated",
        }
    }

    /// Whether `to` may follow.
    #[inline]
    #[must_use]
    pub const fn may_become(self, to: Self) -> bool {
        PREDECESSORS[to as usize] >> self as u32 & 1 != 0
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The state with this number; there is one, since only states are stored.
    #[inline(always)]
    const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::New,
            1 => Self::Ready,
            2 => Self::Running,
            3 => Self::Waiting,
            4 => Self::Stopped,
            _ => Self::Terminated,
        }
    }
}

/// For each state, a bit for each state that it may follow.
const PREDECESSORS: [u32; 6] = [
    State::Terminated.bit(),
    State::New.bit() | State::Running.bit() | State::Waiting.bit() | State::Stopped.bit(),
    State::Ready.bit(),
    State::Running.bit(),
    State::Running.bit(),
    State::Running.bit(),
];

/// Which states may follow which, as long as nobody records the steps; then none.
#[derive(Debug)]
pub struct Steps([AtomicU32; 6]);

impl Steps {
    /// Nobody records.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        let mut steps = [const { AtomicU32::new(0) }; 6];
        let mut to = 0;
        while to < steps.len() {
            steps[to] = AtomicU32::new(PREDECESSORS[to]);
            to += 1;
        }
        Self(steps)
    }

    /// Nobody records.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self(PREDECESSORS.map(AtomicU32::new))
    }

    /// From now on steps are recorded, or are not. Other CPUs may see that a little later.
    pub fn record(&self, on: bool) {
        for (step, before) in self.0.iter().zip(PREDECESSORS) {
            // ORDERING: Relaxed: a CPU that sees it late begins late.
            step.store(if on { 0 } else { before }, Ordering::Relaxed);
        }
    }

    /// Whether steps are recorded.
    #[must_use]
    pub fn are_recorded(&self) -> bool {
        // ORDERING: Relaxed: as in `record`.
        self.0[0].load(Ordering::Relaxed) == 0
    }
}

impl Default for Steps {
    fn default() -> Self {
        Self::new()
    }
}

/// The state of one thread.
#[derive(Debug)]
pub struct StateCell(AtomicU32);

impl StateCell {
    /// The cell of a structure without a thread.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU32::new(State::Terminated as u32))
    }

    /// Goes on to `to`; returns the state before.
    ///
    /// A load and a store, no read-modify-write: a thread has one mover at a time, and two of them are
    /// just what the assertion is for.
    ///
    /// # Panics
    /// If `to` may not follow: two sides moved one thread.
    pub fn enter(&self, to: State) -> State {
        // ORDERING: Relaxed: what moves the thread orders its steps, and readers want a recent state.
        let from = State::from_number(self.0.load(Ordering::Relaxed));
        assert!(
            from.may_become(to),
            "invariant: a thread that is {} can't become {}",
            from.name(),
            to.name()
        );
        self.0.store(to as u32, Ordering::Relaxed);
        from
    }

    /// Goes on to `to` if that is allowed and not to be recorded; else false, and nothing has changed.
    #[inline(always)]
    #[must_use]
    pub fn enter_quietly(&self, to: State, steps: &Steps) -> bool {
        // ORDERING: Relaxed: as in `enter`.
        let from = self.0.load(Ordering::Relaxed);
        let quiet = steps.0[to as usize].load(Ordering::Relaxed) >> from & 1 != 0;
        if quiet {
            self.0.store(to as u32, Ordering::Relaxed);
        }
        quiet
    }

    /// The state, which may be another the moment after.
    #[inline]
    #[must_use]
    pub fn get(&self) -> State {
        // ORDERING: Relaxed: as in `enter`.
        State::from_number(self.0.load(Ordering::Relaxed))
    }
}

impl Default for StateCell {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_whole_life_is_allowed() {
        use State::*;
        let cell = StateCell::new();
        let life = [
            New, Ready, Running, Ready, Running, Waiting, Ready, Running, Stopped, Ready, Running,
            Terminated, New,
        ];
        let mut last = Terminated;
        for state in life {
            assert_eq!(cell.enter(state), last);
            assert_eq!(cell.get(), state);
            last = state;
        }
    }

    #[test]
    fn a_step_is_quiet_if_it_is_allowed_and_nobody_records() {
        let (cell, steps) = (StateCell::new(), Steps::new());
        assert!(cell.enter_quietly(State::New, &steps));
        assert!(!cell.enter_quietly(State::Running, &steps), "not allowed");
        assert_eq!(cell.get(), State::New);
        steps.record(true);
        assert!(steps.are_recorded() && !cell.enter_quietly(State::Ready, &steps));
        assert_eq!(cell.get(), State::New);
        steps.record(false);
        assert!(!steps.are_recorded() && cell.enter_quietly(State::Ready, &steps));
        assert_eq!(cell.get(), State::Ready);
    }

    #[test]
    fn the_table_is_the_one_in_the_books() {
        use State::*;
        let allowed: std::vec::Vec<_> = State::ALL
            .into_iter()
            .flat_map(|from| State::ALL.map(|to| (from, to)))
            .filter(|(from, to)| from.may_become(*to))
            .collect();
        let expected = [
            (New, Ready),
            (Ready, Running),
            (Running, Ready),
            (Running, Waiting),
            (Running, Stopped),
            (Running, Terminated),
            (Waiting, Ready),
            (Stopped, Ready),
            (Terminated, New),
        ];
        assert_eq!(allowed.len(), expected.len());
        assert!(expected.iter().all(|step| allowed.contains(step)));
    }

    #[test]
    #[should_panic(expected = "a thread that is waiting can't become running")]
    fn a_step_that_is_not_in_the_table_is_caught() {
        let cell = StateCell::new();
        for state in [State::New, State::Ready, State::Running, State::Waiting] {
            cell.enter(state);
        }
        cell.enter(State::Running);
    }
}
