//! Which machine a report was measured on: enough to tell two reports apart.
//!
//! Nothing here names a host, a user or an address; a report can be published as it is.

use std::process::Command;

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The machine and the compiler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's brand string; "unknown" where the system doesn't say.
    pub cpu: String,
    /// CPUs that this process may use, after cgroup limits and affinity.
    pub cores: usize,
    /// The operating system and its kernel's release.
    pub kernel: String,
    /// The first line of `rustc --version`.
    pub rustc: String,
    /// Main memory in MiB; 0 where the system doesn't say.
    pub memory_mib: u64,
}

impl Machine {
    /// Describes the machine that this process runs on.
    ///
    /// # Blocking
    /// Runs `rustc --version` (or `$RUSTC`) and waits for it.
    #[must_use]
    pub fn detect() -> Self {
        let wanted = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(wanted).ok();
        let brand = system
            .as_ref()
            .and_then(|system| system.cpus().first())
            .map(|cpu| cpu.brand().trim().to_owned())
            .filter(|brand| !brand.is_empty());
        let release = System::kernel_version().ok();
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        Self {
            cpu: brand.unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: format!(
                "{} {}",
                std::env::consts::OS,
                release.unwrap_or_else(unknown)
            ),
            rustc: first_line(Command::new(rustc).arg("--version")),
            memory_mib: system.map_or(0, |system| system.total_memory() / (1024 * 1024)),
        }
    }
}

/// The CPUs' frequency at this moment in MHz, the mean of all; `None` where the system doesn't say.
///
/// A virtual machine often says what its host's processor is sold with.
#[must_use]
pub fn mhz() -> Option<f64> {
    let wanted = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing().with_frequency());
    let system = System::new_with_specifics(wanted).ok()?;
    let known: Vec<f64> = system
        .cpus()
        .iter()
        .map(|cpu| cpu.frequency() as f64)
        .filter(|mhz| *mhz > 0.0)
        .collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// Names the checked-out revision of the current directory's repository, with `-dirty`
/// behind it where tracked files differ; "unknown" outside a repository.
///
/// # Blocking
/// Runs `git` and waits for it.
#[must_use]
pub fn git_revision() -> String {
    first_line(Command::new("git").args([
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--exclude=*",
    ]))
}

fn first_line(command: &mut Command) -> String {
    command
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.lines().next().map(str::to_owned))
        .filter(|line| !line.is_empty())
        .unwrap_or_else(unknown)
}

fn unknown() -> String {
    "unknown".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_description() {
        let machine = Machine::detect();
        assert!(machine.cores >= 1, "{machine:?}");
        assert!(machine.memory_mib > 16, "{machine:?}");
        assert!(
            machine.kernel.starts_with(std::env::consts::OS),
            "{machine:?}"
        );
        assert!(machine.rustc.starts_with("rustc "), "{machine:?}");
        assert!(!machine.cpu.is_empty());
    }

    #[test]
    fn a_frequency_is_one_or_unknown() {
        assert!(
            mhz().is_none_or(|mhz| (10.0..20_000.0).contains(&mhz)),
            "{:?}",
            mhz()
        );
    }

    #[test]
    fn a_failing_program_is_unknown() {
        assert_eq!(
            first_line(&mut Command::new("/nonexistent/program")),
            "unknown"
        );
    }

    #[test]
    fn the_revision_is_one_word() {
        let revision = git_revision();
        assert!(
            !revision.is_empty() && !revision.contains(char::is_whitespace),
            "{revision:?}"
        );
    }
}
