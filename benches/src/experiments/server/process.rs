//! The load's process, and what the system says of the server's.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::unistd::Pid;

use super::gone;
use super::load::{Heard, LoadArgs};

/// The load, in a process of its own; it is killed when this is dropped before its end.
#[derive(Debug)]
pub(super) struct Load {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Load {
    pub(super) fn start(args: &LoadArgs) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("could not find this program")?;
        let mut child = Command::new(program)
            .args(["side", "load"])
            .args(args.words())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start the load")?;
        let orders = child.stdin.take();
        let answers = child.stdout.take().context("invariant: it was asked for")?;
        Ok(Self {
            child,
            orders,
            answers: BufReader::new(answers).lines(),
        })
    }

    /// Gives an order and waits for the answer.
    pub(super) fn tell(&mut self, order: &str) -> anyhow::Result<String> {
        let orders = self.orders.as_mut().context("the load was ended")?;
        let answer = match writeln!(orders, "{order}") {
            Ok(()) => self.answers.next().transpose()?,
            Err(_) => None,
        };
        // It has said the reason itself, on the output for errors that it shares with us.
        answer.ok_or_else(|| gone("the load"))
    }

    /// Lets it ask for so long.
    pub(super) fn hear(&mut self, verb: &str, length: Duration) -> anyhow::Result<Heard> {
        let answer = self.tell(&format!("{verb} {}", length.as_nanos()))?;
        Heard::from_line(&answer).with_context(|| format!("the load says '{answer}'"))
    }

    /// Lets it end.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.orders = None;
        let status = self.child.wait()?;
        ensure!(status.success(), "the load ended with {status}");
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // One that has ended already is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Memory of a process in bytes, of which pages that are shared count by their share.
pub(super) fn memory(process: Pid) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    pss(&text).with_context(|| format!("{path} does not say"))
}

fn pss(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_text_is_read() {
        let text = "1000-2000 ---p [rollup]\nRss:    3580 kB\nPss:     1200 kB\nPss_Dirty: 7 kB\n";
        assert_eq!(pss(text), Some(1200 * 1024));
        assert_eq!(pss("Rss: 1 kB\n"), None);
        assert!(memory(Pid::this()).expect("known") > 0);
    }
}
