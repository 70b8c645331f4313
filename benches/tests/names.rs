//! A wrong command line is answered with what would be right, before anything is measured.

use std::process::Command;

#[test]
fn an_unknown_bench_is_answered_with_the_list() {
    for (suite, valid) in [
        ("pools", "fib32, tree1023"),
        ("bars", "spawn_outside_24B"),
        ("processes", "process_round_trip, process_jobs_at_once"),
        ("async", "spawn_await_outside, spawn_await_inside"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_lab"))
            .args([suite, "--only", "nothing"])
            .output()
            .expect("the lab can be started");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(valid), "{stderr}");
    }
}
