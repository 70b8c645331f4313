//! Ctrl-C in the middle of an experiment: the lab writes what it has, and says that it is partial.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use record::Report;

mod watchdog;

#[test]
fn what_was_measured_is_written_and_marked() {
    watchdog::run(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows.json");
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"))
            .args(["run", "create", "--quick", "--rounds", "1000", "--json"])
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = BufReader::new(lab.stderr.take().expect("piped")).lines();
        let mut begun = said
            .by_ref()
            .filter(|line| line.as_ref().is_ok_and(|line| line.contains("round 1 of")));
        // When the second case has begun, the first one has its figure.
        assert!(begun.next().is_some() && begun.next().is_some());
        let pid = Pid::from_raw(i32::try_from(lab.id()).expect("a process"));
        kill(pid, Signal::SIGINT).expect("it runs");
        // It may say more, and must not wait for a reader.
        said.for_each(drop);
        assert_eq!(lab.wait().expect("it ends").code(), Some(130));
        let report = Report::read(&path).expect("a report");
        assert!(report.interrupted);
        assert!(report.rows[0].median.is_some(), "{:?}", report.rows[0]);
        let last = report.rows.last().expect("rows");
        assert!(last.median.is_none() && last.note.is_some(), "{last:?}");
    });
}
