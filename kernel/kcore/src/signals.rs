//! Signals: which there are, what each does by itself, and what a process does with it.
//!
//! # States
//! A signal of a process or thread is *pending* from its sending until a thread that does not block it
//! takes it on its way out of the kernel. It is pending once, however often it was sent meanwhile.
//!
//! `KILL` and `STOP` can be neither handled, ignored nor blocked. `CONT` makes a stopped process go on
//! when it is sent, whatever becomes of it then.

use crate::sync::{AtomicU32, Ordering, load_in_order, seeded};

/// A signal, 1 to [`Signal::LAST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signal(u8);

/// What a signal does to a process that has said nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The process ends.
    Terminate,
    /// Nothing.
    Ignore,
    /// The process stops.
    Stop,
    /// The process goes on.
    Continue,
}

impl Signal {
    /// The greatest number.
    pub const LAST: u8 = 31;
    /// An illegal instruction.
    pub const ILL: Self = Self(4);
    /// A breakpoint.
    pub const TRAP: Self = Self(5);
    /// An arithmetic error.
    pub const FPE: Self = Self(8);
    /// The end, without a way round.
    pub const KILL: Self = Self(9);
    /// A bad address.
    pub const SEGV: Self = Self(11);
    /// A child has ended or stopped.
    pub const CHLD: Self = Self(17);
    /// Go on.
    pub const CONT: Self = Self(18);
    /// Stop, without a way round.
    pub const STOP: Self = Self(19);
    /// Too much CPU time.
    pub const XCPU: Self = Self(24);

    /// The signal with this number.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number >= 1 && number <= Self::LAST as u64 {
            Some(Self(number as u8))
        } else {
            None
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether a process may handle, ignore or block it.
    #[must_use]
    pub const fn is_catchable(self) -> bool {
        self.0 != Self::KILL.0 && self.0 != Self::STOP.0
    }

    /// What it does by itself.
    #[must_use]
    pub const fn default_action(self) -> Action {
        match self.0 {
            17 | 23 | 28 => Action::Ignore,
            18 => Action::Continue,
            19..=22 => Action::Stop,
            _ => Action::Terminate,
        }
    }
}

/// A set of signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalSet(u32);

impl SignalSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// All signals, those that can't be blocked too: for a thread that takes nothing any more.
    pub const ALL: Self = Self(u32::MAX);
    /// All that stop a process.
    pub const STOPS: Self = Self(1 << 19 | 1 << 20 | 1 << 21 | 1 << 22);

    /// From the bits of a program: bit n for signal n. Signals that can't be blocked, and what is no
    /// signal, are left out.
    #[must_use]
    pub const fn blockable(bits: u64) -> Self {
        let catchable = !(1 << Signal::KILL.0 | 1 << Signal::STOP.0 | 1);
        Self(bits as u32 & catchable)
    }

    /// From the bits of [`bits`](Self::bits).
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// One signal.
    #[must_use]
    pub const fn only(signal: Signal) -> Self {
        Self(1 << signal.0)
    }

    /// Bit n for signal n.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Those of both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are in both sets.
    #[must_use]
    pub const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the signal is in it.
    #[must_use]
    pub const fn has(self, signal: Signal) -> bool {
        self.0 >> signal.0 & 1 != 0
    }

    /// The one with the lowest number.
    #[must_use]
    pub const fn first(self) -> Option<Signal> {
        Signal::new(self.0.trailing_zeros() as u64)
    }
}

/// A set that several CPUs change or read: what is pending, or what a thread blocks.
///
/// All is `SeqCst` but where it begins: who sends a signal, and who changes what it blocks, write one
/// such set and then look at another.
#[derive(Debug, Default)]
pub struct SignalCell(AtomicU32);

impl SignalCell {
    /// Begins anew, while nobody else has it.
    #[inline]
    pub fn begin(&self, set: SignalSet) {
        // ORDERING: Relaxed: whoever gets it later gets it by a lock.
        self.0.store(set.0, Ordering::Relaxed);
    }

    /// What is in it.
    #[inline]
    #[must_use]
    pub fn get(&self) -> SignalSet {
        SignalSet(load_in_order(&self.0))
    }

    /// Replaces what a thread blocks; only for the thread itself. Returns what is `pending` and was not
    /// blocked before, but is now: the thread may have been asked to take it, and another one must be.
    ///
    /// # Memory ordering
    /// Nothing is lost: a sender [adds](Self::add) to what is pending and then looks at the masks, this
    /// changes the mask and then looks at what is pending. One of the two sees the other.
    #[inline]
    #[must_use]
    pub fn replace(&self, mask: SignalSet, pending: &Self) -> SignalSet {
        if seeded("a mask changes after the look at what is pending") {
            let left = pending.get().without(self.get()).both(mask);
            self.0.store(mask.0, Ordering::SeqCst);
            return left;
        }
        // ORDERING: Relaxed: only the thread itself writes it.
        let before = SignalSet(self.0.load(Ordering::Relaxed));
        // ORDERING: SeqCst: see above; pairs with `add` and the sender's `get`.
        self.0.store(mask.0, Ordering::SeqCst);
        pending.get().without(before).both(mask)
    }

    /// Adds signals.
    pub fn add(&self, set: SignalSet) {
        self.0.fetch_or(set.0, Ordering::SeqCst);
    }

    /// Takes signals out.
    pub fn remove(&self, set: SignalSet) {
        self.0.fetch_and(!set.0, Ordering::SeqCst);
    }

    /// Takes the lowest that `mask` does not have; of several who try, each signal goes to one.
    #[must_use]
    pub fn take_first(&self, mask: SignalSet) -> Option<Signal> {
        loop {
            let signal = self.get().without(mask).first()?;
            let bit = SignalSet::only(signal).0;
            if seeded("a signal is taken in two steps") {
                self.remove(SignalSet(bit));
                return Some(signal);
            }
            // Another thread may have been faster.
            if self.0.fetch_and(!bit, Ordering::SeqCst) & bit != 0 {
                return Some(signal);
            }
        }
    }
}

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Disposition {
    /// What the signal does by itself.
    #[default]
    Default,
    /// Nothing.
    Ignore,
    /// It calls a function of the program.
    Handle(Handler),
}

/// A function of the program that handles a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handler {
    /// The function.
    pub entry: u64,
    /// Where it returns to: code that calls `sigreturn`.
    pub restorer: u64,
    /// What is blocked meanwhile, beside the signal itself.
    pub mask: SignalSet,
}

/// What becomes of a signal that a thread takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Ignored,
    /// The process ends.
    Ends,
    /// The process stops.
    Stops,
    /// The handler is called.
    Handled(Handler),
}

/// What a process does with each signal.
#[derive(Clone, Debug)]
pub struct Dispositions([Disposition; Signal::LAST as usize + 1]);

impl Dispositions {
    /// Nothing said about any.
    #[must_use]
    pub const fn new() -> Self {
        Self([Disposition::Default; Signal::LAST as usize + 1])
    }

    /// What is said about one.
    #[must_use]
    pub fn get(&self, signal: Signal) -> Disposition {
        self.0[usize::from(signal.0)]
    }

    /// Says it; returns what was said before. The caller has checked that the signal is catchable.
    pub fn set(&mut self, signal: Signal, to: Disposition) -> Disposition {
        core::mem::replace(&mut self.0[usize::from(signal.0)], to)
    }

    /// What becomes of a signal.
    #[must_use]
    pub fn fate(&self, signal: Signal) -> Fate {
        match (self.get(signal), signal.default_action()) {
            (Disposition::Handle(handler), _) => Fate::Handled(handler),
            (Disposition::Ignore, _) => Fate::Ignored,
            (Disposition::Default, Action::Terminate) => Fate::Ends,
            (Disposition::Default, Action::Stop) => Fate::Stops,
            (Disposition::Default, Action::Ignore | Action::Continue) => Fate::Ignored,
        }
    }

    /// A new program: handlers are gone, what was ignored stays so.
    pub fn forget_handlers(&mut self) {
        for disposition in &mut self.0 {
            if matches!(disposition, Disposition::Handle(_)) {
                *disposition = Disposition::Default;
            }
        }
    }
}

impl Default for Dispositions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_signals_and_nothing_else() {
        let set = SignalSet::blockable(u64::MAX);
        assert!(!set.has(Signal::KILL) && !set.has(Signal::STOP) && set.has(Signal::CHLD));
        assert_eq!(set.first(), Signal::new(1));
        assert_eq!(SignalSet::EMPTY.first(), None);
        assert_eq!(SignalSet::only(Signal::XCPU).first(), Some(Signal::XCPU));
        assert_eq!(SignalSet::blockable(1), SignalSet::EMPTY);
        let both = SignalSet::only(Signal::CHLD).with(SignalSet::only(Signal::FPE));
        assert_eq!(
            both.without(SignalSet::only(Signal::FPE)).first(),
            Some(Signal::CHLD)
        );
        for number in [0, 32, 64, u64::MAX] {
            assert_eq!(Signal::new(number), None);
        }
    }

    #[test]
    fn the_lowest_that_is_not_blocked_is_taken_once() {
        let pending = SignalCell::default();
        for signal in [Signal::CHLD, Signal::FPE, Signal::SEGV] {
            pending.add(SignalSet::only(signal));
        }
        let mask = SignalSet::only(Signal::FPE);
        assert_eq!(pending.take_first(mask), Some(Signal::SEGV));
        assert_eq!(pending.take_first(mask), Some(Signal::CHLD));
        assert_eq!(pending.take_first(mask), None);
        assert_eq!(pending.get(), mask);
        pending.remove(mask);
        assert_eq!(pending.take_first(SignalSet::EMPTY), None);
    }

    #[test]
    fn fates_follow_what_is_said() {
        let mut said = Dispositions::new();
        assert_eq!(said.fate(Signal::SEGV), Fate::Ends);
        assert_eq!(said.fate(Signal::CHLD), Fate::Ignored);
        assert_eq!(said.fate(Signal::STOP), Fate::Stops);
        assert_eq!(said.fate(Signal::CONT), Fate::Ignored);
        let handler = Handler {
            entry: 1,
            restorer: 2,
            mask: SignalSet::EMPTY,
        };
        let before = said.set(Signal::SEGV, Disposition::Handle(handler));
        assert_eq!(before, Disposition::Default);
        said.set(Signal::FPE, Disposition::Ignore);
        assert_eq!(said.fate(Signal::SEGV), Fate::Handled(handler));
        said.forget_handlers();
        assert_eq!(said.fate(Signal::SEGV), Fate::Ends);
        assert_eq!(said.fate(Signal::FPE), Fate::Ignored);
    }
}
