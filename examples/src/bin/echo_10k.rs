//! Ten thousand connections at once: `echo_10k [CONNECTIONS [ROUNDS]]`.
//!
//! The connections' other ends are in a process of their own (`echo_10k client ...`, started by
//! itself), since a process has a limit of descriptors. It is raised as far as it goes; where that
//! is not enough, the program says so and uses fewer connections.

use std::process::{Command, Stdio};

use anyhow::Context;
use examples::echo;
use mini_executor::{Runtime, io::TcpListener, process::Child};

fn number(at: usize, otherwise: usize) -> anyhow::Result<usize> {
    match std::env::args().nth(at) {
        Some(text) => text
            .parse()
            .with_context(|| format!("'{text}' is not a number")),
        None => Ok(otherwise),
    }
}

fn client() -> anyhow::Result<()> {
    let address = std::env::args().nth(2).context("no address was given")?;
    let (_, connections) = echo::connections(number(3, 0)?);
    let right = echo::load(address.parse()?, connections, number(4, 0)?)?;
    println!("{right}");
    Ok(())
}

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("client") {
        return client();
    }
    let (wanted, rounds) = (number(1, 10_000)?, number(2, 5)?);
    let (limit, connections) = echo::connections(wanted);
    if connections < wanted {
        println!("the limit of {limit} descriptors allows {connections} connections only");
    }
    let runtime = Runtime::new()?;
    let spawner = runtime.spawner();
    let listener = TcpListener::bind(&spawner, "127.0.0.1:0")?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["client", &listener.local_addr()?.to_string()])
        .args([connections.to_string(), rounds.to_string()])
        .stdout(Stdio::piped());
    runtime
        .spawn(echo::server(spawner.clone(), listener))
        .detach();
    let output = runtime.block_on(async {
        let child = Child::spawn(&spawner, command).await?;
        child.kill_on_drop(true).wait_with_output().await
    })?;
    anyhow::ensure!(output.status.success(), "the client failed");
    println!(
        "limit {limit} connections {connections} echoes {}",
        String::from_utf8_lossy(&output.stdout).trim()
    );
    Ok(())
}
