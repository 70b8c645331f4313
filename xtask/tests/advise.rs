//! `advise` as somebody at a terminal meets it: the questions, other answers than were meant, an interrupt
//! among them, and no terminal at all.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::pty::openpty;
use record::metric::TIME;
use record::{Machine, Report, Row};

/// How long a text is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// The questions, in their order.
const CRASH: &str = "May a job crash";
const COMPUTE: &str = "Do jobs compute";
const DIVIDE: &str = "Does one job divide";
const WAITS: &str = "How many things wait";
const BLOCKS: &str = "Do jobs call what blocks";
const TARGET: &str = "Within what must";

/// The program, with its input and its errors on a terminal.
struct Terminal {
    program: Child,
    keys: File,
    shown: Receiver<Vec<u8>>,
    text: String,
}

impl Terminal {
    fn start(words: &[&str]) -> Self {
        let pair = openpty(None, None).expect("a terminal");
        let side = || Stdio::from(pair.slave.try_clone().expect("another descriptor"));
        let program = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("advise")
            .args(words)
            .env("TERM", "xterm")
            .stdin(side())
            .stderr(side())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        drop(pair.slave);
        let keys = File::from(pair.master);
        let mut screen = keys.try_clone().expect("another descriptor");
        let (tell, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            // A terminal that nobody has open any more is an error.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            program,
            keys,
            shown,
            text: String::new(),
        }
    }

    /// Waits until a text is shown, and gives what was shown up to then.
    fn expect(&mut self, wanted: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(at) = self.text.find(wanted) {
                let rest = self.text.split_off(at + wanted.len());
                return std::mem::replace(&mut self.text, rest);
            }
            let left = LIMIT.saturating_sub(start.elapsed());
            match self.shown.recv_timeout(left) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(why) => panic!("no '{wanted}': {why}: {}", self.text),
            }
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .expect("somebody reads");
    }

    /// Waits for its end; the status, what it has printed, and what was shown since.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut printed = String::new();
        let mut stdout = self.program.stdout.take().expect("piped");
        stdout.read_to_string(&mut printed).expect("text");
        let status = self.program.wait().expect("it ends");
        let start = Instant::now();
        loop {
            let left = LIMIT.saturating_sub(start.elapsed());
            match self.shown.recv_timeout(left) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the terminal stays open"),
            }
        }
        (status.code(), printed, self.text)
    }
}

/// A file with the one figure that isolation is judged by.
fn figures(folder: &Path) -> String {
    let mut report = Report::new("0abc".into(), Machine::default());
    let row = Row::measured("create/time/1", &TIME, "pool-process", "host", vec![3e4; 3]);
    report.rows.push(row);
    let path = folder.join("rows.json");
    report.write(&path).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_whole_word_answers_one_question() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut terminal = Terminal::start(&["--json", &figures(folder.path())]);
    terminal.expect(CRASH);
    terminal.press("yes\r");
    for question in [COMPUTE, DIVIDE] {
        terminal.expect(question);
        terminal.press("no\r");
    }
    terminal.expect(WAITS);
    terminal.expect("thousands");
    terminal.press("\r");
    terminal.expect(BLOCKS);
    // What is neither is no answer.
    terminal.press("maybe n\r");
    terminal.expect(TARGET);
    terminal.press("soon\r");
    terminal.expect("write it like 500us, 2ms or 1s");
    terminal.expect(TARGET);
    terminal.press("\r");
    let (status, printed, _) = terminal.end();
    assert_eq!(status, Some(0), "{printed}");
    assert!(printed.starts_with("use pool-process\n"), "{printed}");
}

#[test]
fn an_interrupt_in_the_menu_leaves_the_terminal_as_it_was() {
    let mut terminal = Terminal::start(&[]);
    for question in [CRASH, COMPUTE, DIVIDE] {
        terminal.expect(question);
        terminal.press("n\r");
    }
    terminal.expect(WAITS);
    terminal.expect("thousands");
    terminal.press("\x03");
    let (status, printed, shown) = terminal.end();
    assert_eq!(status, Some(130), "{printed}{shown}");
    assert!(shown.contains("interrupted"), "{shown:?}");
    assert!(!shown.contains("error"), "{shown:?}");
    let hidden = shown.rfind("\x1b[?25l");
    assert!(shown.rfind("\x1b[?25h") > hidden, "no cursor: {shown:?}");
}

#[test]
fn no_to_everything_is_told_so() {
    let mut terminal = Terminal::start(&[]);
    for question in [CRASH, COMPUTE, DIVIDE] {
        terminal.expect(question);
        terminal.press("\r");
    }
    terminal.expect("thousands");
    terminal.press("\r");
    for question in [BLOCKS, TARGET] {
        terminal.expect(question);
        terminal.press("\r");
    }
    terminal.expect("by these answers any model will do");
    assert_eq!(terminal.end().0, Some(2));
}

fn without_a_terminal(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("advise")
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("it starts")
}

#[test]
fn without_a_terminal_the_flags_are_told() {
    let output = without_a_terminal(&[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for flag in ["--isolation", "--waits few|many", "--latency-target 2ms"] {
        assert!(said.contains(flag), "{said}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_once() {
    let output = without_a_terminal(&["--parallel", "--json", "/nonexistent/rows.json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/nonexistent/rows.json"), "{said}");
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
}

#[test]
fn a_file_without_the_figures_is_answered_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = without_a_terminal(&["--parallel", "--json", &figures(folder.path())]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("leave --json out"), "{said}");
}
