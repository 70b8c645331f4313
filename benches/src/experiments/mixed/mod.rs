//! `mixed`: what jobs that compute, or that block, do to those that must answer soon.
//!
//! Small requests come from outside, one a millisecond, whatever becomes of those before; the figure is
//! how late each is when it has been answered, from when it was due. Beside that it is told how many
//! of the other jobs end in a second, since nobody should be fast at their expense unseen.
//!
//! | part | what else the model has to do |
//! |---|---|
//! | `idle` | nothing |
//! | `compute` | jobs that compute for 5 ms ([`background`]), twice as many as workers |
//! | `nested` | as `compute`, but each job that ends starts the next itself, not somebody outside |
//! | `blocking` | as many jobs that block their thread for 5 ms |
//! | `inversion` | as `compute`; and each request needs a lock that a long task takes again and again, and holds while it gives way ([`inversion`]) |
//!
//! A model that has its own way out for jobs that keep a worker is a subject twice: as it is, and with
//! that way ([`way`]).
//!
//! The requests are closures, but
//! futures in `inversion`, where a thread that waits for the lock would be the model's no more.

mod background;
mod inversion;
mod requests;
mod way;

use std::time::Duration;

use anyhow::ensure;
use record::{Reading, machine, metric};

use self::background::{Background, Fed, Work};
use self::requests::Requests;
use self::way::Way;
use super::{Case, Setting};
use crate::sockets::Timetable;
use crate::usage::Mark;

/// Requests a second.
const RATE: u64 = 1_000;

/// Jobs a worker that go on all the time.
const JOBS_A_WORKER: usize = 2;

/// How long one of them computes or blocks.
const JOB: Duration = Duration::from_millis(5);

/// How long requests are waited for when nothing else is left to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is beside the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    Jobs(Work, Fed),
    /// Jobs that compute, and a task that holds the requests' lock.
    Holder,
}

/// The cases.
pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let parts = [
        ("mixed/idle", Beside::Nothing),
        ("mixed/compute", Beside::Jobs(Work::Compute, Fed::Outside)),
        ("mixed/nested", Beside::Jobs(Work::Compute, Fed::Inside)),
        ("mixed/blocking", Beside::Jobs(Work::Block, Fed::Outside)),
        ("mixed/inversion", Beside::Holder),
    ];
    let mut cases = Vec::new();
    for (bench, beside) in parts {
        for way in Way::ALL {
            let is_out = *way != Way::Plain(way.model());
            // The way out is for jobs that keep a worker; where that isn't the question, once is enough.
            if is_out && !matches!(beside, Beside::Jobs(_, Fed::Outside)) {
                continue;
            }
            let plan = Plan {
                way: *way,
                beside,
                cpus: setting.cpus,
                length: Duration::from_millis(setting.pick(200, 2_000)),
            };
            cases.push(Case::new(bench, way.name(), move || plan.measure()));
        }
    }
    cases
}

/// One case.
#[derive(Clone, Copy, Debug)]
struct Plan {
    way: Way,
    beside: Beside,
    cpus: usize,
    /// How long requests come.
    length: Duration,
}

impl Plan {
    fn measure(self) -> anyhow::Result<Reading> {
        let jobs = JOBS_A_WORKER * self.cpus;
        let pool = self.way.build(self.cpus, jobs)?;
        let background = match self.beside {
            Beside::Nothing => None,
            Beside::Jobs(work, fed) => Some(Background::start(&pool, work, fed, jobs)?),
            Beside::Holder => {
                let (work, fed) = (Work::Compute, Fed::Outside);
                Some(Background::start(&pool, work, fed, jobs)?)
            }
        };
        let lock = match self.beside {
            Beside::Holder => Some(inversion::Holder::start(pool.handle())?),
            _ => None,
        };
        // Until every worker has ended a job at least.
        if let Some(background) = &background {
            background.warm_up()?;
        }

        let table = Timetable::new(RATE, self.length);
        let mark = Mark::now();
        let before = background.as_ref().map(Background::ended);
        let mut requests = match &lock {
            None => Requests::closures(pool.handle(), &table)?,
            Some(holder) => Requests::futures(pool.handle(), &table, holder.lock())?,
        };
        let after = background.as_ref().map(Background::ended);
        let took = mark.took();
        // The jobs go on while the last requests are waited for, but not for ever.
        let starved = requests.gather(self.length * 2)?;
        if let Some(background) = background {
            background.end()?;
        }
        // After the jobs: where nobody is fair it may not have run since they began.
        if let Some(holder) = lock {
            holder.end()?;
        }

        let ended = after.zip(before).map(|(after, before)| after - before);
        let rate = ended.map(|ended| ended as f64 / took.wall.as_secs_f64());
        let lost = requests.gather(PATIENCE)?;
        ensure!(lost == 0, "{lost} requests were never answered");
        let reading = Reading {
            foreign: took.foreign,
            mhz: machine::mhz(),
            ..Reading::default()
        }
        .with(&metric::LATENCY_P50, requests.late(0.5))
        .with(&metric::LATENCY_P99, requests.late(0.99))
        .with_known(&metric::JOBS, rate);
        Ok(match starved {
            0 => reading,
            _ => reading.with_note(format!(
                "{starved} requests were not answered before the other jobs ended"
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watchdog;

    #[test]
    fn every_way_answers_beside_everything() {
        for way in Way::ALL {
            for beside in [
                Beside::Nothing,
                Beside::Jobs(Work::Compute, Fed::Outside),
                Beside::Jobs(Work::Compute, Fed::Inside),
                Beside::Jobs(Work::Block, Fed::Outside),
                Beside::Holder,
            ] {
                watchdog::run(move || {
                    let plan = Plan {
                        way: *way,
                        beside,
                        cpus: 2,
                        length: Duration::from_millis(5),
                    };
                    let reading = plan
                        .measure()
                        .unwrap_or_else(|error| panic!("{plan:?}: {error:#}"));
                    let figure = |metric: &record::Metric| {
                        let named = |(name, _): &&(String, f64)| name == metric.name;
                        reading
                            .figures
                            .iter()
                            .find(named)
                            .map(|(_, number)| *number)
                    };
                    let (p50, p99) = (figure(&metric::LATENCY_P50), figure(&metric::LATENCY_P99));
                    assert!(p50 > Some(0.0) && p99 >= p50, "{plan:?}: {reading:?}");
                    assert_eq!(figure(&metric::JOBS).is_some(), beside != Beside::Nothing);
                });
            }
        }
    }
}
