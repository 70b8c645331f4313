//! Child processes and signals.
#![cfg(all(unix, feature = "process", feature = "signal"))]

mod watched;

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
    time::Duration,
};

use mini_executor::{
    Runtime,
    process::{Child, output},
    signal::{Signal, SignalKind},
};
use signal_hook::low_level::raise;
use watched::watched;

fn runtime() -> Runtime {
    Runtime::builder().workers(2).build().expect("builds")
}

#[test]
fn a_child_is_fed_and_read_and_ends() {
    watched(|| {
        let runtime = runtime();
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = Child::spawn(&spawner, command).await.expect("starts");
            // More than a pipe holds, so both ends have to wait.
            let sent: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
            let mut stdin = child.stdin.take().expect("piped");
            let mut stdout = child.stdout.take().expect("piped");
            let feed = async {
                stdin.write_all(&sent).await.expect("written");
                drop(stdin);
            };
            let (read, ()) = futures_util::future::join(stdout.read_to_end(), feed).await;
            assert!(read.expect("read") == sent);
            assert!(child.wait().await.expect("ends").success());
            assert!(child.wait().await.expect("again").success());
        });
    });
}

#[test]
fn many_children_end_at_once() {
    watched(|| {
        let runtime = runtime();
        let children: Vec<_> = (0..32)
            .map(|n| {
                let spawner = runtime.spawner();
                runtime.spawn(async move {
                    let mut command = Command::new("sh");
                    command.args(["-c", &format!("echo {n}; echo e >&2; exit {n}")]);
                    output(&spawner, command).await
                })
            })
            .collect();
        for (n, child) in children.into_iter().enumerate() {
            let output = child.join().expect("returns").expect("ran");
            assert_eq!(output.status.code(), Some(n as i32));
            assert_eq!(output.stdout, format!("{n}\n").as_bytes());
            assert_eq!(output.stderr, b"e\n");
        }
    });
}

#[test]
fn a_child_is_killed_on_demand_and_on_drop() {
    watched(|| {
        let runtime = runtime();
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let sleeper = || {
                let mut command = Command::new("sleep");
                command.arg("1000");
                command
            };
            let mut child = Child::spawn(&spawner, sleeper()).await.expect("starts");
            assert_eq!(child.try_wait().expect("known"), None);
            let early = spawner
                .timeout(Duration::from_millis(2), child.wait())
                .await;
            assert!(early.is_err(), "it sleeps");
            child.kill().expect("killed");
            let status = child.wait().await.expect("ends");
            assert_eq!(status.signal(), Some(9));

            let child = Child::spawn(&spawner, sleeper()).await.expect("starts");
            let id = child.id();
            drop(child.kill_on_drop(true));
            // It is killed, and then reaped by a task: nobody has its number any more.
            let here = format!("/proc/{id}");
            while std::path::Path::new(&here).exists() {
                mini_executor::yield_now().await;
            }
        });
    });
}

#[test]
fn a_command_that_is_not_there_is_an_error() {
    watched(|| {
        let runtime = runtime();
        let missing = Command::new("/no/such/program");
        let refused = runtime.block_on(Child::spawn(&runtime.spawner(), missing));
        assert_eq!(
            refused.expect_err("not there").kind(),
            std::io::ErrorKind::NotFound
        );
    });
}

#[test]
fn signals_reach_all_who_listen() {
    watched(|| {
        let runtime = runtime();
        let spawner = runtime.spawner();
        let listen = || Signal::new(&spawner, SignalKind::user_1()).expect("listens");
        let (mut a, mut b) = (listen(), listen());
        runtime.block_on(async {
            for _ in 0..10 {
                raise(SignalKind::user_1().as_raw()).expect("raised");
                a.recv().await.expect("received");
                b.recv().await.expect("received");
            }
            // Several that were not received yet are one.
            for _ in 0..3 {
                raise(SignalKind::user_1().as_raw()).expect("raised");
            }
            a.recv().await.expect("received");
            let none = spawner.timeout(Duration::from_millis(2), a.recv()).await;
            assert!(none.is_err(), "three are one");
            drop(b);
            raise(SignalKind::user_1().as_raw()).expect("raised");
            a.recv().await.expect("received");
        });
        let refused = Signal::new(&spawner, SignalKind::from_raw(9)).expect_err("not to be caught");
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
        assert!(Signal::new(&spawner, SignalKind::from_raw(-7)).is_err());
    });
}
