//! What decides: which figure answers each wish, and who can be advised at all.
//!
//! Nothing here says who is better. A criterion names a bench and a metric, whose direction is the metric's
//! own; the verdict comes from the rows.

use record::{Experiment, Model, Row, metric, way};
use workloads::Workload;

use super::wishes::{Waits, Wishes};

/// Which of a part's parameters counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parameter {
    Least,
    Greatest,
}

/// One figure that a wish is judged by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Criterion {
    /// The wish, as a reader would say it.
    pub(crate) wish: &'static str,
    /// The part of the lab, or the program.
    pub(crate) part: &'static str,
    parameter: Parameter,
    pub(crate) metric: &'static str,
    /// A figure worse than this doesn't do.
    pub(crate) target: Option<f64>,
}

impl Criterion {
    const fn new(wish: &'static str, part: &'static str, metric: &'static str) -> Self {
        Self {
            wish,
            part,
            parameter: Parameter::Greatest,
            metric,
            target: None,
        }
    }

    const fn least(self) -> Self {
        Self {
            parameter: Parameter::Least,
            ..self
        }
    }

    /// The rows that it looks at: one bench on this system.
    pub(crate) fn rows<'a>(&self, rows: &'a [Row]) -> Vec<&'a Row> {
        let parameter = |row: &Row| -> Option<u64> {
            match row.bench.strip_prefix(self.part)? {
                "" => Some(0),
                rest => rest.strip_prefix('/')?.parse().ok(),
            }
        };
        let is_asked = |row: &&Row| row.metric == self.metric && row.ground == "host";
        let own = || {
            rows.iter()
                .filter(is_asked)
                .filter_map(|row| Some((parameter(row)?, row)))
        };
        // Where nobody has a figure there is nothing to be judged by.
        let measured = own()
            .filter(|(_, row)| row.median.is_some())
            .map(|(number, _)| number);
        let chosen = match self.parameter {
            Parameter::Least => measured.min(),
            Parameter::Greatest => measured.max(),
        };
        own()
            .filter(|(number, _)| Some(*number) == chosen)
            .map(|(_, row)| row)
            .collect()
    }
}

/// What decides about these wishes.
pub(crate) fn of(wishes: &Wishes) -> Vec<Criterion> {
    let time = metric::TIME.name;
    let late = metric::LATENCY_P99.name;
    let mut criteria = Vec::new();
    if wishes.isolation {
        criteria.push(Criterion::new("isolation: what a job costs", "create/time", time).least());
    }
    if wishes.cpu_bound {
        criteria.push(Criterion::new(
            "CPU-bound: independent pieces of real work",
            "wordcount",
            time,
        ));
        criteria.push(Criterion::new(
            "CPU-bound: what a job costs",
            "spawn-join",
            time,
        ));
    }
    if wishes.parallel {
        criteria.push(Criterion::new(
            "parallel: what a fork-join costs",
            "fib",
            time,
        ));
    }
    match wishes.waits {
        Some(Waits::Many) => {
            criteria.push(Criterion::new(
                "many waits: memory of one that waits",
                "create/memory",
                metric::MEMORY.name,
            ));
            criteria.push(Criterion::new(
                "many waits: requests on the most connections",
                "server/echo",
                metric::REQUESTS.name,
            ));
        }
        Some(Waits::Few) => {
            criteria.push(Criterion::new(
                "few waits: handing something over",
                "ping-pong",
                time,
            ));
        }
        None => {}
    }
    if wishes.blocking {
        criteria.push(Criterion::new(
            "blocking calls: answers beside them",
            "mixed/blocking",
            late,
        ));
    }
    if let Some(target) = wishes.latency_target {
        criteria.push(Criterion {
            target: Some(target.as_secs_f64() * 1e9),
            ..Criterion::new(
                "latency: answers beside jobs that compute",
                "mixed/compute",
                late,
            )
        });
    }
    criteria
}

/// The labs that measure these criteria, the programs of [`Experiment::Models`], and the parts of the
/// other labs.
pub(crate) fn measured_by(
    criteria: &[Criterion],
) -> (Vec<Experiment>, Vec<Workload>, Vec<&'static str>) {
    let (mut labs, mut programs, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for criterion in criteria {
        // A part's name is that of a bench with any parameter.
        let bench = format!("{}/1", criterion.part);
        let lab = match Experiment::of_bench(&bench) {
            Some(lab) => {
                parts.push(criterion.part);
                lab
            }
            None => {
                programs.extend(criterion.part.parse::<Workload>());
                Experiment::Models
            }
        };
        if !labs.contains(&lab) {
            labs.push(lab);
        }
    }
    (labs, programs, parts)
}

/// Somebody who can be advised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Candidate {
    Model(Model),
    /// The pool whose workers are processes.
    PoolProcess,
}

impl Candidate {
    /// Everybody.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let models = Model::ALL.iter().map(|model| Self::Model(*model));
        models.chain([Self::PoolProcess])
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Model(model) => model.name(),
            Self::PoolProcess => "pool-process",
        }
    }

    /// Whether a subject is this one, used in one of the ways that it has.
    pub(crate) fn is(self, subject: &str) -> bool {
        subject.strip_prefix(self.name()).is_some_and(|rest| {
            let way = rest.strip_prefix('-');
            rest.is_empty() || way.is_some_and(|way| way::ALL.contains(&way))
        })
    }

    /// Whether a job that crashes leaves the others alone: a property, which nobody has to measure.
    pub(crate) const fn isolates(self) -> bool {
        matches!(self, Self::PoolProcess)
    }
}

#[cfg(test)]
mod tests {
    use record::metric::TIME;

    use super::*;

    #[test]
    fn the_asked_for_parameter_is_chosen_among_those_with_a_figure() {
        let rows = [
            Row::measured("create/time/1", &TIME, "thread", "host", vec![1.0]),
            Row::measured("create/time/100", &TIME, "thread", "host", vec![1.0]),
            Row::missing("create/time/1000", &TIME, "thread", "host", "too many"),
            Row::measured("create/time/1000", &TIME, "thread", "kernel", vec![1.0]),
            Row::measured("create/timely/5", &TIME, "thread", "host", vec![1.0]),
        ];
        let criterion = Criterion::new("", "create/time", "time");
        let bench = |criterion: &Criterion| {
            criterion
                .rows(&rows)
                .iter()
                .map(|row| row.bench.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(bench(&criterion), ["create/time/100"]);
        assert_eq!(bench(&criterion.clone().least()), ["create/time/1"]);
        assert!(bench(&Criterion::new("", "fib", "time")).is_empty());
    }

    #[test]
    fn a_way_out_is_its_models_and_another_model_is_none() {
        let mini = Candidate::Model(Model::MiniExecutor);
        assert!(mini.is("mini-executor") && mini.is("mini-executor-unblock"));
        assert!(!mini.is("mini-executor-native") && !mini.is("mini"));
        assert!(!Candidate::Model(Model::PoolBasic).is("pool-basic-crossbeam"));
    }

    #[test]
    fn programs_and_parts_are_told_apart() {
        let wishes = Wishes {
            parallel: true,
            waits: Some(Waits::Many),
            blocking: true,
            ..Wishes::default()
        };
        let (labs, programs, parts) = measured_by(&of(&wishes));
        assert_eq!(
            labs,
            [
                Experiment::Models,
                Experiment::Create,
                Experiment::Server,
                Experiment::Mixed
            ]
        );
        assert_eq!(programs, [Workload::Fib]);
        assert_eq!(parts, ["create/memory", "server/echo", "mixed/blocking"]);
    }

    #[test]
    fn every_wish_has_a_criterion() {
        assert!(of(&Wishes::default()).is_empty());
        let all = Wishes {
            isolation: true,
            cpu_bound: true,
            parallel: true,
            waits: Some(Waits::Few),
            blocking: true,
            latency_target: Some(std::time::Duration::from_millis(1)),
        };
        assert_eq!(of(&all).len(), 7);
        assert_eq!(of(&all).last().expect("the last").target, Some(1e6));
    }
}
