//! The decision: a pure function of the wishes and the rows.
//!
//! # How it is made
//! 1. Who lacks a property that is wished for is out, and so is whoever misses a target for certain: with
//!    the near end of the figure's interval.
//! 2. For each criterion that has figures, a candidate's *loss* is how many times its median is
//!    worse than the best of those left; whoever ties with the best loses nothing. Who has no figure where
//!    another one has is out too: nothing is guessed. Only where a property leaves one candidate, that one
//!    stays, and the figure is said to be missing. Where a model can be used in several ways
//!    ([`record::way`]), its best one counts, and is named.
//! 3. The least product of losses is advised, the next one is the runner-up. Where both have the same
//!    losses, or tie in every criterion, they are a tie, and the list's order decides nothing.
//! 4. What would change the answer is found by the same function: with each wish alone, and with each
//!    wish that was not made.

use std::time::Duration;

use record::{Row, table};

use super::criteria::{self, Candidate, Criterion};
use super::wishes::{Waits, Wishes};

/// Nearer to each other than this, two products of losses are called the same.
const SAME: f64 = 1e-9;

/// What comes out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Advice {
    /// Who is advised; several where they can't be told apart, none where nobody will do.
    pub(crate) best: Vec<Candidate>,
    /// Who would be next.
    pub(crate) next: Vec<Candidate>,
    /// The figures of the best and of the next, criterion by criterion.
    pub(crate) reasons: Vec<String>,
    /// The first criterion's figure of the best one, for where there is room for one only.
    pub(crate) headline: Option<String>,
    /// Who is out, and why.
    pub(crate) out: Vec<String>,
    /// What was wished for and has no figure.
    pub(crate) unmeasured: Vec<String>,
    /// Another wish, and whom it would bring.
    pub(crate) changes: Vec<String>,
}

/// A candidate that is left, and its losses.
struct Rival<'a> {
    candidate: Candidate,
    /// By criterion.
    rows: Vec<&'a Row>,
    losses: Vec<f64>,
}

impl Rival<'_> {
    fn loss(&self) -> f64 {
        self.losses.iter().product()
    }
}

/// Decides.
pub(crate) fn decide(wishes: &Wishes, rows: &[Row]) -> Advice {
    let mut advice = ranked(wishes, rows);
    advice.changes = changes(wishes, rows, &advice.best);
    advice
}

fn ranked(wishes: &Wishes, rows: &[Row]) -> Advice {
    let mut advice = Advice::default();
    let mut judged: Vec<(Criterion, Vec<&Row>)> = Vec::new();
    let mut left: Vec<Candidate> = Candidate::all().collect();
    if wishes.isolation {
        left.retain(|candidate| candidate.isolates());
        let names = Candidate::all()
            .filter(|one| !one.isolates())
            .map(Candidate::name);
        let names: Vec<_> = names.collect();
        advice.out.push(format!(
            "{}: a crash takes the whole process along",
            names.join(", ")
        ));
    }
    for criterion in criteria::of(wishes) {
        let own = criterion.rows(rows);
        if own.iter().all(|row| row.median.is_none()) {
            advice
                .unmeasured
                .push(format!("{} ({})", criterion.wish, criterion.part));
        } else {
            judged.push((criterion, own));
        }
    }
    if let [only] = left[..] {
        judged.retain(|(criterion, own)| {
            let is_known = own
                .iter()
                .any(|row| row.subject == only.name() && row.median.is_some());
            if !is_known {
                let what = format!("{} ({} of {})", criterion.wish, criterion.part, only.name());
                advice.unmeasured.push(what);
            }
            is_known
        });
    }
    let mut rivals = Vec::new();
    for candidate in left {
        match figures(candidate, &judged) {
            Ok(rows) => rivals.push(Rival {
                candidate,
                rows,
                losses: Vec::new(),
            }),
            Err(why) => advice.out.push(format!("{}: {why}", candidate.name())),
        }
    }
    if judged.is_empty() {
        // A property may leave one of them even so; but nothing was measured.
        advice.best = rivals
            .iter()
            .map(|rival| rival.candidate)
            .filter(|_| wishes.isolation)
            .collect();
        return advice;
    }
    for at in 0..judged.len() {
        let Some(best) = best(&rivals, at) else { break };
        for rival in &mut rivals {
            rival.losses.push(loss(rival.rows[at], best));
        }
    }
    rivals.sort_by(|a, b| a.loss().total_cmp(&b.loss()));
    let place = |rivals: &[Rival<'_>]| {
        let first = rivals.first();
        let same = |rival: &&Rival<'_>| first.is_some_and(|first| is_tie(first, rival));
        rivals.iter().take_while(same).count()
    };
    let (best, rest) = rivals.split_at(place(&rivals));
    let next = &rest[..place(rest)];
    for (at, (criterion, _)) in judged.iter().enumerate() {
        if let (None, Some(first)) = (&advice.headline, best.first()) {
            let figure = told(criterion, first.rows[at]);
            advice.headline = Some(format!("{}: {figure}", criterion.wish));
        }
        let told: Vec<String> = best
            .iter()
            .chain(next)
            .map(|rival| told(criterion, rival.rows[at]))
            .collect();
        if !told.is_empty() {
            advice
                .reasons
                .push(format!("{}: {}", criterion.wish, told.join("; ")));
        }
    }
    let names = |rivals: &[Rival<'_>]| rivals.iter().map(|rival| rival.candidate).collect();
    (advice.best, advice.next) = (names(best), names(next));
    advice
}

/// The rows of a candidate, one a criterion, or why it is out.
fn figures<'a>(
    candidate: Candidate,
    judged: &[(Criterion, Vec<&'a Row>)],
) -> Result<Vec<&'a Row>, String> {
    let mut rows = Vec::new();
    for (criterion, own) in judged {
        let mut ways = own.iter().filter(|row| candidate.is(&row.subject));
        let first = ways.clone().find(|row| row.median.is_some());
        let Some(row) = first.or_else(|| ways.next()) else {
            return Err(format!("{} has no figure of it", criterion.part));
        };
        // Of the ways in which it can be used the best: whoever takes it may choose.
        let row = ways.fold(
            row,
            |best, row| if is_better(row, best) { row } else { best },
        );
        let Some(median) = row.median else {
            let why = row.note.as_deref().unwrap_or("nobody knows why");
            return Err(format!("no figure of {}: {why}", row.bench));
        };
        if let Some(target) = criterion.target {
            let interval = row.interval.map_or((median, median), |i| (i.low, i.high));
            let missed = if row.lower_is_better {
                interval.0 > target
            } else {
                interval.1 < target
            };
            if missed {
                let asked = table::figure(row, Some(target));
                return Err(format!(
                    "{} instead of {asked} ({})",
                    table::figure(row, Some(median)),
                    criterion.part
                ));
            }
        }
        rows.push(*row);
    }
    Ok(rows)
}

fn best<'a>(rivals: &[Rival<'a>], at: usize) -> Option<&'a Row> {
    let rows = rivals.iter().map(|rival| rival.rows[at]);
    rows.reduce(|best, row| if is_better(row, best) { row } else { best })
}

fn is_better(row: &Row, than: &Row) -> bool {
    match (row.median, than.median) {
        (Some(own), Some(other)) if row.lower_is_better => own < other,
        (Some(own), Some(other)) => own > other,
        _ => false,
    }
}

/// How many times worse a row is than the best one.
fn loss(row: &Row, best: &Row) -> f64 {
    if row.ties(best) {
        return 1.0;
    }
    let (Some(own), Some(most)) = (row.median, best.median) else {
        return f64::INFINITY;
    };
    let times = if row.lower_is_better {
        own / most
    } else {
        most / own
    };
    // A best of nothing is beaten by nobody, and by how much has no number.
    if times.is_finite() {
        times.max(1.0)
    } else {
        f64::MAX.sqrt()
    }
}

fn is_tie(a: &Rival<'_>, b: &Rival<'_>) -> bool {
    let is_same = (a.loss() / b.loss() - 1.0).abs() < SAME;
    is_same || a.rows.iter().zip(&b.rows).all(|(a, b)| a.ties(b))
}

/// A figure with its interval and its doubts.
fn told(criterion: &Criterion, row: &Row) -> String {
    let noisy = if row.noise.is_some() { ", noisy" } else { "" };
    let is_missed = |target: &f64| match row.lower_is_better {
        true => row.median > Some(*target),
        false => row.median < Some(*target),
    };
    let missed = match criterion.target.filter(is_missed) {
        Some(target) => format!(", and {} were asked for", table::figure(row, Some(target))),
        None => String::new(),
    };
    let figure = table::figure(row, row.median);
    let interval = table::interval(row);
    format!("{} {figure} ({interval}{noisy}{missed})", row.subject)
}

/// Finds other wishes that bring other answers.
fn changes(wishes: &Wishes, rows: &[Row], best: &[Candidate]) -> Vec<String> {
    let mut changes = Vec::new();
    let alone: Vec<(Wishes, &str)> = each_alone(wishes);
    if alone.len() > 1 {
        changes.extend(alone.into_iter().filter_map(|(one, name)| {
            told_change(
                &format!("if only {name} counted"),
                &ranked(&one, rows),
                best,
            )
        }));
    }
    if best.is_empty() {
        changes.extend(reachable(wishes, rows));
    }
    for (one, name) in each_more(wishes) {
        let other = ranked(&one, rows);
        if other.unmeasured.is_empty() {
            changes.extend(told_change(&format!("with {name} too"), &other, best));
        }
    }
    changes
}

/// The nearest target that somebody reaches, where nobody reaches the one that was asked for.
fn reachable(wishes: &Wishes, rows: &[Row]) -> Option<String> {
    wishes.latency_target?;
    let nobody = Wishes {
        latency_target: Some(Duration::from_secs(3600)),
        ..*wishes
    };
    let criterion = criteria::of(&nobody).pop()?;
    let of_candidates = criterion.rows(rows).into_iter().filter(|row| {
        let is_left = |one: &Candidate| !wishes.isolation || one.isolates();
        Candidate::all().any(|one| is_left(&one) && one.is(&row.subject))
    });
    let nearest =
        of_candidates.reduce(|best, row| if is_better(row, best) { row } else { best })?;
    let target = Duration::try_from_secs_f64(nearest.median? / 1e9).ok()?;
    let one = Wishes {
        latency_target: Some(target),
        ..*wishes
    };
    let target = table::figure(nearest, nearest.median);
    told_change(&format!("with {target} instead"), &ranked(&one, rows), &[])
}

fn told_change(condition: &str, other: &Advice, best: &[Candidate]) -> Option<String> {
    if other.best == best {
        return None;
    }
    let names: Vec<_> = other
        .best
        .iter()
        .map(|candidate| candidate.name())
        .collect();
    Some(match (names.is_empty(), &other.headline) {
        (true, _) if !other.unmeasured.is_empty() => return None,
        (true, _) => format!("{condition}: nobody would do"),
        (false, Some(figure)) => format!("{condition}: {} ({figure})", names.join(" or ")),
        (false, None) => format!("{condition}: {}, without a figure", names.join(" or ")),
    })
}

/// The wishes that were made, each by itself.
fn each_alone(wishes: &Wishes) -> Vec<(Wishes, &'static str)> {
    let none = Wishes::default();
    let all = [
        (
            Wishes {
                isolation: wishes.isolation,
                ..none
            },
            "isolation",
        ),
        (
            Wishes {
                cpu_bound: wishes.cpu_bound,
                ..none
            },
            "CPU-bound work",
        ),
        (
            Wishes {
                parallel: wishes.parallel,
                ..none
            },
            "parallel work",
        ),
        (
            Wishes {
                waits: wishes.waits,
                ..none
            },
            "the number of waits",
        ),
        (
            Wishes {
                blocking: wishes.blocking,
                ..none
            },
            "blocking calls",
        ),
        (
            Wishes {
                latency_target: wishes.latency_target,
                ..none
            },
            "the latency",
        ),
    ];
    all.into_iter().filter(|(one, _)| !one.is_empty()).collect()
}

/// The wishes, with one more each.
fn each_more(wishes: &Wishes) -> Vec<(Wishes, &'static str)> {
    let all = [
        (
            Wishes {
                isolation: true,
                ..*wishes
            },
            "isolation",
        ),
        (
            Wishes {
                cpu_bound: true,
                ..*wishes
            },
            "CPU-bound work",
        ),
        (
            Wishes {
                parallel: true,
                ..*wishes
            },
            "parallel work",
        ),
        (
            Wishes {
                waits: Some(Waits::Many),
                ..*wishes
            },
            "many waits",
        ),
        (
            Wishes {
                blocking: true,
                ..*wishes
            },
            "blocking calls",
        ),
    ];
    all.into_iter().filter(|(one, _)| one != wishes).collect()
}

#[cfg(test)]
#[path = "decide/tests.rs"]
mod tests;
