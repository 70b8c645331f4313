//! What a comparison is asked for, checked before anything is built.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use record::{Experiment, Ground, Model};
use workloads::{Size, Workload};

use crate::qemu;

/// The most CPUs that can be asked for: the kernel starts no more, and the host ground takes
/// the same, so that one `--cpus` means one thing.
const MAX_CPUS: u32 = qemu::MAX_CPUS;

/// Compare the models on the same programs, on this system and inside the kernel.
///
/// Every answer is checked against a serial reference; a wrong one fails the run.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The labs to run [default: all, or models where only models or programs are named]
    #[arg(value_name = "LABS",
          value_parser = PossibleValuesParser::new(Experiment::NAMES).try_map(|name| name.parse::<Experiment>()))]
    labs: Vec<Experiment>,

    /// Of the labs but models, only the benches whose names begin so, comma-separated [default: all]
    #[arg(long, value_name = "BENCHES", value_delimiter = ',')]
    only: Vec<String>,

    /// The models to compare, comma-separated, in the labs models and schedulers [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',',
          value_parser = PossibleValuesParser::new(Model::NAMES).try_map(|name| name.parse::<Model>()))]
    models: Vec<Model>,

    /// The programs to run, comma-separated, in the labs models and schedulers [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',',
          value_parser = PossibleValuesParser::new(Workload::NAMES).try_map(|name| name.parse::<Workload>()))]
    workloads: Vec<Workload>,

    /// Where to run them, comma-separated [default: host,kernel]
    #[arg(long, value_name = "NAMES", value_delimiter = ',',
          value_parser = PossibleValuesParser::new(Ground::NAMES).try_map(|name| name.parse::<Ground>()))]
    ground: Vec<Ground>,

    /// The text that wordcount reads [default: this project's sources]
    ///
    /// Any file will do: a word is a run of bytes between ASCII white space, so text that is
    /// not UTF-8 is counted as bytes.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,

    /// How many CPUs the models may use, at most what the kernel supports [default: those of this machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CPUS)))]
    cpus: Option<u32>,

    /// Take few samples of small runs: a look, not a measurement
    #[arg(long)]
    pub(crate) quick: bool,

    /// Write every figure to this file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write every figure to this file, as comma-separated values
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,

    /// Write a page with charts, tables and the race of the models [default file: report.html]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "report.html")]
    pub(crate) report: Option<PathBuf>,

    /// Write what each model's workers did into this folder, a trace for Perfetto each
    ///
    /// On this system only models with a flight recorder can: pool-workstealing and mini-executor.
    /// In the kernel each can, and so can each policy of the lab schedulers.
    #[arg(long, value_name = "DIR")]
    pub(crate) trace: Option<PathBuf>,

    /// Measure with this program instead of building the lab
    #[arg(long, value_name = "PROGRAM", hide = true)]
    pub(crate) lab: Option<PathBuf>,
}

impl Args {
    /// The labs, each once, in the order of the tables.
    pub(crate) fn labs(&self) -> Vec<Experiment> {
        let narrowed =
            !self.models.is_empty() || !self.workloads.is_empty() || self.input.is_some();
        match self.labs.is_empty() && narrowed {
            true => vec![Experiment::Models],
            false => chosen(&self.labs, Experiment::ALL),
        }
    }

    /// The programs, each once, in the order of the tables.
    pub(crate) fn workloads(&self) -> Vec<Workload> {
        chosen(&self.workloads, Workload::ALL)
    }

    /// The grounds, each once, in the order of the tables.
    pub(crate) fn grounds(&self) -> Vec<Ground> {
        chosen(&self.ground, Ground::ALL)
    }

    /// The models to run on a ground, and the asked-for ones that don't exist there.
    pub(crate) fn models(&self, ground: Ground) -> (Vec<Model>, Vec<Model>) {
        let asked = chosen(&self.models, Model::ALL);
        let (here, elsewhere) = asked.into_iter().partition(|model| model.runs_on(ground));
        // Without --models nobody asked for the pools inside the kernel.
        (
            here,
            if self.models.is_empty() {
                Vec::new()
            } else {
                elsewhere
            },
        )
    }

    /// Whether a bench of the labs was asked for: by the beginning of its name, where any was.
    pub(crate) fn is_asked(&self, bench: &str) -> bool {
        let begins = |name: &String| bench.starts_with(name.as_str());
        self.only.is_empty() || self.only.iter().any(begins)
    }

    /// The names that benches were asked for by, as they are given to the programs that measure.
    pub(crate) fn only(&self) -> Option<String> {
        (!self.only.is_empty()).then(|| self.only.join(","))
    }

    /// How many CPUs the models may use.
    pub(crate) fn cpus(&self) -> u32 {
        self.cpus.unwrap_or_else(|| {
            let machine = std::thread::available_parallelism().map_or(1, usize::from);
            u32::try_from(machine).unwrap_or(MAX_CPUS).min(MAX_CPUS)
        })
    }

    /// How large the programs' parameters are.
    pub(crate) fn size(&self) -> Size {
        if self.quick { Size::Quick } else { Size::Full }
    }
}

/// Those of `all` that were asked for, or all of them; a name given twice counts once.
fn chosen<T: Copy + PartialEq>(asked: &[T], all: &[T]) -> Vec<T> {
    all.iter()
        .copied()
        .filter(|one| asked.is_empty() || asked.contains(one))
        .collect()
}

/// The arguments of a test.
#[cfg(test)]
pub(super) fn parsed(words: &[&str]) -> Args {
    tests::parse(words).expect("valid arguments")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    pub(super) fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Line::try_parse_from(std::iter::once("compare").chain(words.iter().copied()))
            .map(|line| line.args)
    }

    fn refused(words: &[&str]) -> String {
        let error = parse(words).expect_err("a refusal");
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    }

    #[test]
    fn unknown_names_are_answered_with_the_valid_ones() {
        let text = refused(&["--models", "fibers"]);
        assert!(
            Model::NAMES.iter().all(|name| text.contains(name)),
            "{text}"
        );
        let text = refused(&["--workloads", "fib,sleep"]);
        assert!(
            Workload::NAMES.iter().all(|name| text.contains(name)),
            "{text}"
        );
        let text = refused(&["--ground", "moon"]);
        assert!(
            Ground::NAMES.iter().all(|name| text.contains(name)),
            "{text}"
        );
    }

    #[test]
    fn cpus_are_bounded_and_the_bound_is_told() {
        for wrong in ["0", "17"] {
            let text = refused(&["--cpus", wrong]);
            assert!(text.contains(&format!("1..={MAX_CPUS}")), "{text}");
        }
        refused(&["--cpus", "two"]);
        assert_eq!(
            parse(&["--cpus", "16"]).expect("the limit itself").cpus(),
            MAX_CPUS
        );
    }

    #[test]
    fn labs_are_all_unless_some_are_named_or_meant() {
        let labs = |words: &[&str]| parse(words).expect("valid").labs();
        assert_eq!(labs(&["--quick"]), Experiment::ALL);
        assert_eq!(
            labs(&["switch", "create", "switch"]),
            [Experiment::Create, Experiment::Switch]
        );
        assert_eq!(labs(&["--workloads", "fib"]), [Experiment::Models]);
        let text = refused(&["fibers"]);
        assert!(
            Experiment::NAMES.iter().all(|name| text.contains(name)),
            "{text}"
        );
    }

    #[test]
    fn nothing_asked_means_everything() {
        let args = parse(&[]).expect("no arguments");
        assert_eq!(args.workloads(), Workload::ALL);
        assert_eq!(args.grounds(), Ground::ALL);
        assert_eq!(args.models(Ground::Host), (Model::ALL.to_vec(), vec![]));
        assert_eq!(
            args.models(Ground::Kernel),
            (Model::IN_KERNEL.to_vec(), vec![])
        );
    }

    #[test]
    fn the_page_has_a_name_unless_it_is_given_one() {
        let page = |words: &[&str]| parse(words).expect("valid").report;
        assert_eq!(page(&[]), None);
        assert_eq!(page(&["--report"]), Some(PathBuf::from("report.html")));
        assert_eq!(
            page(&["--report", "--quick"]),
            Some(PathBuf::from("report.html"))
        );
        assert_eq!(page(&["--report", "a.html"]), Some(PathBuf::from("a.html")));
    }

    #[test]
    fn the_help_names_the_models_that_can_be_traced() {
        use clap::CommandFactory as _;
        let mut line = Line::command();
        let help = line.render_long_help().to_string();
        for model in Model::WITH_RECORDER {
            assert!(help.contains(model.name()), "{help}");
        }
        assert_eq!(Model::WITH_RECORDER.len(), 2, "the help says which");
    }

    #[test]
    fn a_model_asked_for_where_it_is_not_is_told() {
        let args = parse(&["--models", "rayon,one-to-one,rayon"]).expect("valid");
        assert_eq!(args.models(Ground::Host).0, [Model::OneToOne, Model::Rayon]);
        assert_eq!(
            args.models(Ground::Kernel),
            (vec![Model::OneToOne], vec![Model::Rayon])
        );
    }
}
