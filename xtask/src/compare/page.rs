//! The page of a comparison: what each program asks, and how its chart is read.

use record::{Report, metric};
use report::{Page, Topic};
use workloads::Workload;

use super::trace::Traces;

/// Makes the page.
pub(super) fn page(report: Report, traces: Traces, notes: &[String]) -> Page {
    let mut page = Page::new(report).command(command_line(std::env::args().skip(1)));
    for workload in Workload::ALL {
        page = page.topic(topic(*workload));
    }
    for note in notes.iter().chain(&traces.missing) {
        page = page.note(note);
    }
    traces.races.into_iter().fold(page, Page::race)
}

fn topic(workload: Workload) -> Topic {
    let switches = metric::VOLUNTARY_SWITCHES.name;
    let topic = |question| Topic::new(workload.name(), question).chart(metric::INSTRUCTIONS.name);
    match workload {
        Workload::SpawnJoin => topic("What does it cost to start a job and to await it?")
            .text(
                "Tiny jobs are spawned one after another and then joined. The time is nearly all \
                 the model's own; the context switches tell who had to sleep and be woken for it.",
            )
            .chart(switches),
        Workload::Fib => topic("What does a fork-join cost?").text(
            "Fibonacci's numbers by recursion without a cut-off: each call forks in two, and the \
             halves have next to nothing to do.",
        ),
        Workload::PingPong => topic("How fast do two tasks hand something over?")
            .text(
                "Two tasks pass a token to and fro, so that only one of them can run. Where each \
                 pass is a context switch of the system, the second chart has it.",
            )
            .chart(switches),
        Workload::Wordcount => topic("What is left of the differences when there is real work?").text(
            "The words of a text are counted in a few large pieces: the work outweighs what the \
             model adds.",
        ),
        Workload::Mixed => topic("What if most tasks wait and a few compute?").text(
            "Sleeping tasks beside jobs that use the CPU: a model whose waiting tasks each hold a \
             thread pays for all of them.",
        ),
    }
}

/// The command as it was typed, as far as a shell would read it so.
fn command_line(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.map(|word| report::quoted(&word)).collect();
    format!("cargo xtask {}", words.join(" "))
}
