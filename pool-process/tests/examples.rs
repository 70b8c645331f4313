//! The examples are run, as programs: they check their own answers.

mod watchdog;

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use watchdog::watched;

/// The program of an example; built, where this test was built without them.
fn program(name: &str) -> PathBuf {
    let this = env::current_exe().expect("the program knows itself");
    let folder = this.parent().and_then(|deps| deps.parent());
    let program = folder
        .expect("where cargo puts it")
        .join("examples")
        .join(name);
    if !program.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--locked",
            "--package",
            "pool-process",
            "--example",
            name,
        ]);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(build.status().expect("cargo runs").success());
    }
    program
}

fn run(name: &str) -> String {
    let output = Command::new(program(name))
        .stdin(Stdio::null())
        .output()
        .expect("the example runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {output:?}");
    text
}

#[test]
fn round_trip() {
    watched(|| assert!(run("round_trip").contains("40000 ran")));
}

#[test]
fn isolation() {
    watched(|| {
        let text = run("isolation");
        assert!(
            text.contains("16x9: Picture { width: 16, height: 9 }"),
            "{text}"
        );
        assert!(text.contains("loop: the job took longer than 3s"), "{text}");
        assert!(text.contains("corrupt: the worker died"), "{text}");
        assert!(
            text.contains("nonsense: it says: a width and a height"),
            "{text}"
        );
        // The memory that ends aborts, and the picture that never ends is killed.
        assert!(text.contains("2 died, 1 timed out"), "{text}");
    });
}

#[test]
fn awaited() {
    watched(|| assert!(run("awaited").contains("27: Ok(111)")));
}
