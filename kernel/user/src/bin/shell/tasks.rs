//! Commands about threads and processes.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

use exec_core::sync::atomic::AtomicU32;
use user::kernel::schedule::{self, Policy, ThreadInfo, Whose};
use user::kernel::trace as recorder;
use user::process::{self, News, Pid};
use user::signal::{self, Signal};
use user::{chart, println, syscall};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

pub(crate) fn ps(_: &[&str]) -> Result<(), String> {
    println!(
        "  PID    TID STATE   POLICY   NICE  USER ms   SYS ms VOLUNTARY INVOLUNT. FAULTS NAME"
    );
    for info in schedule::threads() {
        println!(
            "{:>5} {:>6} {:<7} {:<8} {:>4} {:>8} {:>8} {:>9} {:>9} {:>6} {}",
            info.pid,
            info.tid,
            info.state(),
            info.policy().map_or("?", Policy::name),
            info.nice,
            info.user_ns / MS,
            info.system_ns / MS,
            info.voluntary,
            info.involuntary,
            info.faults,
            info.name(),
        );
    }
    Ok(())
}

pub(crate) fn top(arguments: &[&str]) -> Result<(), String> {
    let seconds = match arguments.first() {
        Some(word) => number(word)?,
        None => 1,
    };
    let (before, start) = (schedule::threads(), syscall::clock());
    sleep(seconds * SECOND);
    let (mut after, took) = (schedule::threads(), syscall::clock() - start);
    let used = |info: &ThreadInfo| info.user_ns + info.system_ns;
    let spent = |info: &ThreadInfo| {
        let earlier = before.iter().find(|earlier| earlier.tid == info.tid);
        used(info).saturating_sub(earlier.map_or(0, used))
    };
    after.sort_by_key(|info| core::cmp::Reverse(spent(info)));
    println!("  CPU %   PID    TID STATE   NAME");
    for info in &after {
        let tenths = spent(info) * 1000 / took.max(1);
        println!(
            "{:>5}.{} {:>5} {:>6} {:<7} {}",
            tenths / 10,
            tenths % 10,
            info.pid,
            info.tid,
            info.state(),
            info.name(),
        );
    }
    Ok(())
}

pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let (words, background) = match arguments {
        [words @ .., "&"] => (words, true),
        words => (words, false),
    };
    let words: Result<Vec<_>, _> = words.iter().map(|word| CString::new(*word)).collect();
    let words = words.map_err(text)?;
    let pointers: Vec<_> = words.iter().map(CString::as_c_str).collect();
    let path = pointers.first().ok_or("which program?")?;
    let child = process::start(path, &pointers).map_err(text)?;
    if background {
        println!("process {}", child.0);
        return Ok(());
    }
    let (_, news) = process::wait(Some(child)).map_err(text)?;
    tell(child, news);
    Ok(())
}

/// Tells what has become of a child, unless all is well.
fn tell(child: Pid, news: News) {
    match news {
        News::Exited(0) | News::Continued => {}
        News::Exited(status) => println!("process {}: status {status}", child.0),
        News::Faulted(signal) => println!("process {}: faulted, signal {signal}", child.0),
        News::Killed(signal) => println!("process {}: killed by signal {signal}", child.0),
        News::Stopped(signal) => println!("process {}: stopped by signal {signal}", child.0),
    }
}

/// Tells about children in the background that have ended.
pub(crate) fn report_ended() {
    while let Ok(Some((child, news))) = process::try_wait(None) {
        tell(child, news);
    }
}

pub(crate) fn kill(arguments: &[&str]) -> Result<(), String> {
    let pid = arguments.first().ok_or("which process?")?;
    let signal = match arguments.get(1) {
        Some(word) => number(word)?,
        None => 9,
    };
    signal::kill(Pid(number(pid)? as u32), Signal(signal as i32)).map_err(text)
}

pub(crate) fn sched(arguments: &[&str]) -> Result<(), String> {
    let Some((pid, rest)) = arguments.split_first() else {
        println!("policies: {}", Policy::NAMES.join(", "));
        let mut shown = alloc::collections::BTreeSet::new();
        for info in schedule::threads() {
            if shown.insert(info.pid) {
                let policy = info.policy().map_or("?", Policy::name);
                println!("process {}: {policy}, nice {}", info.pid, info.nice);
            }
        }
        return Ok(());
    };
    let whose = Whose::Pid(number(pid)? as u32);
    let policy = rest.first().and_then(|name| Policy::from_name(name));
    let policy =
        policy.ok_or_else(|| format!("the policy is one of {}", Policy::NAMES.join(", ")))?;
    schedule::set_policy(whose, policy).map_err(text)?;
    if let Some(word) = rest.get(1) {
        let nice = word.parse().map_err(|_| format!("'{word}' is no number"))?;
        schedule::set_nice(whose, nice).map_err(text)?;
    }
    Ok(())
}

pub(crate) fn trace(arguments: &[&str]) -> Result<(), String> {
    match arguments {
        ["on"] => {
            recorder::begin();
            Ok(())
        }
        ["off"] => {
            recorder::end();
            let chart = chart::chart(&schedule::threads());
            chart::send(&chart).map_err(text)?;
            println!("trace: {} spans sent", chart.len());
            Ok(())
        }
        _ => Err("on or off".into()),
    }
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("'{word}' is no number"))
}

fn text(error: impl Display) -> String {
    format!("{error}")
}

fn sleep(ns: u64) {
    let word = AtomicU32::new(0);
    let until = syscall::clock() + ns;
    while syscall::clock() < until {
        let _ = syscall::futex_wait(&word, 0, until.saturating_sub(syscall::clock()));
    }
}
