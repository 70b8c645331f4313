//! rayon-core's tests as a package of their own, which any crate named `rayon-core` can be put
//! under.
//!
//! Three kinds of tests are in the published package:
//! * **integration tests** (`tests/`) use the crate by its name and are copied as they are;
//! * **unit tests** (`src/**/test.rs`) say `crate::` and `super::`: here that is a library which
//!   re-exports the crate's public API from a tree of modules of the same shape. The two private
//!   functions that many of them use are a line each over the public API;
//! * **doc tests** stand in the comments of the replaced source: each comment with an example is
//!   copied onto an empty function. Those that must not compile have a folder of their own.
//!
//! What is left out is found by name: a unit test whose text contains one of [`PRIVATE`].

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::sources::{self, Package};

/// The package's name.
pub(super) const NAME: &str = "rayon-core-tests";

/// What only code inside the original crate can reach.
const PRIVATE: [&str; 2] = [".registry)", "wait_until_stopped"];

/// The tests' view of the crate, before the modules of their own names.
const LIBRARY: &str = "\
#![allow(dead_code, unused_imports, deprecated)]
pub use rayon_core::*;

mod unwind {
    pub fn halt_unwinding<R>(f: impl FnOnce() -> R) -> std::thread::Result<R> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(f))
    }
}

mod registry {
    pub fn in_worker<R: Send>(f: impl FnOnce((), bool) -> R + Send) -> R {
        rayon_core::scope(|_| f((), false))
    }
}

mod compile_fail;
mod docs;
";

/// A module that holds unit tests.
const MODULE: &str = "\
use crate::unwind;
use crate::*;

#[cfg(test)]
mod test;
";

/// A test that could not be taken along.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Its path in the original crate.
    pub(super) name: String,
}

/// Writes the package of `core`'s tests to `dir`.
///
/// # Errors
/// Where a file can't be read or written.
pub(super) fn make(core: &Package, dir: &Path) -> anyhow::Result<Vec<LeftOut>> {
    let manifest = format!(
        "[package]\nname = \"{NAME}\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[dependencies]\n{}\n",
        core.test_dependencies.join("\n")
    );
    sources::write(&dir.join("Cargo.toml"), &manifest)?;
    sources::copy(&core.dir.join("tests"), &dir.join("tests"))?;
    let source = core.dir.join("src");
    sources::copy(
        &source.join("compile_fail"),
        &dir.join("src").join("compile_fail"),
    )?;
    let mut library = LIBRARY.to_owned();
    let mut examples = String::new();
    let mut left_out = Vec::new();
    for path in rust_files(&source)? {
        let inner = path
            .strip_prefix(&source)
            .expect("invariant: every file was found below the folder");
        if inner.starts_with("compile_fail") {
            continue;
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
        if inner.ends_with("test.rs") {
            let module = inner.parent().and_then(Path::to_str).unwrap_or_default();
            let (text, cut) = without_private(&text);
            left_out.extend(cut.into_iter().map(|test| LeftOut {
                name: format!("rayon-core: {module}::test::{test}"),
            }));
            sources::write(&dir.join("src").join(inner), &text)?;
            if module.is_empty() {
                library.push_str("#[cfg(test)]\nmod test;\n");
            } else {
                writeln!(library, "mod {module};")?;
                sources::write(&dir.join("src").join(module).join("mod.rs"), MODULE)?;
            }
        } else {
            let name: String = inner.with_extension("").display().to_string();
            examples.push_str(&documented(&text, &name.replace(['/', '\\'], "_")));
        }
    }
    sources::write(&dir.join("src/lib.rs"), &library)?;
    sources::write(&dir.join("src/docs.rs"), &examples)?;
    Ok(left_out)
}

/// All Rust files below a folder, in a fixed order.
fn rust_files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let what = || format!("can't list {}", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(what)? {
        let path = entry.with_context(what)?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Cuts out the tests that reach for what is private; returns the rest and their names.
fn without_private(text: &str) -> (String, Vec<String>) {
    let mut kept = String::new();
    let mut cut = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line != "#[test]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        // A test is what stands between its attribute and the brace in the first column.
        let mut test = format!("{line}\n");
        for line in lines.by_ref() {
            test.push_str(line);
            test.push('\n');
            if line == "}" {
                break;
            }
        }
        if PRIVATE.iter().any(|name| test.contains(name)) {
            cut.push(function_name(&test).to_owned());
        } else {
            kept.push_str(&test);
        }
    }
    (kept, cut)
}

/// The name of the first function in `text`.
fn function_name(text: &str) -> &str {
    let after = text.split_once("fn ").map_or("", |(_, after)| after);
    after.split(['(', '<']).next().unwrap_or_default()
}

/// Every comment of `text` that has an example, on an empty function named after `file` and the
/// line where the comment starts.
fn documented(text: &str, file: &str) -> String {
    let mut functions = String::new();
    let mut comment = String::new();
    let mut start = 0;
    for (number, line) in text.lines().chain([""]).enumerate() {
        let inner = line.trim_start();
        let words = inner
            .strip_prefix("///")
            .or_else(|| inner.strip_prefix("//!"));
        if let Some(words) = words {
            if comment.is_empty() {
                start = number + 1;
            }
            comment.push_str("///");
            comment.push_str(words);
            comment.push('\n');
            continue;
        }
        if comment.contains("```") {
            functions.push_str(&comment);
            functions.push_str(&format!("pub fn {file}_{start}() {{}}\n\n"));
        }
        comment.clear();
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_reach_for_private_things_are_cut() {
        let text = "use a;\n\n#[test]\n#[ignore]\nfn stops() {\n    wait_until_stopped();\n}\n\n\
                    fn help() {\n}\n\n#[test]\nfn goes<T>() {\n}\n";
        let (kept, cut) = without_private(text);
        assert_eq!(cut, ["stops"]);
        assert_eq!(
            kept,
            "use a;\n\n\nfn help() {\n}\n\n#[test]\nfn goes<T>() {\n}\n"
        );
    }

    #[test]
    fn only_comments_with_an_example_are_kept() {
        let text = "/// No example.\npub fn a() {}\n\n    /// One:\n    /// ```\n    /// b();\n    \
                    /// ```\n    pub fn b() {}\n";
        assert_eq!(
            documented(text, "lib"),
            "/// One:\n/// ```\n/// b();\n/// ```\npub fn lib_4() {}\n\n"
        );
    }
}
