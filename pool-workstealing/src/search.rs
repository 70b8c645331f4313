//! Where a worker looks for work, and how long it does so before it sleeps.
//!
//! # Protocol
//! A worker runs, in this order: jobs of its own deque, newest first; of its own spill; of the
//! injector; spawned jobs and forked halves of other workers, oldest first. It stays with a spill
//! that it has taken a job from, until that has nothing more. Each 61st job it looks into the
//! injector and its spill first, in turn, so that workers that feed each other do not starve the
//! outside.
//!
//! Without work it counts itself as searching. The only searcher polls for a while before it
//! sleeps, as long as polling has paid off lately; all others go to sleep after one round.

use std::time::{Duration, Instant};

use exec_core::sync::{spin_loop, thread};
use flight_recorder::Event;

use crate::{
    job::QueuedJob,
    queue::split::Offer,
    seat::Seat,
    worker::{Work, Worker},
};

/// Jobs of its own deque that a worker runs before it looks into the injector.
const FAIR_EVERY: u32 = 61;
/// Rounds of polling between two requests to the others to expose jobs.
const ASK_EVERY: u64 = 128;
/// Looks into the injector in each of these rounds: a job from outside is met soonest.
const POLL_LOOKS: u32 = 4;
/// Rounds of polling between two looks at what others have exposed: about a microsecond. Each
/// look takes the owner's cache line away from it.
const FORKED_EVERY: u32 = 6;
/// As above, when what was exposed was taken back between the looks.
const FORKED_EVERY_MAX: u32 = 24;
/// How long the one polling worker polls at most, and at least.
pub(crate) const POLL_MAX: Duration = Duration::from_micros(50);
const POLL_MIN: Duration = Duration::from_micros(2);

/// What a searching worker saw exposed at its last look.
enum Eyed {
    Nothing,
    /// By the worker of this index.
    Offered(usize, Offer),
}

impl Worker {
    /// Work from wherever there is some, its own deque first.
    pub(crate) fn find_work(&self) -> Option<Work> {
        match self.find_own() {
            Some(job) => Some(Work::Queued(job)),
            None => self.look_around(),
        }
    }

    /// A queued job from wherever there is one, its own deque first.
    pub(crate) fn find_queued(&self) -> Option<QueuedJob> {
        self.find_own().or_else(|| self.look_for_queued())
    }

    /// Whether there is more work, for a searcher that has found some.
    pub(crate) fn is_there_more(&self) -> bool {
        // A worker falls asleep with empty deques, and nobody else fills them.
        let rest_asleep = self.sleep().is_rest_asleep();
        self.registry().injector.has_ready() || (!rest_asleep && self.registry().has_shared_work())
    }

    /// The newest job of its own deque; now and then the oldest of the injector or the spill.
    #[inline]
    fn find_own(&self) -> Option<QueuedJob> {
        let tick = self.own().tick.get().wrapping_add(1);
        self.own().tick.set(tick);
        if tick.is_multiple_of(FAIR_EVERY) {
            let job = if tick.is_multiple_of(2 * FAIR_EVERY) {
                self.take_spilled().or_else(|| self.take_injected())
            } else {
                self.take_injected().or_else(|| self.take_spilled())
            };
            if job.is_some() {
                return job;
            }
        }
        self.pop()
    }

    /// Any work from elsewhere.
    fn look_around(&self) -> Option<Work> {
        if let Some(job) = self.look_for_queued() {
            return Some(Work::Queued(job));
        }
        let stolen = self.others().find_map(|(index, seat)| {
            let fork = seat.split.steal()?;
            self.stole_from(index);
            Some(Work::Forked(fork))
        });
        if stolen.is_none() {
            self.seat().counters.failed_steals.add();
        }
        stolen
    }

    /// A queued job that is not in its own deque: mail, its spill, the injector, what other
    /// workers spawned.
    fn look_for_queued(&self) -> Option<QueuedJob> {
        self.seat()
            .take_mail()
            .or_else(|| self.take_spilled())
            .or_else(|| self.take_again())
            .or_else(|| self.take_injected())
            .or_else(|| self.steal_queued())
    }

    /// A queued job that another worker spawned.
    fn steal_queued(&self) -> Option<QueuedJob> {
        self.others().find_map(|(index, _)| {
            let job = self.take_spawned_of(index)?;
            self.stole_from(index);
            Some(job)
        })
    }

    /// The other seats that are taken, from a random one on.
    fn others(&self) -> impl Iterator<Item = (usize, &Seat)> {
        let (seats, me) = (self.registry().seats(), self.index());
        let len = self.registry().threads().max(me + 1);
        let from = self.next_random() as usize % len;
        let others = (from..len).chain(0..from).filter(move |&index| index != me);
        others.map(|index| (index, &seats[index]))
    }

    /// A forked half that has been exposed for a while: takes what was there at the last look,
    /// or remembers what is there now.
    fn look_for_forked(&self, eyed: &mut Eyed, every: &mut u32) -> Option<Work> {
        let seats = self.registry().seats();
        if let Eyed::Offered(index, offer) = *eyed {
            if let Some(fork) = seats[index].split.steal_if(offer) {
                self.stole_from(index);
                return Some(Work::Forked(fork));
            }
            // Its owner was faster: such small work is left in peace, more and more.
            *every = (*every * 2).min(FORKED_EVERY_MAX);
        }
        *eyed = Eyed::Nothing;
        for (index, seat) in seats.iter().enumerate() {
            if index != self.index()
                && let Some(offer) = seat.split.peek()
            {
                *eyed = Eyed::Offered(index, offer);
                break;
            }
        }
        None
    }

    /// Asks the others to expose jobs, again.
    fn ask_around(&self) {
        for seat in self.registry().seats() {
            seat.split.ask();
        }
    }

    /// Notes a steal from the worker of this index.
    #[inline]
    pub(crate) fn stole_from(&self, victim: usize) {
        self.seat().counters.steals.add();
        self.note(Event::Steal, victim as u64);
    }

    /// A number to begin a round at (xorshift64).
    fn next_random(&self) -> u64 {
        let mut x = self.own().random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.own().random.set(x);
        x
    }

    /// Searches until there is work, polling and sleeping; `None`: it has to leave.
    pub(crate) fn search(&self) -> Option<Work> {
        let mut since: Option<Instant> = None;
        let mut eyed = Eyed::Nothing;
        let mut every = FORKED_EVERY;
        let mut woken = false;
        for round in 0_u32.. {
            if self.registry().must_leave(self.index()) {
                return None;
            }
            if let Some(job) = self.look_for_queued() {
                return Some(Work::Queued(job));
            }
            if round.is_multiple_of(every) {
                if let Some(work) = self.look_for_forked(&mut eyed, &mut every) {
                    return Some(work);
                }
                self.seat().counters.failed_steals.add();
            }
            self.registry().end_if_drained();
            let start = *since.get_or_insert_with(Instant::now);
            let polls =
                self.sleep().idle().searching() <= 1 && start.elapsed() < self.own().poll.get();
            if polls || matches!(eyed, Eyed::Offered(..)) {
                if std::mem::take(&mut woken) {
                    // It may have been woken on the CPU of the one that woke it, and must not
                    // keep that one from the work it is waiting for.
                    thread::yield_now();
                }
                self.poll();
                continue;
            }
            self.ask_around();
            self.note(Event::ParkStart, 0);
            let index = self.index();
            let slept = self
                .sleep()
                .sleep(index, || self.registry().has_work(index));
            self.note(Event::ParkEnd, 0);
            woken = slept;
            if slept {
                self.seat().counters.parks.add();
                self.learn(start.elapsed());
            }
            since = None;
        }
        None
    }

    /// One round of waiting awake.
    fn poll(&self) {
        let polls = &self.seat().counters.polls;
        polls.add();
        if polls.get().is_multiple_of(ASK_EVERY) {
            self.ask_around();
        }
        for _ in 0..POLL_LOOKS {
            if self.registry().injector.has_ready() {
                return;
            }
            spin_loop();
        }
    }

    /// Adapts the polling time: work that came soon after would have been met by polling.
    fn learn(&self, waited: Duration) {
        let poll = self.own().poll.get();
        self.own().poll.set(if waited < 2 * POLL_MAX {
            (poll * 2).min(POLL_MAX)
        } else {
            (poll / 2).max(POLL_MIN)
        });
    }
}
