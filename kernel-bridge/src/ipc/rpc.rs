//! Typed calls over mailboxes.
//!
//! # Protocol
//! One mailbox takes the requests of all clients; each client has one for its replies. A request is
//! the client's number, the number of the call, and the question; a reply the number of the call and
//! the answer. A client that gave up on a call finds its late reply at the next one, and knows it by
//! the number.

use alloc::vec::Vec;
use core::marker::PhantomData;

use exec_core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use serde::{Serialize, de::DeserializeOwned};

use super::{Ipc, IpcError, Mailbox, Wait};

/// The longest message, question or answer with its numbers.
pub const MESSAGE_LEN: usize = 256;

/// How many requests wait at most.
const REQUESTS: usize = 8;

/// Why a call had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The mailboxes.
    Ipc(IpcError),
    /// A question or answer does not fit into [`MESSAGE_LEN`] bytes, or is none of its type.
    Format,
}

impl core::fmt::Display for CallError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Ipc(error) => error.fmt(f),
            Self::Format => write!(
                f,
                "a message is no value of its type of {MESSAGE_LEN} bytes"
            ),
        }
    }
}

impl core::error::Error for CallError {}

impl From<IpcError> for CallError {
    fn from(error: IpcError) -> Self {
        Self::Ipc(error)
    }
}

/// The side that answers.
#[derive(Debug)]
pub struct Server<I: Ipc, Q, A> {
    requests: alloc::sync::Arc<I::Mailbox>,
    replies: Vec<alloc::sync::Arc<I::Mailbox>>,
    types: PhantomData<fn(Q) -> A>,
}

/// A side that asks; for one thread at a time.
#[derive(Debug)]
pub struct Client<I: Ipc, Q, A> {
    number: u32,
    requests: alloc::sync::Arc<I::Mailbox>,
    replies: alloc::sync::Arc<I::Mailbox>,
    next_call: AtomicU32,
    types: PhantomData<fn(Q) -> A>,
}

/// A server and so many clients, to be handed to threads or forked processes.
///
/// # Errors
/// Those of the ground.
#[allow(clippy::type_complexity, reason = "a pair, said in full once")]
pub fn connect<I: Ipc, Q, A>(
    ipc: I,
    clients: u32,
) -> Result<(Server<I, Q, A>, Vec<Client<I, Q, A>>), IpcError> {
    let requests = alloc::sync::Arc::new(ipc.mailbox(REQUESTS, MESSAGE_LEN)?);
    let mut server = Server {
        requests: requests.clone(),
        replies: Vec::new(),
        types: PhantomData,
    };
    let mut all = Vec::new();
    for number in 0..clients {
        let replies = alloc::sync::Arc::new(ipc.mailbox(2, MESSAGE_LEN)?);
        server.replies.push(replies.clone());
        all.push(Client {
            number,
            requests: requests.clone(),
            replies,
            next_call: AtomicU32::new(0),
            types: PhantomData,
        });
    }
    Ok((server, all))
}

impl<I: Ipc, Q: DeserializeOwned, A: Serialize> Server<I, Q, A> {
    /// Takes one request and answers it.
    ///
    /// # Errors
    /// [`CallError::Format`] for a request that is none, or an answer that is too long; the server may
    /// go on. Those of the mailboxes.
    ///
    /// # Blocking
    /// Until there is a request, as `wait` allows. Never on a client: one that does not take its
    /// replies loses them.
    pub fn serve_one(&self, wait: Wait, answer: impl FnOnce(Q) -> A) -> Result<(), CallError> {
        let mut buffer = [0; MESSAGE_LEN];
        let len = self.requests.receive(&mut buffer, wait)?;
        let (client, call, question): (u32, u32, Q) =
            postcard::from_bytes(&buffer[..len]).map_err(|_| CallError::Format)?;
        let replies = self.replies.get(client as usize).ok_or(CallError::Format)?;
        let mut reply = [0; MESSAGE_LEN];
        let reply = postcard::to_slice(&(call, answer(question)), &mut reply)
            .map_err(|_| CallError::Format)?;
        match replies.send(reply, Wait::No) {
            Ok(()) | Err(IpcError::WouldBlock) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl<I: Ipc, Q: Serialize, A: DeserializeOwned> Client<I, Q, A> {
    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// [`CallError::Format`] for a question that is too long, or an answer that is none; those of the
    /// mailboxes. After a time-out the request may still be served.
    ///
    /// # Blocking
    /// Until the answer comes, as `wait` allows for each of the two ways.
    pub fn call(&self, question: &Q, wait: Wait) -> Result<A, CallError> {
        // ORDERING: Relaxed: one thread at a time.
        let call = self.next_call.fetch_add(1, Relaxed);
        let mut buffer = [0; MESSAGE_LEN];
        let request = postcard::to_slice(&(self.number, call, question), &mut buffer)
            .map_err(|_| CallError::Format)?;
        self.requests.send(request, wait)?;
        loop {
            let len = self.replies.receive(&mut buffer, wait)?;
            let (number, rest) =
                postcard::take_from_bytes::<u32>(&buffer[..len]).map_err(|_| CallError::Format)?;
            if number == call {
                return postcard::from_bytes(rest).map_err(|_| CallError::Format);
            }
        }
    }
}
