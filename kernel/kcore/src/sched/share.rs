//! What the scheduler keeps with each thread.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

use super::NICE;

/// The policies, by number as system calls name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum PolicyKind {
    /// First come, first served.
    FirstCome,
    /// In turn, a quantum each.
    RoundRobin,
    /// By priority, with aging.
    Priority,
    /// Multi-level feedback.
    Feedback,
    /// By virtual runtime.
    Fair,
}

impl PolicyKind {
    /// All of them, by number.
    pub const ALL: [Self; 5] = [
        Self::FirstCome,
        Self::RoundRobin,
        Self::Priority,
        Self::Feedback,
        Self::Fair,
    ];

    /// Their names, by number.
    pub const NAMES: [&'static str; 5] = ["fcfs", "rr", "priority", "mlfq", "fair"];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The policy of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let number = Self::NAMES.iter().position(|own| *own == name)?;
        Some(Self::ALL[number])
    }

    /// The policy of a number.
    #[inline]
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// See the module. What a program sets comes first, what policies note after it.
#[derive(Debug)]
pub struct Share {
    policy: AtomicU32,
    /// As the bits of an `i32`.
    nice: AtomicU32,
    /// A bit for each CPU that the thread may run on.
    affinity: AtomicU64,
    /// 0 only for a thread that [is usual](Share::is_usual). Set by who changes anything about that,
    /// after the change; cleared by `recheck`, which looks after that.
    unusual: AtomicU32,
    /// The policy that wrote what follows.
    noted_by: AtomicU32,
    /// Ticks of the present turn, of the policies that count them.
    pub(super) ticks: AtomicU32,
    /// Multi-level feedback: the level, and in which round of the levels that was.
    pub(super) level: AtomicU32,
    pub(super) round: AtomicU64,
    /// Round robin: time used of the turn, as the bits of an `i64`. Multi-level feedback: time used on
    /// the level. Priority: the place in the order. Fair: the virtual time.
    pub(super) used: AtomicU64,
    /// Fair: the queue's virtual time when `used` was brought up to date.
    pub(super) base: AtomicU64,
    /// How much of the thread's running time the policy has counted.
    pub(super) charged_ns: AtomicU64,
}

/// Reads a figure. ORDERING: Relaxed, as all of this file: a queue's lock orders what policies note,
/// and of what a program sets a recent value is enough.
#[inline]
pub(super) fn get(figure: &AtomicU64) -> u64 {
    figure.load(Ordering::Relaxed)
}

/// Writes a figure.
#[inline]
pub(super) fn set(figure: &AtomicU64, value: u64) {
    figure.store(value, Ordering::Relaxed);
}

impl Share {
    /// The share of a thread that may run everywhere, at nice 0.
    #[must_use]
    pub fn new(policy: PolicyKind) -> Self {
        Self {
            policy: AtomicU32::new(policy as u32),
            nice: AtomicU32::new(0),
            affinity: AtomicU64::new(u64::MAX),
            unusual: AtomicU32::new(u32::from(policy != PolicyKind::RoundRobin)),
            noted_by: AtomicU32::new(policy as u32),
            ticks: AtomicU32::new(0),
            level: AtomicU32::new(0),
            round: AtomicU64::new(0),
            used: AtomicU64::new(0),
            base: AtomicU64::new(0),
            charged_ns: AtomicU64::new(0),
        }
    }

    /// Begins a thread that inherits what was set for `parent`; of what policies noted, nothing.
    #[inline]
    pub fn inherit(&self, parent: &Self) {
        let policy = parent.policy.load(Ordering::Relaxed);
        self.policy.store(policy, Ordering::Relaxed);
        self.nice
            .store(parent.nice.load(Ordering::Relaxed), Ordering::Relaxed);
        let affinity = get(&parent.affinity);
        set(&self.affinity, affinity);
        let usual = policy == PolicyKind::RoundRobin as u32 && affinity == u64::MAX;
        self.unusual.store(u32::from(!usual), Ordering::Relaxed);
        // All that round robin notes.
        set(&self.used, 0);
        set(&self.charged_ns, 0);
        self.noted_by
            .store(PolicyKind::RoundRobin as u32, Ordering::Relaxed);
    }

    /// Forgets what another policy has noted, and notes for whom it is from now on.
    #[cold]
    fn forget(&self, policy: PolicyKind, ran_ns: u64) {
        self.noted_by.store(policy as u32, Ordering::Relaxed);
        self.ticks.store(0, Ordering::Relaxed);
        self.level.store(0, Ordering::Relaxed);
        for figure in [&self.round, &self.used, &self.base] {
            set(figure, 0);
        }
        set(&self.charged_ns, ran_ns);
    }

    /// Whether the thread is for round robin, as it was at its last turn, and may run on every CPU: then
    /// nobody has to look any further. As all that a program sets, it counts from the next turn on.
    #[inline]
    #[must_use]
    pub fn is_usual(&self) -> bool {
        self.unusual.load(Ordering::Relaxed) == 0
    }

    /// Finds out whether it is.
    fn recheck(&self) {
        // ORDERING: AcqRel pairs with `set_policy` and `set_affinity`: who sets something that is not
        // seen below sets the word after this, so it stays set.
        self.unusual.swap(0, Ordering::AcqRel);
        let usual = self.policy() == PolicyKind::RoundRobin
            && self.noted_by.load(Ordering::Relaxed) == PolicyKind::RoundRobin as u32
            && self.affinity() == u64::MAX;
        if !usual {
            self.unusual.swap(1, Ordering::AcqRel);
        }
    }

    /// The policy of the thread's next turn; what another has noted is forgotten.
    #[inline]
    pub(super) fn begin_policy(&self, ran_ns: impl FnOnce() -> u64) -> PolicyKind {
        let policy = self.policy();
        if self.noted_by.load(Ordering::Relaxed) != policy as u32 {
            self.forget(policy, ran_ns());
        }
        self.recheck();
        policy
    }

    /// Which policy the thread is for.
    #[inline]
    #[must_use]
    pub fn policy(&self) -> PolicyKind {
        PolicyKind::ALL[self.policy.load(Ordering::Relaxed) as usize]
    }

    /// Changes the policy, from the thread's next turn on.
    pub fn set_policy(&self, policy: PolicyKind) {
        self.policy.store(policy as u32, Ordering::Relaxed);
        // ORDERING: AcqRel: see `recheck`.
        self.unusual.swap(1, Ordering::AcqRel);
    }

    /// From -20, served best, to 19.
    #[must_use]
    pub fn nice(&self) -> i32 {
        self.nice.load(Ordering::Relaxed) as i32
    }

    /// Changes the nice value, cut to what is allowed.
    pub fn set_nice(&self, nice: i32) {
        let nice = nice.clamp(*NICE.start(), *NICE.end());
        self.nice.store(nice as u32, Ordering::Relaxed);
    }

    /// A bit for each CPU that the thread may run on.
    #[must_use]
    pub fn affinity(&self) -> u64 {
        get(&self.affinity)
    }

    /// Changes the CPUs, from the thread's next turn on; at least one bit must be set.
    pub fn set_affinity(&self, cpus: u64) {
        set(&self.affinity, cpus);
        // ORDERING: AcqRel: see `recheck`.
        self.unusual.swap(1, Ordering::AcqRel);
    }

    /// Whether the thread may run on a CPU.
    #[inline]
    #[must_use]
    pub fn may_run_on(&self, cpu: u32) -> bool {
        get(&self.affinity) >> cpu & 1 != 0
    }

    /// Counts a tick of the turn; true if the turn is over, and then another begins.
    #[inline]
    pub(super) fn tick_ends(&self, turn: u32) -> bool {
        let ticks = self.ticks.load(Ordering::Relaxed) + 1;
        let over = ticks >= turn;
        self.ticks
            .store(if over { 0 } else { ticks }, Ordering::Relaxed);
        over
    }

    /// A turn begins.
    #[inline]
    pub(super) fn begin_turn(&self) {
        self.ticks.store(0, Ordering::Relaxed);
    }

    /// What of the thread's running time had not been counted yet; it is from now on.
    pub(super) fn charge(&self, ran_ns: u64) -> u64 {
        let new = ran_ns.saturating_sub(get(&self.charged_ns));
        set(&self.charged_ns, ran_ns);
        new
    }
}
