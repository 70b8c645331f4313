//! The page in a real browser: Chromium without a window, found or installed.
//!
//! # What is checked
//! A copy of the page gets a script, which the page itself does not have. It asks the laid-out
//! page, in a frame as wide as a phone and in one as wide as a screen, which charts can be seen,
//! and whether anything sticks out to the side. What the browser says on its console is an error.
//! How long the page takes to open is told. A screenshot of each width and scheme stays in the build output, for eyes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use record::Experiment;
use serde_json::Value;

use crate::process::{self, Finished};
use crate::workspace;
use crate::{package, progress::Progress};

/// The program's names, and its package in Debian.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const PACKAGE: &str = "chromium";

/// How long one start may take on a loaded machine.
const LIMIT: Duration = Duration::from_mins(2);

/// The widths of a phone and of a screen.
const WIDTHS: [u32; 2] = [390, 1280];

/// How the check went.
pub(crate) enum Verdict {
    /// Everything was there at each width.
    Passed(String),
    /// There is no browser; the text says why.
    Skipped(String),
}

/// Finds Chromium, or installs Debian's package where this user may.
fn ensure_browser() -> Result<PathBuf, String> {
    let find = || PROGRAMS.iter().find_map(|name| package::find_program(name));
    if let Some(path) = find() {
        return Ok(path);
    }
    package::install(PROGRAMS[0], PACKAGE)?;
    find().ok_or_else(|| format!("{PACKAGE} was installed, but is not on the path"))
}

/// Writes a page with every kind of content and looks at it.
///
/// # Errors
/// What was wrong with the page, or that it or the browser could not be run.
pub(crate) fn check(progress: &Progress) -> anyhow::Result<Verdict> {
    let browser = match ensure_browser() {
        Ok(browser) => browser,
        Err(why) => return Ok(Verdict::Skipped(format!("no browser: {why}"))),
    };
    let folder = workspace::target().join("report");
    fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    let page = folder.join("specimen.html");
    let mut command = workspace::cargo();
    command
        .args(["run", "--locked", "--quiet", "--package", "report"])
        .args(["--example", "specimen"])
        .arg(&page);
    let written = process::run_merged(&mut command, Duration::from_mins(4));
    ensure!(written.outcome.success(), "no page: {}", written.stdout);
    let html = fs::read_to_string(&page)?;
    ensure!(html.len() <= 3 << 20, "the page has {} bytes", html.len());
    let expected = charts(&html);
    for experiment in Experiment::ALL {
        let is_of = |chart: &&String| {
            let bench = chart.split(' ').next().unwrap_or_default();
            Experiment::of_bench(bench).unwrap_or(Experiment::Models) == *experiment
        };
        ensure!(
            expected.iter().any(|chart| is_of(&chart)),
            "the page has no chart of {experiment}"
        );
    }

    for width in WIDTHS {
        let seen = probe(&browser, &folder, &page, width)?;
        ensure!(
            seen == expected,
            "at {width} pixels there should be {expected:?}, there are {seen:?}"
        );
        for dark in [false, true] {
            let picture = screenshot(&browser, &folder, &page, width, dark)?;
            progress.say(&format!("looked at {}", picture.display()));
        }
    }
    let kib = html.len().div_ceil(1024);
    let opened = opening(&browser, &folder, &page)?;
    Ok(Verdict::Passed(format!(
        "{} charts at {WIDTHS:?} pixels, {kib} KiB, opened in {opened:.0} ms",
        expected.len()
    )))
}

/// Opens the page some times, and says how long it took until it was loaded and laid out, in
/// milliseconds: the fastest, since whoever else uses the machine only makes it slower. It is told, and no
/// test: a time is the machine's.
fn opening(browser: &Path, folder: &Path, page: &Path) -> anyhow::Result<f64> {
    const TIMES: usize = 3;
    const SCRIPT: &str = r#"<script>addEventListener("load", () => {
        // Asking for the height lays it out.
        const height = document.documentElement.scrollHeight;
        document.title = "probe:" + encodeURIComponent(JSON.stringify({height, ms: performance.now()})) + ":";
    });</script></body>"#;
    let timed = folder.join("timed.html");
    fs::write(&timed, fs::read_to_string(page)?.replace("</body>", SCRIPT))?;
    let mut fastest = f64::INFINITY;
    for _ in 0..TIMES {
        // By the real clock, not by one that waits for the page.
        let answer = answer(&start(browser, folder, &["--dump-dom"], &timed)?)?;
        let height = answer["height"].as_u64().unwrap_or_default();
        ensure!(height > 0, "the page was not laid out");
        fastest = fastest.min(answer["ms"].as_f64().context("no time")?);
    }
    Ok(fastest)
}

/// What a page's script has put into the title.
fn answer(finished: &Finished) -> anyhow::Result<Value> {
    let text = finished
        .stdout
        .split_once("probe:")
        .and_then(|(_, rest)| rest.split_once(':'));
    let (text, _) = text.context("the page did not answer")?;
    serde_json::from_str(&decoded(text)).context("the page's answer")
}

/// The names of the page's charts, each once.
fn charts(html: &str) -> Vec<String> {
    let mut names: Vec<String> = html
        .split("data-chart=\"")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Asks the page which charts can be seen at a width; an error where something sticks out.
///
/// A window has a least width, above a phone's: so the page stands in a frame.
fn probe(browser: &Path, folder: &Path, page: &Path, width: u32) -> anyhow::Result<Vec<String>> {
    const SCRIPT: &str = r#"<script>addEventListener("load", () => {
        const drawn = box => box.width > 0 && box.height > 0;
        const seen = [...document.querySelectorAll("[data-chart]")]
            .filter(chart => drawn(chart.getBoundingClientRect())
                && [...chart.querySelectorAll("svg text")].some(text => drawn(text.getBoundingClientRect())))
            .map(chart => chart.dataset.chart);
        const root = document.documentElement;
        const small = [...document.querySelectorAll("svg text")]
            .map(text => text.getBoundingClientRect().height).filter(height => height > 0 && height < 9).length;
        parent.postMessage({seen, small, width: root.clientWidth, needed: root.scrollWidth}, "*");
    });</script></body>"#;
    let html = fs::read_to_string(page)?.replace("</body>", SCRIPT);
    let framed = folder.join("framed.html");
    fs::write(&framed, html)?;
    let frame = folder.join(format!("frame-{width}.html"));
    fs::write(
        &frame,
        format!(
            r#"<!DOCTYPE html><body><script>addEventListener("message", event => {{
            document.title = "probe:" + encodeURIComponent(JSON.stringify(event.data)) + ":"; }});</script>
            <iframe src="framed.html" style="width:{width}px;height:900px;border:0"></iframe></body>"#
        ),
    )?;
    let finished = start(
        browser,
        folder,
        &["--dump-dom", "--virtual-time-budget=20000"],
        &frame,
    )?;
    let answer = answer(&finished)?;
    let number = |name: &str| answer[name].as_u64().with_context(|| format!("no {name}"));
    let (is, needed) = (number("width")?, number("needed")?);
    ensure!(
        is == u64::from(width),
        "the frame is {is} pixels wide instead of {width}"
    );
    ensure!(needed <= is, "at {width} pixels the page needs {needed}");
    let small = number("small")?;
    ensure!(
        small == 0,
        "at {width} pixels {small} texts are too small to read"
    );
    let seen = answer["seen"]
        .as_array()
        .context("no charts in the answer")?;
    let mut seen: Vec<String> = seen
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    seen.sort();
    Ok(seen)
}

/// Takes back what `encodeURIComponent` did.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match (first, tail) {
            (b'%', [a, b, ..]) => std::str::from_utf8(&[*a, *b])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn screenshot(
    browser: &Path,
    folder: &Path,
    page: &Path,
    width: u32,
    dark: bool,
) -> anyhow::Result<PathBuf> {
    let scheme = if dark { "dark" } else { "light" };
    let picture = folder.join(format!("{scheme}-{width}.png"));
    // A picture of an earlier run must not pass for this one's.
    if picture.exists() {
        fs::remove_file(&picture)?;
    }
    let frame = folder.join(format!("picture-{width}.html"));
    let name = page.file_name().unwrap_or_default().to_string_lossy();
    fs::write(
        &frame,
        format!(
            r#"<!DOCTYPE html><meta name="color-scheme" content="light dark"><body style="margin:0">
            <iframe src="{name}" style="width:{width}px;height:3400px;border:0"></iframe></body>"#
        ),
    )?;
    let to = format!("--screenshot={}", picture.display());
    let size = format!("--window-size={},3400", width.max(500));
    let mut options = vec![to.as_str(), size.as_str()];
    if dark {
        options.push("--blink-settings=preferredColorScheme=0");
    }
    start(browser, folder, &options, &frame)?;
    let size = fs::metadata(&picture).map_or(0, |data| data.len());
    ensure!(size > 10_000, "{} has {size} bytes", picture.display());
    Ok(picture)
}

/// Starts the browser on a page; what that says on the console is an error.
fn start(browser: &Path, folder: &Path, options: &[&str], page: &Path) -> anyhow::Result<Finished> {
    let mut command = Command::new(browser);
    command
        .args([
            "--headless=new",
            "--disable-gpu",
            "--no-first-run",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args([
            "--enable-logging=stderr",
            "--force-device-scale-factor=1",
            "--hide-scrollbars",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ));
    if nix::unistd::geteuid().is_root() {
        // It refuses its sandbox to root; the page is our own.
        command.arg("--no-sandbox");
    }
    command
        .args(options)
        .arg(format!("file://{}", page.display()));
    let finished = process::run(&mut command, LIMIT);
    if !finished.outcome.success() {
        bail!("the browser: {}: {}", finished.outcome, finished.stderr);
    }
    if let Some(said) = console(&finished.stderr) {
        bail!("the page says on the console: {said}");
    }
    Ok(finished)
}

/// The first line that came from the page's console.
fn console(log: &str) -> Option<&str> {
    log.lines().find(|line| line.contains(":CONSOLE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_are_found_each_once() {
        let html = r#"<div data-chart="b"></div><div data-chart="a"></div><p data-chart="b">"#;
        assert_eq!(charts(html), ["a", "b"]);
    }

    #[test]
    fn an_answer_is_decoded() {
        assert_eq!(decoded("%7B%22a%22:1%7D%C3%A9"), "{\"a\":1}é");
        assert_eq!(decoded("100%"), "100%");
    }

    #[test]
    fn only_the_pages_words_are_the_consoles() {
        let log = "[1:2:ERROR:dbus/bus.cc(408)] Failed to connect\n\
                   [1:2:INFO:CONSOLE(7)] \"Uncaught ReferenceError: x\", source: file:///p (7)\n";
        assert!(console(log).is_some_and(|line| line.contains("ReferenceError")));
        assert_eq!(
            console("[1:2:ERROR:dbus/bus.cc(408)] Failed to connect\n"),
            None
        );
    }
}
