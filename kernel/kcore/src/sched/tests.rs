//! Each policy against a plain model of its promise, and a CPU's worth of threads against the shares
//! that are promised.

use alloc::{rc::Rc, vec::Vec};
use core::cell::{Cell, RefCell};
use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

struct Thread {
    id: usize,
    share: Share,
    ran_ns: Cell<u64>,
    clock: Rc<Cell<u64>>,
    next: RefCell<Option<Ref>>,
}

type Ref = Rc<Thread>;

impl Linked<RunLink> for Ref {
    fn next(&self) -> Option<Self> {
        self.next.borrow().clone()
    }
    fn set_next(&self, next: Option<Self>) {
        *self.next.borrow_mut() = next;
    }
}

impl Scheduled for Ref {
    fn share(&self) -> &Share {
        &self.share
    }
    fn ran_ns(&self) -> u64 {
        self.ran_ns.get()
    }
    fn now_ns(&self) -> u64 {
        self.clock.get()
    }
}

fn thread(id: usize, policy: PolicyKind, nice: i32, clock: &Rc<Cell<u64>>) -> Ref {
    let share = Share::new(policy);
    share.set_nice(nice);
    Rc::new(Thread {
        id,
        share,
        ran_ns: Cell::new(0),
        clock: Rc::clone(clock),
        next: RefCell::new(None),
    })
}

/// One CPU, tick by tick.
struct Machine {
    clock: Rc<Cell<u64>>,
    queue: RunQueue<Ref>,
    running: Option<Ref>,
    /// Until when, and who.
    waiting: Vec<(u64, Ref)>,
    threads: Vec<Ref>,
}

impl Machine {
    fn new(threads: &[(PolicyKind, i32)]) -> Self {
        let clock = Rc::new(Cell::new(0));
        let mut queue = RunQueue::new(threads.len());
        let threads: Vec<_> = threads
            .iter()
            .enumerate()
            .map(|(id, (policy, nice))| thread(id, *policy, *nice, &clock))
            .collect();
        for thread in &threads {
            queue.push_to_queue(thread.clone());
        }
        Self {
            clock,
            queue,
            running: None,
            waiting: Vec::new(),
            threads,
        }
    }

    /// Runs for some ticks; `waits(id, tick)` says for how many ticks a thread that has run during
    /// that one waits afterwards.
    fn run(&mut self, ticks: u64, waits: impl Fn(usize, u64) -> u64) {
        for tick in 0..ticks {
            let now = self.clock.get();
            while let Some(place) = self.waiting.iter().position(|(until, _)| *until <= now) {
                self.queue.push_to_queue(self.waiting.remove(place).1);
            }
            if self.running.is_none() {
                self.running = self.queue.next_to_run(0);
            }
            self.clock.set(now + TICK_NS);
            let Some(running) = self.running.clone() else {
                continue;
            };
            running.ran_ns.set(running.ran_ns.get() + TICK_NS);
            let over = self.queue.timer_tick(&running);
            let wait = waits(running.id, tick);
            if wait > 0 {
                self.running = self.queue.next_to_run(0);
                self.waiting
                    .push((self.clock.get() + wait * TICK_NS, running));
            } else if over {
                let next = self.queue.next_to_run(0);
                assert!(next.is_some(), "it made room for nobody");
                self.running = next;
                self.queue.push_to_queue(running);
            }
        }
    }

    fn ran_ms(&self) -> Vec<u64> {
        let ms = |thread: &Ref| thread.ran_ns.get() / 1_000_000;
        self.threads.iter().map(ms).collect()
    }
}

const SECOND: u64 = 1000;

#[test]
fn names_and_numbers_lead_to_the_same_policy() {
    for (number, kind) in (0..).zip(PolicyKind::ALL) {
        assert_eq!(PolicyKind::from_number(number), Some(kind));
        assert_eq!(PolicyKind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(PolicyKind::from_number(5), None);
    assert_eq!(PolicyKind::from_number(u64::MAX), None);
    assert_eq!(PolicyKind::from_name("lottery"), None);
}

#[test]
fn first_come_runs_to_its_end() {
    let mut machine = Machine::new(&[(PolicyKind::FirstCome, 0); 3]);
    machine.run(SECOND, |id, tick| {
        if id == 0 && tick == 299 {
            u64::MAX >> 20
        } else {
            0
        }
    });
    assert_eq!(machine.ran_ms(), [300, 700, 0]);
}

#[test]
fn round_robin_is_equal_whatever_the_nice_value() {
    let mut machine = Machine::new(&[
        (PolicyKind::RoundRobin, 0),
        (PolicyKind::RoundRobin, 19),
        (PolicyKind::RoundRobin, -20),
        (PolicyKind::RoundRobin, 5),
    ]);
    machine.run(SECOND, |_, _| 0);
    assert_eq!(machine.ran_ms(), [250; 4]);
}

#[test]
fn priority_serves_the_better_one_and_starves_nobody() {
    let mut machine = Machine::new(&[(PolicyKind::Priority, 0), (PolicyKind::Priority, 10)]);
    machine.run(10 * SECOND, |_, _| 0);
    let [better, worse] = machine.ran_ms()[..] else {
        panic!("two threads")
    };
    // A quantum of 5 ms for each 200 ms that it has waited.
    assert!((200..=260).contains(&worse), "{worse} ms");
    assert_eq!(better + worse, 10_000);

    let mut equal = Machine::new(&[(PolicyKind::Priority, 3); 4]);
    equal.run(SECOND, |_, _| 0);
    assert_eq!(equal.ran_ms(), [250; 4]);
}

#[test]
fn a_better_thread_takes_the_cpu_at_the_next_tick() {
    for policy in [PolicyKind::Priority, PolicyKind::Feedback] {
        let mut machine = Machine::new(&[(policy, 5)]);
        machine.run(37, |_, _| 0);
        let better = thread(1, policy, -5, &machine.clock);
        machine.queue.push_to_queue(better.clone());
        machine.run(2, |_, _| 0);
        assert_eq!(better.ran_ns.get(), TICK_NS, "{policy:?}");
    }
}

#[test]
fn feedback_prefers_who_waits_often() {
    let served = |policy| {
        let mut machine = Machine::new(&[(policy, 0); 3]);
        // The first waits for 20 ms after each that it runs; the others compute.
        machine.run(2 * SECOND, |id, _| if id == 0 { 20 } else { 0 });
        machine.ran_ms()
    };
    let [waiting, one, two] = served(PolicyKind::Feedback)[..] else {
        panic!("three threads")
    };
    assert!(one.abs_diff(two) <= 40, "{one} and {two} ms");
    assert!(waiting >= 2000 / 23, "it waits for nobody: {waiting} ms");
    let in_turn = served(PolicyKind::RoundRobin)[0];
    assert!(in_turn < waiting - 10, "{in_turn} ms in turn, {waiting} ms");

    // All that compute sink, and still share.
    let mut equal = Machine::new(&[(PolicyKind::Feedback, 0); 4]);
    equal.run(4 * SECOND, |_, _| 0);
    for ms in equal.ran_ms() {
        assert!(ms.abs_diff(1000) <= 120, "{:?}", equal.ran_ms());
    }
}

#[test]
fn fair_gives_what_the_weights_say() {
    let mut machine = Machine::new(&[(PolicyKind::Fair, 0), (PolicyKind::Fair, 10)]);
    machine.run(SECOND, |_, _| 0);
    // 1024 of 1134 parts, to within a quantum.
    let first = machine.ran_ms()[0];
    assert!(first.abs_diff(903) <= 5, "{first} ms");

    let mut equal = Machine::new(&[(PolicyKind::Fair, 0); 8]);
    equal.run(SECOND, |_, _| 0);
    assert!(
        equal.ran_ms().iter().all(|ms| ms.abs_diff(125) <= 5),
        "{:?}",
        equal.ran_ms()
    );
}

#[test]
fn a_wait_saves_nothing_up_under_fair() {
    let mut machine = Machine::new(&[(PolicyKind::Fair, 0)]);
    let sleeper = thread(1, PolicyKind::Fair, 0, &machine.clock);
    machine.run(SECOND, |_, _| 0);
    machine.queue.push_to_queue(sleeper.clone());
    machine.run(SECOND, |_, _| 0);
    let got = sleeper.ran_ns.get() / 1_000_000;
    assert!(got.abs_diff(500) <= 5, "{got} ms");
}

#[test]
fn policies_take_turns() {
    for other in PolicyKind::ALL {
        let mut machine = Machine::new(&[(PolicyKind::FirstCome, 0), (other, 0), (other, 0)]);
        machine.run(SECOND, |_, _| 0);
        let first = machine.ran_ms()[0];
        if other == PolicyKind::FirstCome {
            assert_eq!(first, SECOND);
        } else {
            assert!((400..=600).contains(&first), "{first} ms beside {other:?}");
        }
    }
}

#[test]
fn a_changed_policy_counts_from_the_next_turn() {
    let mut machine = Machine::new(&[(PolicyKind::FirstCome, 0); 2]);
    machine.run(100, |_, _| 0);
    for thread in &machine.threads {
        thread.share.set_policy(PolicyKind::Fair);
    }
    machine.run(SECOND, |_, _| 0);
    let [one, two] = machine.ran_ms()[..] else {
        panic!("two threads")
    };
    assert!((one - 100).abs_diff(two) <= 10, "{one} and {two} ms");
}

#[test]
fn stealing_respects_affinity() {
    for policy in PolicyKind::ALL {
        let clock = Rc::new(Cell::new(0));
        let mut queue = RunQueue::new(4);
        for id in 0..4 {
            let thread = thread(id, policy, 0, &clock);
            thread.share.set_affinity(if id < 3 { 0b01 } else { 0b11 });
            queue.push_to_queue(thread);
        }
        assert_eq!(
            queue.steal(1).map(|thread| thread.id),
            Some(3),
            "{policy:?}"
        );
        assert!(queue.steal(1).is_none(), "{policy:?}");
        let rest: Vec<_> = core::iter::from_fn(|| queue.next_to_run(0))
            .map(|thread| thread.id)
            .collect();
        assert_eq!(rest, [0, 1, 2], "{policy:?}");
        assert!(queue.is_empty());
    }
}

#[test]
fn jobs_wait_for_their_admission() {
    let mut jobs = JobQueue::new(2, 10);
    assert_eq!(jobs.submit('a', 0), Admission::Admitted('a'), "the first");
    assert_eq!(jobs.submit('b', 9), Admission::Waits, "too little memory");
    assert_eq!(jobs.submit('c', 100), Admission::Waits, "b goes first");
    assert_eq!(jobs.next(100, false), Some('b'));
    assert_eq!(jobs.next(100, false), None, "the degree is reached");
    assert_eq!(jobs.counts(), (2, 1));
    jobs.ended();
    assert_eq!(jobs.next(9, false), None);
    assert_eq!(jobs.next(10, false), Some('c'));
    jobs.ended();
    jobs.ended();
    assert_eq!(jobs.next(0, false), None, "nobody waits");
    assert_eq!(jobs.counts(), (0, 0));
    jobs.set_degree(1);
    assert_eq!(jobs.submit('d', 0), Admission::Admitted('d'));
    assert_eq!(jobs.submit('e', 100), Admission::Waits);
}

/// What a run queue is asked to do.
#[derive(Clone, Debug)]
enum Step {
    /// A thread becomes ready, after some time.
    Push { nice: i32, after_ms: u64 },
    /// The CPU takes the next one.
    Next,
    /// The one that was taken last runs for some ticks and is ready again.
    Run { ticks: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (-20..20, 0..50_u64).prop_map(|(nice, after_ms)| Step::Push { nice, after_ms }),
        Just(Step::Next),
        (0..30_u64).prop_map(|ticks| Step::Run { ticks }),
    ];
    prop::collection::vec(step, 0..200)
}

/// A plain model: all ready threads in a list, and how to choose one of them.
trait Model {
    fn ready(&mut self, id: usize, nice: i32, now_ns: u64);
    fn choose(&mut self) -> Option<usize>;
}

/// The order of arrival.
#[derive(Default)]
struct Arrival(VecDeque<usize>);

impl Model for Arrival {
    fn ready(&mut self, id: usize, _: i32, _: u64) {
        self.0.push_back(id);
    }
    fn choose(&mut self) -> Option<usize> {
        self.0.pop_front()
    }
}

/// The aged priority, computed anew for each choice, as the promise words it.
#[derive(Default)]
struct Aged {
    waiting: Vec<(usize, i32, u64)>,
    now_ns: u64,
}

impl Model for Aged {
    fn ready(&mut self, id: usize, nice: i32, now_ns: u64) {
        self.waiting.push((id, nice, now_ns));
        self.now_ns = now_ns;
    }
    fn choose(&mut self) -> Option<usize> {
        // In fiftieths of a microsecond, so that a step is a whole number.
        let aged =
            |nice: i32, since: u64| i64::from(nice) * 20_000_000 - (self.now_ns - since) as i64;
        let best = self
            .waiting
            .iter()
            .enumerate()
            .min_by_key(|(place, (_, nice, since))| (aged(*nice, *since), *place))?
            .0;
        Some(self.waiting.remove(best).0)
    }
}

fn agree(policy: PolicyKind, model: &mut impl Model, steps: &[Step]) -> Result<(), TestCaseError> {
    let clock = Rc::new(Cell::new(0));
    let mut queue = RunQueue::new(steps.len());
    let mut all = Vec::new();
    let mut taken: Vec<Ref> = Vec::new();
    for step in steps {
        match *step {
            Step::Push { nice, after_ms } => {
                clock.set(clock.get() + after_ms * TICK_NS);
                let thread = thread(all.len(), policy, nice, &clock);
                model.ready(thread.id, thread.share.nice(), clock.get());
                queue.push_to_queue(thread.clone());
                all.push(thread);
            }
            Step::Next => {
                let next = queue.next_to_run(0);
                prop_assert_eq!(next.as_ref().map(|thread| thread.id), model.choose());
                taken.extend(next);
            }
            Step::Run { ticks } => {
                let Some(thread) = taken.pop() else { continue };
                for _ in 0..ticks {
                    clock.set(clock.get() + TICK_NS);
                    thread.ran_ns.set(thread.ran_ns.get() + TICK_NS);
                    let _ = queue.timer_tick(&thread);
                }
                model.ready(thread.id, thread.share.nice(), clock.get());
                queue.push_to_queue(thread);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn first_come_and_round_robin_serve_in_the_order_of_arrival(steps in steps()) {
        agree(PolicyKind::FirstCome, &mut Arrival::default(), &steps)?;
        agree(PolicyKind::RoundRobin, &mut Arrival::default(), &steps)?;
    }

    #[test]
    fn priority_serves_the_best_aged_one(steps in steps()) {
        agree(PolicyKind::Priority, &mut Aged::default(), &steps)?;
    }

    /// Whatever is done to it, a queue hands out exactly what was put in, each once.
    #[test]
    fn nothing_is_lost_or_doubled(
        pushes in prop::collection::vec((0..5_u64, -20..20, 1..16_u64), 0..100),
        takes in prop::collection::vec((0..4_u32, any::<bool>()), 0..200),
    ) {
        let clock = Rc::new(Cell::new(0));
        let mut queue = RunQueue::new(pushes.len());
        let mut inside: Vec<Ref> = Vec::new();
        let mut pushes = pushes.into_iter().enumerate();
        for (cpu, steal) in takes {
            if let Some((id, (policy, nice, cpus))) = pushes.next() {
                let policy = PolicyKind::from_number(policy).expect("there are five");
                let thread = thread(id, policy, nice, &clock);
                thread.share.set_affinity(cpus);
                queue.push_to_queue(thread.clone());
                inside.push(thread);
            }
            let taken = if steal { queue.steal(cpu) } else { queue.next_to_run(cpu) };
            match taken {
                Some(thread) => {
                    prop_assert!(thread.share.may_run_on(cpu));
                    let place = inside.iter().position(|one| Rc::ptr_eq(one, &thread));
                    prop_assert!(place.is_some(), "it was not inside");
                    inside.remove(place.expect("just asserted"));
                }
                None => prop_assert!(inside.iter().all(|one| !one.share.may_run_on(cpu))),
            }
            prop_assert_eq!(queue.is_empty(), inside.is_empty());
        }
    }

    /// Threads that are always ready get their weights' parts, to within a quantum each.
    #[test]
    fn fair_shares_are_the_weights_parts(nices in prop::collection::vec(-5..6, 2..7)) {
        let threads: Vec<_> = nices.iter().map(|nice| (PolicyKind::Fair, *nice)).collect();
        let mut machine = Machine::new(&threads);
        machine.run(2 * SECOND, |_, _| 0);
        let weight = |nice: i32| 1024.0 * 1.25_f64.powi(-nice);
        let all: f64 = nices.iter().map(|nice| weight(*nice)).sum();
        for (ran, nice) in machine.ran_ms().into_iter().zip(&nices) {
            let promised = 2000.0 * weight(*nice) / all;
            // A quantum for the thread itself and one for each that may be served before it.
            let slack = 5.0 * (nices.len() as f64 + 1.0);
            prop_assert!((ran as f64 - promised).abs() <= slack, "{ran} of {promised} ms");
        }
    }
}

#[test]
fn a_job_is_admitted_without_memory_when_nothing_runs() {
    let mut jobs = JobQueue::new(2, 10);
    assert_eq!(jobs.submit('a', 9), Admission::Admitted('a'));
    assert_eq!(jobs.submit('b', 9), Admission::Waits);
    assert_eq!(jobs.submit('c', 9), Admission::Waits);
    assert_eq!(jobs.next(9, false), None, "a may give memory back");
    assert_eq!(jobs.next(9, true), Some('b'), "a may wait for it");
    assert_eq!(jobs.next(9, true), None, "the degree is what it is");
}
