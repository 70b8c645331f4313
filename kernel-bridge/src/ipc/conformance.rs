//! What every ground's [`Ipc`] has to do: the same cases for `Host`, run by `cargo test`, and for
//! `Kernel`, run by a program in the kernel.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use exec_core::Handle;
use exec_core::sync::atomic::Ordering::SeqCst;

use super::{
    BoundedBuffer, Ipc, IpcError, Listener as _, Mailbox as _, Region as _, Semaphore as _,
    Stream as _, Wait,
};

/// A short wait: long enough to be measured, no part of any expectation but "not before".
const SHORT_NS: u64 = 2_000_000;

type Case<I> = fn(I, &Handle);

/// Runs all cases with threads of `handle`; `report` gets the name of each before it runs.
///
/// # Panics
/// Where the ground does not do what it has to.
///
/// # Blocking
/// Until all cases are done.
pub fn run_all<I: Ipc>(ipc: I, handle: &Handle, report: &mut dyn FnMut(&str)) -> usize {
    let cases: &[(&str, Case<I>)] = &[
        ("a pipe keeps order and ends", pipe_order),
        ("a pipe that nobody reads is closed", pipe_broken),
        ("a region is seen by all", region),
        ("a semaphore counts, and waits as told", semaphore),
        ("a semaphore lets one in at a time", mutual_exclusion),
        ("a mailbox keeps order and sizes", mailbox),
        ("a mailbox is full and empty", mailbox_limits),
        ("a mailbox between threads loses nothing", mailbox_threads),
        ("a connection goes both ways and ends", connection),
        ("names are taken, refused and free again", names),
        ("an accept waits as told", accept),
        ("a bounded buffer serves producers and consumers", bounded),
        #[cfg(feature = "rpc")]
        ("typed calls are answered", calls),
    ];
    for (name, case) in cases {
        report(name);
        case(ipc, handle);
    }
    cases.len()
}

/// A name that no other test of this machine uses.
fn unused_name(part: &str) -> String {
    let place: &() = &();
    format!(
        "conformance-{part}-{:x}",
        core::ptr::from_ref(&place).addr()
    )
}

fn pipe_order<I: Ipc>(ipc: I, handle: &Handle) {
    let (reader, writer) = ipc.pipe().expect("a pipe");
    let bytes: Vec<u8> = (0..50_000_u32).map(|n| (n % 251) as u8).collect();
    let sent = bytes.clone();
    let sender = handle.spawn(move || {
        for piece in sent.chunks(777) {
            writer.write_all(piece).expect("somebody reads");
        }
    });
    let mut received = alloc::vec![0; bytes.len() + 1];
    let count = reader.read_full(&mut received).expect("it can be read");
    assert!(received[..count] == bytes, "{count} bytes");
    assert_eq!(reader.read(&mut received), Ok(0), "the end stays");
    sender.join().expect("it has sent all");
}

fn pipe_broken<I: Ipc>(ipc: I, _: &Handle) {
    let (reader, writer) = ipc.pipe().expect("a pipe");
    writer.write_all(b"unread").expect("there is room");
    drop(reader);
    assert_eq!(writer.write(b"x"), Err(IpcError::Closed));
}

fn region<I: Ipc>(ipc: I, handle: &Handle) {
    let region = Arc::new(ipc.region(3000).expect("a region"));
    assert!(region.words().iter().all(|word| word.load(SeqCst) == 0));
    assert!(region.words().len() >= 3000);
    let theirs = region.clone();
    let writer = handle.spawn(move || theirs.words()[2999].store(77, SeqCst));
    writer.join().expect("it has written");
    assert_eq!(region.words()[2999].load(SeqCst), 77);
    assert!(ipc.region(0).is_err());
}

fn semaphore<I: Ipc>(ipc: I, handle: &Handle) {
    let semaphore = Arc::new(ipc.semaphore(1).expect("a semaphore"));
    assert_eq!(semaphore.take(Wait::Forever), Ok(()));
    assert_eq!(semaphore.take(Wait::No), Err(IpcError::WouldBlock));
    assert_eq!(semaphore.take(Wait::For(SHORT_NS)), Err(IpcError::TimedOut));
    let theirs = semaphore.clone();
    let waiter = handle.spawn(move || {
        (0..100).for_each(|_| theirs.take(Wait::Forever).expect("it is posted"));
    });
    (0..101).for_each(|_| semaphore.post().expect("the value is small"));
    waiter.join().expect("it got 100");
    assert_eq!(semaphore.take(Wait::For(SHORT_NS)), Ok(()));
    assert_eq!(semaphore.take(Wait::No), Err(IpcError::WouldBlock));
    assert!(ipc.semaphore(u32::MAX).is_err());
}

fn mutual_exclusion<I: Ipc>(ipc: I, handle: &Handle) {
    let shared = Arc::new((
        ipc.region(1).expect("a region"),
        ipc.semaphore(1).expect("a semaphore"),
    ));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let shared = shared.clone();
            handle.spawn(move || {
                let word = &shared.0.words()[0];
                for _ in 0..100 {
                    shared.1.take(Wait::Forever).expect("it is posted");
                    // Two steps that only the semaphore makes one.
                    word.store(word.load(SeqCst) + 1, SeqCst);
                    shared.1.post().expect("the value is small");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("it has counted");
    }
    assert_eq!(shared.0.words()[0].load(SeqCst), 400);
}

fn mailbox<I: Ipc>(ipc: I, _: &Handle) {
    let mailbox = ipc.mailbox(4, 32).expect("a mailbox");
    let mut buffer = [0; 32];
    let messages: [&[u8]; 4] = [b"first", b"", &[9; 32], b"last"];
    for message in messages {
        mailbox.send(message, Wait::No).expect("there is room");
    }
    for message in messages {
        let len = mailbox.receive(&mut buffer, Wait::No).expect("it is there");
        assert_eq!(&buffer[..len], message);
    }
    let end = mailbox.send(&[0; 33], Wait::Forever);
    assert_eq!(end, Err(IpcError::Size));
    mailbox.send(b"stays", Wait::No).expect("there is room");
    let end = mailbox.receive(&mut [0; 31], Wait::No);
    assert_eq!(end, Err(IpcError::Size));
    assert_eq!(mailbox.receive(&mut buffer, Wait::Forever), Ok(5));
    assert!(ipc.mailbox(0, 8).is_err() && ipc.mailbox(8, 0).is_err());
}

fn mailbox_limits<I: Ipc>(ipc: I, _: &Handle) {
    let mailbox = ipc.mailbox(2, 8).expect("a mailbox");
    let mut buffer = [0; 8];
    for (wait, error) in [
        (Wait::No, IpcError::WouldBlock),
        (Wait::For(SHORT_NS), IpcError::TimedOut),
    ] {
        assert_eq!(mailbox.receive(&mut buffer, wait), Err(error), "empty");
        mailbox.send(b"1", wait).expect("there is room");
        mailbox.send(b"2", wait).expect("there is room");
        assert_eq!(mailbox.send(b"3", wait), Err(error), "full");
        assert_eq!(mailbox.receive(&mut buffer, wait), Ok(1));
        assert_eq!(mailbox.receive(&mut buffer, wait), Ok(1));
        assert_eq!(buffer[0], b'2');
    }
}

fn mailbox_threads<I: Ipc>(ipc: I, handle: &Handle) {
    const EACH: u32 = 100;
    let mailbox = Arc::new(ipc.mailbox(3, 8).expect("a mailbox"));
    let senders: Vec<_> = (0..3)
        .map(|_| {
            let mailbox = mailbox.clone();
            handle.spawn(move || {
                for n in 0..EACH {
                    let sent = mailbox.send(&n.to_ne_bytes(), Wait::Forever);
                    sent.expect("somebody receives");
                }
            })
        })
        .collect();
    let mut sum = 0;
    for _ in 0..3 * EACH {
        let mut buffer = [0; 8];
        let len = mailbox.receive(&mut buffer, Wait::Forever);
        assert_eq!(len, Ok(4));
        sum += u32::from_ne_bytes(*buffer.first_chunk().expect("four bytes"));
    }
    assert_eq!(sum, 3 * (EACH * (EACH - 1) / 2));
    for sender in senders {
        sender.join().expect("it has sent all");
    }
    assert_eq!(
        mailbox.receive(&mut [0; 8], Wait::No),
        Err(IpcError::WouldBlock)
    );
}

fn connection<I: Ipc>(ipc: I, handle: &Handle) {
    let name = unused_name("connection");
    let listener = ipc.listen(&name, 2).expect("the name is free");
    let client = handle.spawn(move || {
        let stream = ipc.connect(&name).expect("somebody listens");
        stream.write_all(b"question").expect("somebody reads");
        let mut answer = [0; 6];
        assert_eq!(stream.read_full(&mut answer), Ok(6));
        assert_eq!(&answer, b"answer");
    });
    let stream = listener.accept(Wait::Forever).expect("one connects");
    let mut question = [0; 8];
    assert_eq!(stream.read_full(&mut question), Ok(8));
    assert_eq!(&question, b"question");
    stream.write_all(b"answer").expect("somebody reads");
    assert_eq!(stream.read(&mut question), Ok(0), "the end");
    client.join().expect("it got its answer");
    assert_eq!(stream.write(b"x"), Err(IpcError::Closed));
}

fn names<I: Ipc>(ipc: I, _: &Handle) {
    let name = unused_name("names");
    assert_eq!(ipc.connect(&name).err(), Some(IpcError::Refused));
    let listener = ipc.listen(&name, 1).expect("the name is free");
    assert_eq!(ipc.listen(&name, 1).err(), Some(IpcError::NameTaken));
    let client = ipc.connect(&name).expect("there is room");
    drop(listener);
    assert_eq!(client.read(&mut [0; 1]), Ok(0), "never accepted: the end");
    assert_eq!(ipc.connect(&name).err(), Some(IpcError::Refused));
    drop(ipc.listen(&name, 1).expect("the name is free again"));
    assert_eq!(ipc.listen("", 1).err(), Some(IpcError::BadArgument));
    assert_eq!(ipc.listen(&name, 0).err(), Some(IpcError::BadArgument));
}

fn accept<I: Ipc>(ipc: I, _: &Handle) {
    let name = unused_name("accept");
    let listener = ipc.listen(&name, 1).expect("the name is free");
    assert_eq!(listener.accept(Wait::No).err(), Some(IpcError::WouldBlock));
    assert_eq!(
        listener.accept(Wait::For(SHORT_NS)).err(),
        Some(IpcError::TimedOut)
    );
    let _client = ipc.connect(&name).expect("there is room");
    assert!(listener.accept(Wait::For(u64::MAX)).is_ok());
}

fn bounded<I: Ipc>(ipc: I, handle: &Handle) {
    const EACH: u32 = 200;
    let buffer = Arc::new(BoundedBuffer::new(ipc, 3).expect("a buffer"));
    assert_eq!(buffer.take(Wait::No), Err(IpcError::WouldBlock));
    let mut threads = Vec::new();
    for own in 0..3 {
        let buffer = buffer.clone();
        threads.push(handle.spawn(move || {
            for n in 0..EACH {
                let put = buffer.put(own * EACH + n, Wait::Forever);
                put.expect("somebody takes");
            }
            0
        }));
    }
    for _ in 0..2 {
        let buffer = buffer.clone();
        threads.push(handle.spawn(move || {
            (0..EACH)
                .map(|_| buffer.take(Wait::Forever).expect("somebody puts"))
                .sum::<u32>()
        }));
    }
    let mut sum: u32 = (0..EACH)
        .map(|_| buffer.take(Wait::Forever).expect("somebody puts"))
        .sum();
    for thread in threads {
        sum += thread.join().expect("it has done its part");
    }
    assert_eq!(sum, 3 * EACH * (3 * EACH - 1) / 2);
    assert_eq!(buffer.take(Wait::No), Err(IpcError::WouldBlock));
    (0..3).for_each(|n| buffer.put(n, Wait::No).expect("there is room"));
    assert_eq!(buffer.put(3, Wait::No), Err(IpcError::WouldBlock));
    (0..3).for_each(|n| assert_eq!(buffer.take(Wait::No), Ok(n)));
}

#[cfg(feature = "rpc")]
fn calls<I: Ipc>(ipc: I, handle: &Handle) {
    use super::rpc::{self, CallError};

    #[derive(serde::Serialize, serde::Deserialize)]
    enum Question {
        Add(i32, i32),
        Shout(String),
    }
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    enum Answer {
        Sum(i32),
        Text(String),
    }

    let (server, clients) = rpc::connect::<I, Question, Answer>(ipc, 2).expect("mailboxes");
    let clients: Vec<_> = clients
        .into_iter()
        .map(|client| {
            handle.spawn(move || {
                for n in 0..20 {
                    let sum = client.call(&Question::Add(n, 2 * n), Wait::Forever);
                    assert_eq!(sum, Ok(Answer::Sum(3 * n)));
                }
                let text = client.call(&Question::Shout("quiet".into()), Wait::Forever);
                assert_eq!(text, Ok(Answer::Text("QUIET".into())));
                let long = "x".repeat(rpc::MESSAGE_LEN);
                let refused = client.call(&Question::Shout(long), Wait::No);
                assert_eq!(refused, Err(CallError::Format));
            })
        })
        .collect();
    for _ in 0..2 * 21 {
        let served = server.serve_one(Wait::Forever, |question| match question {
            Question::Add(left, right) => Answer::Sum(left + right),
            Question::Shout(text) => Answer::Text(text.to_uppercase()),
        });
        assert_eq!(served, Ok(()));
    }
    for client in clients {
        client.join().expect("it got its answers");
    }
    let none = server.serve_one(Wait::No, |_| Answer::Sum(0));
    assert_eq!(none, Err(CallError::Ipc(IpcError::WouldBlock)));
}
