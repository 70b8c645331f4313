//! Programs that are no part of Rust: found on the path, or installed as a package of Debian.
//!
//! Nothing is installed unless the user could do it without a password.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::process;

/// How long apt may take.
const INSTALL_LIMIT: Duration = Duration::from_mins(5);

/// Finds a program on the path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

/// Installs the package of a program that is missing.
///
/// # Errors
/// Why not.
pub(crate) fn install(program: &str, package: &str) -> Result<(), String> {
    if find_program("apt-get").is_none() {
        return Err("there is no apt-get to install it with".into());
    }
    let sudo = if nix::unistd::geteuid().is_root() {
        false
    } else if passwordless_sudo() {
        true
    } else {
        return Err("installing needs root or a sudo without password".into());
    };
    eprintln!("{program} is missing: installing Debian's {package} with apt-get");
    apt(sudo, &["update", "-qq"])?;
    apt(
        sudo,
        &["install", "-y", "-qq", "--no-install-recommends", package],
    )
}

fn passwordless_sudo() -> bool {
    let mut command = Command::new("sudo");
    command.args(["-n", "true"]);
    process::run(&mut command, Duration::from_secs(10))
        .outcome
        .success()
}

fn apt(sudo: bool, args: &[&str]) -> Result<(), String> {
    let mut command = if sudo {
        let mut command = Command::new("sudo");
        command.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    } else {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let finished = process::run_merged(command.args(args), INSTALL_LIMIT);
    if finished.outcome.success() {
        return Ok(());
    }
    let last = finished.stdout.lines().last().unwrap_or_default();
    Err(format!(
        "apt-get {} failed: {} {last}",
        args[0], finished.outcome
    ))
}
