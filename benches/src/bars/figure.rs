//! The verb that takes one figure, which every program has that the driver starts.

use std::process::ExitCode;

/// Which figure, and with how many workers.
#[derive(clap::Args, Debug)]
pub struct FigureArgs {
    /// The suite of the bench
    suite: String,
    /// The bench
    bench: String,
    /// Who is measured
    subject: String,
    /// Workers of the pool
    #[arg(long)]
    cpus: u16,
    /// A tenth of the jobs
    #[arg(long)]
    quick: bool,
}

impl FigureArgs {
    /// Takes the figure in this process and prints its line.
    ///
    /// # Errors
    /// As [`figure`](super::figure()).
    ///
    /// # Blocking
    /// Until every job has run.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let suites = [
            super::SUITE,
            crate::pools::SUITE,
            crate::asyncs::SUITE,
            crate::processes::SUITE,
        ];
        let cpus = usize::from(self.cpus);
        let (suite, bench) = (&self.suite, &self.bench);
        let figure = super::figure(&suites, suite, bench, &self.subject, cpus, self.quick)?;
        println!("{}", figure.to_line());
        Ok(ExitCode::SUCCESS)
    }
}
