//! Where the tests come from: the published packages, by way of cargo.
//!
//! A scratch project that depends on `rayon` is what a user has; `cargo metadata` on it downloads
//! the packages and says where they are unpacked. They are copied from there into a workspace
//! of their own per side, and the registry's copy stays as it is.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::shim::{self, LeftOut};
use crate::{process, workspace};

/// How long the registry may take to answer.
const FETCH_LIMIT: Duration = Duration::from_mins(3);

/// A published package, unpacked.
#[derive(Debug)]
pub(super) struct Package {
    name: String,
    version: String,
    /// Its folder in the registry's cache.
    pub(super) dir: PathBuf,
    /// The lines of a manifest that name what its tests need, itself included.
    pub(super) test_dependencies: Vec<String>,
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The two packages that have tests.
#[derive(Debug)]
pub(super) struct Packages {
    pub(super) rayon: Package,
    pub(super) core: Package,
}

/// Asks cargo for `rayon` 1 and the `rayon-core` that it needs.
///
/// The versions stay the same from run to run until `folder` is removed.
///
/// # Errors
/// Where cargo can't get them.
pub(super) fn fetch(folder: &Path) -> anyhow::Result<Packages> {
    let dir = folder.join("fetch");
    write(
        &dir.join("Cargo.toml"),
        "[workspace]\n\n[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n\
         [dependencies]\nrayon = \"1\"\n",
    )?;
    write(&dir.join("src/lib.rs"), "")?;
    let mut command = workspace::cargo_in(&dir);
    command.args(["metadata", "--format-version", "1"]);
    let finished = process::run(&mut command, FETCH_LIMIT);
    if !finished.outcome.success() {
        bail!(
            "cargo could not fetch rayon: {}\n{}",
            finished.outcome,
            finished.stderr
        );
    }
    let metadata: Value =
        serde_json::from_str(&finished.stdout).context("cargo's metadata is not JSON")?;
    Ok(Packages {
        rayon: package(&metadata, "rayon")?,
        core: package(&metadata, "rayon-core")?,
    })
}

/// Finds a package in cargo's metadata.
fn package(metadata: &Value, name: &str) -> anyhow::Result<Package> {
    let found = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == name)
        .with_context(|| format!("cargo's metadata doesn't name {name}"))?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    let version = text("version");
    let manifest = PathBuf::from(text("manifest_path"));
    let mut test_dependencies = vec![format!("{name} = \"={version}\"")];
    for dependency in found["dependencies"].as_array().into_iter().flatten() {
        if dependency["optional"] == true {
            continue;
        }
        if let (Some(name), Some(req)) = (dependency["name"].as_str(), dependency["req"].as_str()) {
            test_dependencies.push(format!("{name} = \"{req}\""));
        }
    }
    test_dependencies.dedup();
    Ok(Package {
        name: name.to_owned(),
        version,
        dir: manifest
            .parent()
            .context("a manifest lies in a folder")?
            .to_owned(),
        test_dependencies,
    })
}

/// Lays out one side's workspace in `dir`: rayon as published, and rayon-core's tests as a
/// package of their own. `core` takes rayon-core's place where it is given.
///
/// Returns the tests that could not be taken along.
pub(super) fn unpack(
    dir: &Path,
    packages: &Packages,
    core: Option<&Path>,
) -> anyhow::Result<Vec<LeftOut>> {
    // A folder a version: nothing of an older one is left behind in it.
    let rayon = format!("rayon-{}", packages.rayon.version);
    let tests = format!("{}-{}", shim::NAME, packages.core.version);
    let mut manifest = format!("[workspace]\nresolver = \"2\"\nmembers = [{rayon:?}, {tests:?}]\n");
    if let Some(core) = core {
        if !core.join("Cargo.toml").is_file() {
            bail!("there is no crate in {}", core.display());
        }
        let patch = format!("\n[patch.crates-io]\nrayon-core = {{ path = {core:?} }}\n");
        manifest.push_str(&patch);
    }
    write(&dir.join("Cargo.toml"), &manifest)?;
    copy(&packages.rayon.dir, &dir.join(rayon))?;
    shim::make(&packages.core, &dir.join(tests))
}

/// Writes a file and the folders above it, but only where its text changes: cargo builds again
/// what is newer than its output.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let what = || format!("can't write {}", path.display());
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(what)?;
    }
    fs::write(path, text).with_context(what)
}

/// Copies a folder with all that is in it, times included, so that a second run builds nothing.
pub(super) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let what = || format!("can't copy {} to {}", from.display(), to.display());
    fs::create_dir_all(to).with_context(what)?;
    for entry in fs::read_dir(from).with_context(what)? {
        let entry = entry.with_context(what)?;
        let target = to.join(entry.file_name());
        let metadata = entry.metadata().with_context(what)?;
        if metadata.is_dir() {
            copy(&entry.path(), &target)?;
            continue;
        }
        let time = metadata.modified().with_context(what)?;
        if fs::metadata(&target).is_ok_and(|there| {
            there.len() == metadata.len() && there.modified().is_ok_and(|there| there == time)
        }) {
            continue;
        }
        fs::copy(entry.path(), &target).with_context(what)?;
        let file = fs::File::options().write(true).open(&target);
        file.and_then(|file| file.set_modified(time))
            .with_context(what)?;
    }
    Ok(())
}
