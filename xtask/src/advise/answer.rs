//! The advice as text.

use super::criteria::Candidate;
use super::decide::Advice;

/// Writes the advice for a reader, without a final newline.
pub(crate) fn render(advice: &Advice) -> String {
    let mut lines = vec![verdict(advice)];
    let mut list = |heading: &str, items: &[String]| {
        if !items.is_empty() {
            lines.push(heading.to_owned());
            lines.extend(items.iter().map(|item| format!("  {item}")));
        }
    };
    list("because, median and 95 % interval:", &advice.reasons);
    list("not measured, so not in the answer:", &advice.unmeasured);
    list("out:", &advice.out);
    list("what would change the answer:", &advice.changes);
    if advice.changes.is_empty() && !advice.best.is_empty() {
        lines.push("nothing that was measured would change the answer".to_owned());
    }
    lines.join("\n")
}

fn verdict(advice: &Advice) -> String {
    let names = |candidates: &[Candidate]| {
        let names: Vec<_> = candidates
            .iter()
            .map(|candidate| candidate.name())
            .collect();
        names.join(" or ")
    };
    let best = names(&advice.best);
    let figure = match advice.reasons.is_empty() {
        true => " (for what it is: no figure was taken)",
        false => "",
    };
    match (advice.best.len(), advice.next.len()) {
        (0, _) if advice.reasons.is_empty() && !advice.unmeasured.is_empty() => {
            "no advice: nothing that decides was measured".to_owned()
        }
        (0, _) => "no advice: nobody fulfils all of these wishes".to_owned(),
        (1, 0) => format!("use {best}{figure}"),
        (1, _) => format!("use {best}{figure}; the runner-up: {}", names(&advice.next)),
        (_, 0) => format!("use {best}: they can't be told apart{figure}"),
        _ => format!(
            "use {best}: they can't be told apart{figure}; the runner-up: {}",
            names(&advice.next)
        ),
    }
}

#[cfg(test)]
mod tests {
    use record::Model;

    use super::*;

    #[test]
    fn an_answer_has_its_reasons_or_says_that_it_has_none() {
        let advice = Advice {
            best: vec![Candidate::Model(Model::Rayon)],
            next: vec![Candidate::Model(Model::Tokio)],
            reasons: vec!["parallel: rayon 1.00 ms".into()],
            changes: vec!["with isolation too: pool-process".into()],
            ..Advice::default()
        };
        let text = render(&advice);
        assert!(
            text.starts_with("use rayon; the runner-up: tokio\nbecause"),
            "{text}"
        );
        let advice = Advice {
            best: vec![Candidate::PoolProcess],
            unmeasured: vec!["isolation".into()],
            ..Advice::default()
        };
        assert!(render(&advice).contains("no figure was taken"));
        let advice = Advice {
            unmeasured: vec!["parallel".into()],
            ..Advice::default()
        };
        assert!(render(&advice).starts_with("no advice: nothing that decides"));
        let nobody = Advice {
            out: vec!["rayon: too late".into()],
            ..Advice::default()
        };
        assert!(render(&nobody).starts_with("no advice: nobody fulfils"));
    }
}
