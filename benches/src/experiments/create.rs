//! `create`: what one unit of execution costs to make and to end.
//!
//! So many units as the parameter says exist at once: all are made, then all are waited for. What is
//! told is a unit's share.

use std::thread;

use record::Model;

use super::{Case, Setting, timed};
use crate::model;

/// The cases.
pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let cpus = setting.cpus;
    let mut cases = Vec::new();
    for units in [1, 100] {
        let bench = format!("create/time/{units}");
        cases.push(Case::new(&bench, "thread", move || {
            let (outcome, region) = timed(|| threads(units));
            outcome?;
            Ok(region.a_unit(units))
        }));
        for model in Model::ALL {
            cases.push(Case::new(&bench, model.name(), move || {
                let handle = model::build(*model, cpus)?;
                let make = || {
                    let jobs: Vec<_> = (0..units).map(|_| handle.spawn(|| ())).collect();
                    jobs.into_iter().try_for_each(|job| job.join())
                };
                let (outcome, region) = timed(make);
                outcome.map_err(|error| anyhow::anyhow!("{error}"))?;
                Ok(region.a_unit(units))
            }));
        }
    }
    cases
}

fn threads(units: u64) -> anyhow::Result<()> {
    let start = |_| thread::Builder::new().spawn(|| ());
    let started: Vec<_> = (0..units).map(start).collect::<Result<_, _>>()?;
    for thread in started {
        thread.join().expect("invariant: nothing panics");
    }
    Ok(())
}
