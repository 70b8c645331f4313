//! Pipes: a bounded queue of bytes between descriptors, with or without a name.
//!
//! # Protocol
//! A read waits for the first byte and takes what is there. A write moves in pieces: each of at most
//! [`PIECE_LEN`] bytes goes in whole, so that small writes of several threads do not mix. Bytes are
//! copied from and to programs without the pipe's lock.
//!
//! # Shutdown
//! An end that is dropped closes: with the last reader writes are broken, with the last writer reads
//! come to the end. Who waits is woken and sees it.

use alloc::sync::Arc;

use kcore::{End, Errno, Monitor, PipeBuffer, Side};

use crate::{
    arch::cpu,
    fs::{
        pages::DataPage,
        pieces::{PIECE_LEN, in_pieces},
    },
    mm::uaccess,
    proc::thread::ThreadRef,
    sched::wait,
};

/// The bytes and those who wait.
#[derive(Debug)]
pub(crate) struct Pipe {
    monitor: Monitor<PipeBuffer<DataPage>, ThreadRef>,
}

impl Pipe {
    /// A pipe without ends.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>, Errno> {
        let page = DataPage::new().ok_or(Errno::ENOMEM)?;
        Ok(Arc::new(Self {
            monitor: Monitor::new(PipeBuffer::new(page)),
        }))
    }

    /// A new end.
    pub(crate) fn end(self: &Arc<Self>, end: End) -> PipeEnd {
        self.monitor.with(|buffer, wakes| buffer.open(end, wakes));
        PipeEnd {
            pipe: Arc::clone(self),
            end,
        }
    }

    /// A new end, as soon as there is one of the other kind.
    ///
    /// # Errors
    /// `EINTR`.
    pub(crate) fn end_and_wait(self: &Arc<Self>, end: End) -> Result<PipeEnd, Errno> {
        let meeting = self
            .monitor
            .with(|buffer, wakes| buffer.open_to_meet(end, wakes));
        let own = PipeEnd {
            pipe: Arc::clone(self),
            end,
        };
        let thread = cpu::current();
        let met = self.monitor.wait(
            &ThreadRef(thread),
            side(end),
            |buffer, _| buffer.has_met(meeting).then_some(()),
            || wait::pause(thread, wait::FOREVER),
        );
        met?;
        Ok(own)
    }

    /// How many bytes are in it.
    pub(crate) fn len(&self) -> usize {
        self.monitor.with(|buffer, _| buffer.len())
    }
}

/// The queue that this end waits in.
fn side(end: End) -> Side {
    match end {
        End::Read => Side::Takers,
        End::Write => Side::Givers,
    }
}

/// One end of a pipe.
#[derive(Debug)]
pub(crate) struct PipeEnd {
    pipe: Arc<Pipe>,
    end: End,
}

impl PipeEnd {
    /// Reads what is there, at least one byte; 0 at the end.
    ///
    /// # Errors
    /// `EFAULT`, and nothing was taken; `EINTR`.
    pub(crate) fn read(&self, buffer: u64, len: u64) -> Result<u64, Errno> {
        let thread = cpu::current();
        let mut piece = [0; PIECE_LEN];
        let mut done = 0;
        while done < len {
            let at = buffer + done;
            let count = (len - done).min(PIECE_LEN as u64) as usize;
            // Bytes that have been taken out cannot be put back.
            if !thread.space().is_writable(at, count as u64) {
                return if done > 0 {
                    Ok(done)
                } else {
                    Err(Errno::EFAULT)
                };
            }
            let piece = &mut piece[..count];
            let read = if done == 0 {
                self.pipe.monitor.wait(
                    &ThreadRef(thread),
                    Side::Takers,
                    |buffer, wakes| buffer.read(piece, wakes),
                    || wait::pause(thread, wait::FOREVER),
                )
            } else {
                let more = |buffer: &mut PipeBuffer<_>, wakes: &mut _| buffer.read(piece, wakes);
                Ok(self.pipe.monitor.with(more).unwrap_or(0))
            };
            match read {
                Ok(0) => break,
                Ok(count) => uaccess::copy_out(at, &piece[..count])?,
                Err(stopped) => return Err(stopped.into()),
            }
            done += read.unwrap_or(0) as u64;
        }
        Ok(done)
    }

    /// Writes all bytes, as far as it can.
    ///
    /// # Errors
    /// If nothing was written: `EPIPE` without readers, `EFAULT`, `EINTR`.
    pub(crate) fn write(&self, buffer: u64, len: u64) -> Result<u64, Errno> {
        let thread = cpu::current();
        in_pieces(buffer, len, |piece, _| {
            let written = self.pipe.monitor.wait(
                &ThreadRef(thread),
                Side::Givers,
                |buffer, wakes| buffer.write(piece, true, wakes),
                || wait::pause(thread, wait::FOREVER),
            );
            written?.map_err(|_| Errno::EPIPE)
        })
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let end = self.end;
        self.pipe
            .monitor
            .with(|buffer, wakes| buffer.close(end, wakes));
    }
}
