//! The classic experiments: what each measures on this system, one file an experiment.
//!
//! An experiment is a list of [`Case`]s. A case is run in a fresh process (`lab case`), prints its
//! [`Reading`](record::Reading) and ends; [`crate::rounds`] starts the processes in turns and makes rows of what
//! they say. What the experiments ask, and how their figures are read, is in [`record::Experiment`];
//! their other halves, which run in our kernel, are in the kernel's programs.

mod args;
mod case;
mod create;
mod ipc;
mod mixed;
mod overhead;
mod parallel;
mod server;
mod side;
mod switch;

pub use self::args::{CaseArgs, RunArgs};
pub use self::case::{Case, Region, Setting, timed};
pub use self::side::Side;

/// Where processes of the experiments come in, which never return; for all others, nothing.
pub fn init() {
    create::init();
    switch::init();
}

use record::Experiment;

/// The cases of an experiment on this system, in the order of its tables.
///
/// [`Experiment::Models`] has none here: its programs are run by `lab sample`. Nor has
/// [`Experiment::Schedulers`], which is about the policies of our kernel.
#[must_use]
pub fn cases(experiment: Experiment, setting: &Setting) -> Vec<Case> {
    match experiment {
        Experiment::Create => {
            let overhead = overhead::cases();
            create::cases(setting).into_iter().chain(overhead).collect()
        }
        Experiment::Server => server::cases(setting),
        Experiment::Parallel => parallel::cases(setting),
        Experiment::Switch => switch::cases(setting),
        Experiment::Ipc => ipc::cases(setting),
        Experiment::Mixed => mixed::cases(setting),
        Experiment::Models | Experiment::Schedulers => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_named_once_and_belongs_to_its_experiment() {
        for quick in [true, false] {
            let setting = Setting { quick, cpus: 2 };
            for experiment in Experiment::ALL {
                let cases = cases(*experiment, &setting);
                for (at, case) in cases.iter().enumerate() {
                    assert_eq!(Experiment::of_bench(&case.bench), Some(*experiment));
                    let same = |other: &Case| {
                        (&other.bench, &other.subject) == (&case.bench, &case.subject)
                    };
                    assert!(!cases[..at].iter().any(same), "{case:?} twice");
                }
            }
        }
    }
}
