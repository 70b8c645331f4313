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
use x86_64::instructions::port::Port;

const BASE: u16 = 0x3f8;
const INTERRUPT_ENABLE: u16 = BASE + 1;
const FIFO_CONTROL: u16 = BASE + 2;
const LINE_CONTROL: u16 = BASE + 3;
const MODEM_CONTROL: u16 = BASE + 4;
const LINE_STATUS: u16 = BASE + 5;
/// The FIFO takes this many bytes once the transmitter is empty.
const FIFO_LEN: usize = 16;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
const LINE_IDLE: u8 = 1 << 6;
const RECEIVED: u8 = 1 << 0;
const INTERRUPT_ON_RECEIVED: u8 = 1 << 0;
/// Lets the interrupt out of the chip.
const OUT2: u8 = 1 << 3;
/// How often the panic path tries the lock.
const PANIC_TRIES: u32 = 1_000_000;

/// Who holds it writes to the console.
static CONSOLE: SpinLock<Console> = SpinLock::new(Console);

struct Console;

/// Whether the line carries frames.
static FRAMED: AtomicBool = AtomicBool::new(false);

/// 115,200 baud, 8 bits, no parity, FIFO on, no interrupts.
pub(crate) fn init() {
    for (port, value) in [
        (INTERRUPT_ENABLE, 0),
        (LINE_CONTROL, 0x80),
        (BASE, 1),
        (INTERRUPT_ENABLE, 0),
        (LINE_CONTROL, 0x03),
        (FIFO_CONTROL, 0x07),
        (MODEM_CONTROL, 0x03),
    ] {
        write_port(port, value);
    }
}

/// From now on the line carries frames.
pub(crate) fn use_frames() {
    // ORDERING: Relaxed: set before there is a program; only the boot's own lines come before.
    FRAMED.store(true, Ordering::Relaxed);
}

/// Interrupts for each byte that comes in.
pub(crate) fn interrupt_on_input() {
    write_port(MODEM_CONTROL, 0x03 | OUT2);
    write_port(INTERRUPT_ENABLE, INTERRUPT_ON_RECEIVED);
}

/// A byte that has come in.
pub(crate) fn receive() -> Option<u8> {
    (read_port(LINE_STATUS) & RECEIVED != 0).then(|| read_port(BASE))
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
    CONSOLE.lock().transmit(&Stream::Ready.header(0));
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
    wait_for(LINE_IDLE);
}

impl Console {
    fn send(&mut self, stream: Stream, bytes: &[u8]) {
        for part in bytes.chunks(FRAME_LEN) {
            // ORDERING: Relaxed: as in `use_frames`.
            if FRAMED.load(Ordering::Relaxed) {
                self.transmit(&stream.header(part.len()));
            }
            self.transmit(part);
        }
    }

    fn transmit(&mut self, bytes: &[u8]) {
        for burst in bytes.chunks(FIFO_LEN) {
            wait_for(TRANSMITTER_EMPTY);
            burst.iter().for_each(|byte| write_port(BASE, *byte));
        }
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.send(Stream::Kernel, text.as_bytes());
        Ok(())
    }
}

fn wait_for(bit: u8) {
    while read_port(LINE_STATUS) & bit == 0 {
        core::hint::spin_loop();
    }
}

fn read_port(port: u16) -> u8 {
    let mut port = Port::<u8>::new(port);
    // SAFETY: as in `write_port`; reading takes at most a received byte, for the one who reads.
    unsafe { port.read() }
}

fn write_port(port: u16, value: u8) {
    let mut port = Port::<u8>::new(port);
    // SAFETY: the ports of the first serial line, of which this module is the only user.
    unsafe { port.write(value) };
}

/// Prints one line on the console.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => {
        $crate::arch::serial::print(format_args!("{}\n", format_args!($($arg)*)))
    };
}
