//! The worker's side: a process that runs one job after the other until its pool lets go.
//!
//! # Protocol
//! 1. The pool starts this program again: its socket is descriptor 0, the mark in the environment
//!    names the pool's process, the process group is the worker's own.
//! 2. The worker moves the socket to a descriptor that programs it starts don't get, and puts
//!    `/dev/null` in its place. It asks to be killed with its parent, and checks that the parent has
//!    not died before that.
//! 3. It takes its set-up: the page for the job that it has begun, and its limit of memory. It
//!    answers that it is ready.
//! 4. For each job: notes it in the page, runs it, sends the answer. The answer is sent before the
//!    next job is begun, so a worker that dies takes one job with it at most.
//!
//! # Shutdown
//! The end of the socket is the end of the worker: it exits with 0. A panic of a job is an answer
//! like any other. Whatever else ends the process (a signal, `exit` in a job, an abort for lack of
//! memory) the pool learns from the system.

use std::{env, fs::File, io, process};

use exec_core::unwind;
use rustix::process::{Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};

use crate::{
    channel::{Block, Channel, Received},
    frame::{self, Assembler, Frame, HEAD, Kind},
    function::Registry,
    page::Page,
};

/// The mark of a worker in its environment: the number of its parent.
pub(crate) const MARK: &str = "POOL_PROCESS_WORKER_OF";

/// The code of a worker that could not begin.
const NOT_STARTED: i32 = 113;

/// What is kept of the answer's buffer.
const KEPT: usize = 256 << 10;

/// What a worker is told before its first job.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Bytes of address space, where there is a limit.
    pub(crate) memory: Option<u64>,
}

/// Whether this process was started as a worker, by its parent itself.
pub(crate) fn is_worker() -> bool {
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    let marked = env::var(MARK).ok().and_then(|mark| mark.parse().ok());
    marked.is_some() && marked == parent
}

/// Runs jobs until the pool lets go.
pub(crate) fn serve(registry: &Registry) -> ! {
    match prepare() {
        Ok((channel, page)) => process::exit(jobs(registry, &channel, &page)),
        Err(error) => {
            eprintln!("pool-process: a worker could not start: {error}");
            process::exit(NOT_STARTED)
        }
    }
}

/// Steps 2 and 3.
fn prepare() -> io::Result<(Channel, Page)> {
    let stdin = io::stdin();
    let channel = Channel::new(rustix::io::fcntl_dupfd_cloexec(&stdin, 3)?);
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if !is_worker() {
        // The parent was gone before we asked to die with it.
        process::exit(0);
    }
    let mut bytes = [0; 128];
    let (len, fd) = channel.receive_with(&mut bytes)?;
    if len == 0 {
        process::exit(0);
    }
    let setup = bytes.get(HEAD..len).map(postcard::from_bytes::<Setup>);
    let (Some(Ok(setup)), Some(fd)) = (setup, fd) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let page = Page::open(fd)?;
    if let Some(bytes) = setup.memory {
        let limit = Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        };
        rustix::process::setrlimit(Resource::As, limit)?;
    }
    let mut ready = frame::begin(Vec::new());
    frame::finish(&mut ready, Kind::Ready, 0).map_err(|_| io::ErrorKind::InvalidData)?;
    channel.send_all(&ready)?;
    Ok((channel, page))
}

/// Step 4, again and again; the code to exit with.
fn jobs(registry: &Registry, channel: &Channel, page: &Page) -> i32 {
    let mut inbox = Assembler::default();
    let mut answer = Vec::new();
    loop {
        loop {
            match inbox.next() {
                Ok(Some(frame)) => answer = run(registry, page, &frame, answer),
                Ok(None) => break,
                Err(_) => return NOT_STARTED,
            }
            if channel.send_all(&answer).is_err() {
                return 0;
            }
            answer.clear();
            answer.shrink_to(KEPT);
        }
        match channel.receive(&mut inbox, Block::Yes) {
            Ok(Received::Bytes | Received::Nothing) => {}
            Ok(Received::End) => return 0,
            Err(_) => return NOT_STARTED,
        }
    }
}

/// Runs one job and returns the frame of its answer.
fn run(registry: &Registry, page: &Page, frame: &Frame<'_>, buffer: Vec<u8>) -> Vec<u8> {
    page.begin(frame.job);
    let outcome = unwind::catch(|| {
        let (name, args) = frame::parts(frame.body).ok_or("a job that is none")?;
        let function = registry
            .find(name)
            .ok_or_else(|| format!("the worker does not know '{name}'"))?;
        function.call_bytes(args, frame::begin(buffer))
    });
    let (kind, mut answer) = match outcome {
        Ok(Ok(answer)) => (Kind::Done, answer),
        Ok(Err(why)) => (Kind::Codec, text(&why)),
        Err(payload) => {
            let said = unwind::message(&payload).unwrap_or("a payload that is no text");
            let answer = text(said);
            unwind::discard(payload);
            (Kind::Panicked, answer)
        }
    };
    if let Err(bytes) = frame::finish(&mut answer, kind, frame.job) {
        let max = frame::MAX_BODY;
        answer = text(&format!(
            "the result takes {bytes} bytes and a message holds {max}"
        ));
        frame::finish(&mut answer, Kind::Codec, frame.job).expect("invariant: the text is short");
    }
    answer
}

/// A frame with a text for a body, cut where it is absurdly long.
fn text(said: &str) -> Vec<u8> {
    let mut end = said.len().min(64 << 10);
    while !said.is_char_boundary(end) {
        end -= 1;
    }
    let mut buffer = frame::begin(Vec::new());
    buffer.extend_from_slice(&said.as_bytes()[..end]);
    buffer
}
