//! The console as programs see it: three streams over one serial line.
//!
//! # Protocol
//! A byte that comes in interrupts the first CPU, which puts it into [`Input`] and wakes who waits for
//! input. When the input is full the line is left alone until a reader has made room: the reader
//! then fetches what waits in the line.
//!
//! # Who owns what
//! `INPUT` has a lock of its own, under which the receiver is read too; `READERS` has its own, taken
//! before `INPUT` by a reader that is about to wait, and never while `INPUT` is held.

use alloc::vec::Vec;

use kcore::{
    Errno, SpinLock, UserRange, WaitEnd, WaitQueue,
    console::{Input, Mode, Stream},
};

use crate::{
    arch::{cpu, ioapic, lapic, serial},
    fs::pieces::{PIECE_LEN, in_pieces},
    mm::uaccess,
    proc::thread::ThreadRef,
    sched::wait,
};

// A piece is one frame, so it is not mixed with others.
const _: () = assert!(PIECE_LEN <= kcore::console::FRAME_LEN);

static INPUT: SpinLock<Input> = SpinLock::new(Input::new());
static READERS: WaitQueue<ThreadRef> = WaitQueue::new();

/// Chooses how the line is used; before there is a program.
pub(crate) fn set_mode(mode: Mode) {
    INPUT.lock().set_mode(mode);
    if mode == Mode::Framed {
        serial::use_frames();
    }
    if mode != Mode::Closed {
        ioapic::open(ioapic::SERIAL, lapic::VECTOR_CONSOLE, cpu::this().apic_id());
        serial::interrupt_on_input();
    }
    if mode == Mode::Framed {
        serial::write_ready();
    }
}

/// Takes what has come in, and wakes who waits for it.
pub(crate) fn fetch() {
    let mut echo = Vec::new();
    {
        let mut input = INPUT.lock();
        while input.has_room()
            && let Some(byte) = serial::receive()
        {
            echo.extend(input.push(byte));
        }
    }
    if !echo.is_empty() {
        serial::write(Stream::Output, &echo);
    }
    if INPUT.lock().is_ready() {
        READERS.wake_all();
    }
}

/// Reads what has come in, at least a byte; none at the end of the input.
///
/// # Errors
/// `EFAULT`, and nothing is lost; `EINTR` in a thread that has to leave, which never sees it.
///
/// # Blocking
/// Until there is input.
pub(crate) fn read(buffer: u64, len: u64) -> Result<u64, Errno> {
    UserRange::new(buffer, len).ok_or(Errno::EFAULT)?;
    if len == 0 {
        return Ok(0);
    }
    let thread = cpu::current();
    let mut piece = [0; PIECE_LEN];
    let most = len.min(PIECE_LEN as u64) as usize;
    let got = loop {
        fetch();
        {
            let mut input = INPUT.lock();
            if input.is_ready() {
                break input.read(&mut piece[..most]);
            }
        }
        let end = READERS.wait(
            &ThreadRef(thread),
            || INPUT.lock().is_ready(),
            || wait::pause_until(thread, wait::FOREVER),
        );
        if end == WaitEnd::Interrupted {
            return Err(Errno::EINTR);
        }
    };
    if let Err(error) = uaccess::copy_out(buffer, &piece[..got]) {
        INPUT.lock().put_back(&piece[..got]);
        return Err(error);
    }
    Ok(got as u64)
}

/// Writes a program's bytes to one of its two output streams.
///
/// # Errors
/// `EFAULT` if nothing could be read from the buffer.
pub(crate) fn write(stream: Stream, buffer: u64, len: u64) -> Result<u64, Errno> {
    in_pieces(buffer, len, |piece, _| {
        serial::write(stream, piece);
        Ok(piece.len())
    })
}
