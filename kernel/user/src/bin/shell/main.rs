//! A small shell: what the kernel boots to when it is given no program.
//!
//! A line is a command and its words; a word ends at a blank. The shell ends with its input, or with
//! `exit`. Commands about threads and processes are in `tasks`, about files in `files`.
#![no_std]
#![no_main]

extern crate alloc;

mod files;
mod tasks;

use alloc::string::String;
use alloc::vec::Vec;

use user::{Args, print, println, syscall};

user::program!(main);

/// A command: its name, its arguments and what it does, and the function.
struct Command {
    name: &'static str,
    help: &'static str,
    run: fn(&[&str]) -> Result<(), String>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "ps",
        help: "list all threads: state, policy, nice, CPU time, context switches",
        run: tasks::ps,
    },
    Command {
        name: "top",
        help: "[SECONDS] who used the processors in that time [1]",
        run: tasks::top,
    },
    Command {
        name: "run",
        help: "PROGRAM [WORD…] [&] run a program, in the background with &",
        run: tasks::run,
    },
    Command {
        name: "kill",
        help: "PID [SIGNAL] send a signal to a process [9]",
        run: tasks::kill,
    },
    Command {
        name: "sched",
        help: "[PID POLICY [NICE]] show, or set, how a process is scheduled",
        run: tasks::sched,
    },
    Command {
        name: "trace",
        help: "on | off: begin; end, and send the chart over the second serial line",
        run: tasks::trace,
    },
    Command {
        name: "ls",
        help: "[DIRECTORY] list a directory [/]",
        run: files::ls,
    },
    Command {
        name: "cat",
        help: "FILE… print files",
        run: files::cat,
    },
    Command {
        name: "help",
        help: "this list",
        run: help,
    },
];

fn main(_: Args) -> i32 {
    let mut input = Input::default();
    loop {
        tasks::report_ended();
        print!("$ ");
        let Some(line) = input.line() else {
            return 0;
        };
        let words: Vec<_> = line.split_whitespace().collect();
        let Some((name, arguments)) = words.split_first() else {
            continue;
        };
        if *name == "exit" {
            return arguments
                .first()
                .map_or(0, |word| word.parse().unwrap_or(2));
        }
        let result = match COMMANDS.iter().find(|command| command.name == *name) {
            Some(command) => (command.run)(arguments),
            None => Err("no such command; try `help`".into()),
        };
        if let Err(why) = result {
            println!("{name}: {why}");
        }
    }
}

fn help(_: &[&str]) -> Result<(), String> {
    for command in COMMANDS {
        println!("{:<6} {}", command.name, command.help);
    }
    println!("exit   [STATUS] end the shell, and with it the machine");
    Ok(())
}

/// What has been read and is not a whole line yet.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
}

impl Input {
    /// The next line; none at the end of the input.
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line = self.bytes.drain(..=end).collect::<Vec<_>>();
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            let mut piece = [0; 256];
            match syscall::read(0, &mut piece) {
                Ok(0) | Err(_) if self.bytes.is_empty() => return None,
                Ok(0) | Err(_) => self.bytes.push(b'\n'),
                Ok(len) => self.bytes.extend_from_slice(&piece[..len]),
            }
        }
    }
}
