//! What a bench asks, so that its chart can be read as the answer.

/// The text of one bench.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub(crate) bench: String,
    pub(crate) question: String,
    pub(crate) text: String,
    pub(crate) charted: Vec<String>,
}

impl Topic {
    /// The topic of a bench: of the rows that are named so, or so with a number behind a slash.
    #[must_use]
    pub fn new(bench: impl Into<String>, question: impl Into<String>) -> Self {
        Self {
            bench: bench.into(),
            question: question.into(),
            text: String::new(),
            charted: Vec::new(),
        }
    }

    /// Adds what the program does and how its chart is read.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// Asks for a chart of a metric that only explains the others, and else is a column.
    #[must_use]
    pub fn chart(mut self, metric: impl Into<String>) -> Self {
        self.charted.push(metric.into());
        self
    }

    /// Whether a row's bench is this one.
    pub(crate) fn is_of(&self, bench: &str) -> bool {
        crate::bench::part(bench) == self.bench
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_belongs_to_its_bench() {
        let topic = Topic::new("fib", "?");
        assert!(topic.is_of("fib/18") && topic.is_of("fib"));
        assert!(!topic.is_of("fibers/18") && !topic.is_of("fib/time/18"));
    }
}
