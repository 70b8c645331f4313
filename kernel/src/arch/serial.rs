//! The first serial port: the console.
//!
//! # Protocol
//! A text is written as a whole under the console's lock. The panic path goes on without the lock
//! after a bounded wait: its holder may be the one who panics. Once framed (see [`kcore::console`]),
//! the line carries frames only.
//!
//! # Who owns what
//! `CONSOLE` owns the transmitter. The receiver is read by [`crate::console`] under its own lock.

use core::{
    fmt::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use kcore::{
    SpinLock,
    console::{FRAME_LEN, Stream},
};

use crate::arch::uart::Uart;

const LINE: Uart = Uart(0x3f8);
/// How often the panic path tries the lock.
const PANIC_TRIES: u32 = 1_000_000;

/// Who holds it writes to the console.
static CONSOLE: SpinLock<Console> = SpinLock::new(Console);

struct Console;

/// Whether the line carries frames.
static FRAMED: AtomicBool = AtomicBool::new(false);

/// Opens the line.
pub(crate) fn init() {
    LINE.init();
}

/// From now on the line carries frames.
pub(crate) fn use_frames() {
    // ORDERING: Relaxed: set before there is a program; only the boot's own lines come before.
    FRAMED.store(true, Ordering::Relaxed);
}

/// Interrupts for each byte that comes in.
pub(crate) fn interrupt_on_input() {
    LINE.interrupt_on_input();
}

/// A byte that has come in.
pub(crate) fn receive() -> Option<u8> {
    LINE.receive()
}

/// Writes bytes of a stream to the console, not mixed with other texts.
///
/// # Blocking
/// Spins until the line has taken them.
pub(crate) fn write(stream: Stream, bytes: &[u8]) {
    CONSOLE.lock().send(stream, bytes);
}

/// Says with which status the first process has ended, if the line carries frames.
pub(crate) fn write_status(status: i32) {
    // ORDERING: Relaxed: as in `use_frames`.
    if FRAMED.load(Ordering::Relaxed) {
        write(Stream::Status, &status.to_le_bytes());
    }
}

/// Says that input is taken from now on.
pub(crate) fn write_ready() {
    let _console = CONSOLE.lock();
    LINE.transmit(&Stream::Ready.header(0));
}

/// Writes a formatted text, not mixed with others.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    // The console's `write_str` never fails; a failing `Display` only cuts its own text short.
    let _ = CONSOLE.lock().write_fmt(text);
}

/// Writes a formatted text even if the lock is never freed.
pub(crate) fn print_last_words(text: fmt::Arguments<'_>) {
    let guard = (0..PANIC_TRIES).find_map(|_| CONSOLE.try_lock());
    // As in `print`.
    let _ = Console.write_fmt(text);
    drop(guard);
}

/// Waits until everything has left.
pub(crate) fn drain() {
    LINE.drain();
}

impl Console {
    fn send(&mut self, stream: Stream, bytes: &[u8]) {
        for part in bytes.chunks(FRAME_LEN) {
            // ORDERING: Relaxed: as in `use_frames`.
            if FRAMED.load(Ordering::Relaxed) {
                LINE.transmit(&stream.header(part.len()));
            }
            LINE.transmit(part);
        }
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.send(Stream::Kernel, text.as_bytes());
        Ok(())
    }
}

/// Prints one line on the console.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => {
        $crate::arch::serial::print(format_args!("{}\n", format_args!($($arg)*)))
    };
}
