//! All ready threads of one CPU: one queue of each policy.
//!
//! # Promise
//! Each thread stands in the queue of its own policy. Where threads of several policies are ready, the
//! policies take turns, a quantum at the least each, so none starves; within its turn each decides as
//! it says.

use super::{
    Fair, Feedback, FirstCome, Policy, PolicyKind, Priority, QUANTUM_TICKS, Queue, RoundRobin,
    Scheduled,
};

/// The bit of the usual policy.
const ROUND_ROBIN: u32 = 1 << PolicyKind::RoundRobin as u32;

/// See the module.
#[derive(Debug)]
pub struct RunQueue<T> {
    first_come: FirstCome<T>,
    round_robin: RoundRobin<T>,
    priority: Priority<T>,
    feedback: Feedback<T>,
    fair: Fair<T>,
    /// A bit for each policy with a ready thread.
    ready: u32,
    /// The policy whose thread the CPU took last, and the ticks since with threads of others ready.
    turn: PolicyKind,
    ticks: u32,
}

impl<T: Scheduled> RunQueue<T> {
    /// An empty queue with room for `capacity` threads.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            first_come: FirstCome::new(),
            round_robin: RoundRobin::new(),
            priority: Priority::new(capacity),
            feedback: Feedback::new(),
            fair: Fair::new(capacity),
            ready: 0,
            turn: PolicyKind::RoundRobin,
            ticks: 0,
        }
    }

    /// Takes the thread that the queue's own CPU runs next.
    #[inline]
    #[must_use]
    pub fn next_to_run(&mut self, cpu: u32) -> Option<T> {
        self.ticks = 0;
        // Short, because every switch passes here.
        if self.ready == ROUND_ROBIN
            && let Some(next) = self.round_robin.next_to_run(cpu)
        {
            self.turn = PolicyKind::RoundRobin;
            if self.round_robin.is_empty() {
                self.ready = 0;
            }
            return Some(next);
        }
        let (next, kind) = self.take(cpu)?;
        self.turn = kind;
        Some(next)
    }

    /// Takes a thread for another CPU.
    #[must_use]
    pub fn steal(&mut self, cpu: u32) -> Option<T> {
        Some(self.take(cpu)?.0)
    }

    /// Makes a thread ready.
    #[inline]
    pub fn push_to_queue(&mut self, thread: T) {
        // As above.
        if thread.share().is_usual() {
            self.ready |= ROUND_ROBIN;
            self.round_robin.push_to_queue(thread);
        } else {
            self.push(thread);
        }
    }

    #[cold]
    #[inline(never)]
    fn push(&mut self, thread: T) {
        let kind = thread.share().begin_policy(|| thread.ran_ns());
        self.ready |= 1 << kind as u32;
        self.policy(kind, Push(thread));
    }

    /// Counts a tick; true if the running thread has to make room.
    #[must_use]
    pub fn timer_tick(&mut self, running: &T) -> bool {
        let kind = running.share().begin_policy(|| running.ran_ns());
        let own = self.policy(kind, Tick(running));
        let others = self.ready & !(1 << kind as u32) != 0;
        self.ticks = if others { self.ticks + 1 } else { 0 };
        own || self.ticks >= QUANTUM_TICKS
    }

    /// Whether none is ready.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready == 0
    }

    /// The first policy after the last that has a thread for `cpu`, and the thread.
    #[cold]
    #[inline(never)]
    fn take(&mut self, cpu: u32) -> Option<(T, PolicyKind)> {
        let mut left = self.ready;
        while left != 0 {
            let ahead = left & (!1 << self.turn as u32);
            let first = if ahead != 0 { ahead } else { left };
            let kind = PolicyKind::ALL[first.trailing_zeros() as usize];
            if let (Some(thread), is_empty) = self.policy(kind, Take(cpu)) {
                if is_empty {
                    self.ready &= !(1 << kind as u32);
                }
                return Some((thread, kind));
            }
            left &= !(1 << kind as u32);
        }
        None
    }

    /// Has the policy of this kind do something.
    #[inline(always)]
    fn policy<A: Act<T>>(&mut self, kind: PolicyKind, act: A) -> A::Output {
        match kind {
            PolicyKind::FirstCome => act.on(&mut self.first_come),
            PolicyKind::RoundRobin => act.on(&mut self.round_robin),
            PolicyKind::Priority => act.on(&mut self.priority),
            PolicyKind::Feedback => act.on(&mut self.feedback),
            PolicyKind::Fair => act.on(&mut self.fair),
        }
    }
}

/// One of the three methods of a policy, with its argument.
trait Act<T> {
    type Output;
    fn on(self, policy: &mut (impl Policy<T> + Queue)) -> Self::Output;
}

struct Take(u32);
struct Push<T>(T);
struct Tick<'a, T>(&'a T);

impl<T> Act<T> for Take {
    /// The thread, and whether it was the last.
    type Output = (Option<T>, bool);
    #[inline(always)]
    fn on(self, policy: &mut (impl Policy<T> + Queue)) -> Self::Output {
        (policy.next_to_run(self.0), policy.is_empty())
    }
}

impl<T> Act<T> for Push<T> {
    type Output = ();
    #[inline(always)]
    fn on(self, policy: &mut (impl Policy<T> + Queue)) {
        policy.push_to_queue(self.0);
    }
}

impl<T> Act<T> for Tick<'_, T> {
    type Output = bool;
    #[inline(always)]
    fn on(self, policy: &mut (impl Policy<T> + Queue)) -> bool {
        policy.timer_tick(self.0)
    }
}
