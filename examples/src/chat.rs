//! A chat over TCP: a line is a message, the first line is the name.
//!
//! # Protocol
//! Each client is one task that reads its lines and writes those of the others. It receives them
//! by a bounded channel; a client that does not read them is thrown out, so that it keeps neither
//! memory nor the others: its task hears that its place is gone, though it is in a write.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use async_channel::{Receiver, Sender};
use futures_util::{FutureExt, pin_mut, select_biased};
use mini_executor::{
    Spawner,
    io::{Stream, TcpListener, TcpStream},
};

use crate::accept::accept_all;

/// Lines that may wait for one client.
const WAITING: usize = 64;
/// The longest line.
const LONGEST: usize = 4096;

/// A place in the room.
struct Member {
    lines: Sender<Arc<str>>,
    /// Nothing is sent: it is closed when the member is out.
    _stays: Sender<Infallible>,
}

/// Who is there.
#[derive(Default)]
struct Room {
    next: AtomicU64,
    members: Mutex<HashMap<u64, Member>>,
}

impl Room {
    fn enter(&self) -> (u64, Receiver<Arc<str>>, Receiver<Infallible>) {
        let (lines, heard) = async_channel::bounded(WAITING);
        let (stays, out) = async_channel::bounded(1);
        let id = self.next.fetch_add(1, Relaxed);
        let member = Member {
            lines,
            _stays: stays,
        };
        self.members().insert(id, member);
        (id, heard, out)
    }

    fn members(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends `line` to all but `from`; who can't take it is out.
    fn say(&self, from: u64, line: &str) {
        let line: Arc<str> = format!("{line}\n").into();
        self.members()
            .retain(|&id, member| id == from || member.lines.try_send(line.clone()).is_ok());
    }
}

/// A client's place, given up when its task ends, however that is.
struct Seat<'a> {
    room: &'a Room,
    id: u64,
    name: &'a str,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.room.members().remove(&self.id);
        self.room.say(self.id, &format!("* {} left", self.name));
    }
}

/// Lines of a stream.
struct Lines<'a> {
    stream: &'a TcpStream,
    bytes: Vec<u8>,
}

impl Lines<'_> {
    /// The next line, or `None` at the end.
    async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.bytes.iter().position(|&byte| byte == b'\n') {
                let line = String::from_utf8_lossy(&self.bytes[..end]);
                let line = line.trim_end_matches('\r').to_owned();
                self.bytes.drain(..=end);
                return Ok(Some(line));
            }
            if self.bytes.len() > LONGEST {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line too long",
                ));
            }
            let mut bytes = [0; 512];
            match self.stream.read(&mut bytes).await? {
                0 => return Ok(None),
                n => self.bytes.extend_from_slice(&bytes[..n]),
            }
        }
    }
}

async fn client(room: &Room, stream: TcpStream) -> io::Result<()> {
    let mut lines = Lines {
        stream: &stream,
        bytes: Vec::new(),
    };
    stream.write_all(b"your name?\n").await?;
    let Some(name) = lines.next().await? else {
        return Ok(());
    };
    let (id, heard, out) = room.enter();
    let _seat = Seat {
        room,
        id,
        name: &name,
    };
    room.say(id, &format!("* {name} came"));
    stream.write_all(b"welcome\n").await?;
    let speak = async {
        while let Some(line) = lines.next().await? {
            room.say(id, &format!("{name}: {line}"));
        }
        Ok(())
    };
    let listen = async {
        while let Ok(line) = heard.recv().await {
            stream.write_all(line.as_bytes()).await?;
        }
        Ok(())
    };
    let (speak, listen) = (speak.fuse(), listen.fuse());
    pin_mut!(speak, listen);
    select_biased! {
        _ = out.recv().fuse() => Err(io::Error::new(io::ErrorKind::TimedOut, "it did not read")),
        ended = speak => ended,
        ended = listen => ended,
    }
}

/// Serves a chat room, for ever.
pub async fn server(spawner: Spawner, listener: TcpListener) {
    let room = Arc::new(Room::default());
    accept_all(&spawner, listener, |stream, _| {
        let room = room.clone();
        spawner
            .spawn(async move {
                // A client that breaks off is one that left.
                let _ = client(&room, stream).await;
            })
            .detach();
    })
    .await;
}
