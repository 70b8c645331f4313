//! A serial line: the 16550 chip, or what QEMU puts in its place.

use x86_64::instructions::port::Port;

const INTERRUPT_ENABLE: u16 = 1;
const FIFO_CONTROL: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;
/// The FIFO takes this many bytes once the transmitter is empty.
const FIFO_LEN: usize = 16;
const RECEIVED: u8 = 1 << 0;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
const LINE_IDLE: u8 = 1 << 6;
/// What reads as this is not there.
const NOTHING: u8 = 0xff;
const INTERRUPT_ON_RECEIVED: u8 = 1 << 0;
/// Lets the interrupt out of the chip.
const OUT2: u8 = 1 << 3;

/// A line by its first port. Each direction has one user at a time, who sees to that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uart(pub(crate) u16);

impl Uart {
    /// 115,200 baud, 8 bits, no parity, FIFO on, no interrupts.
    pub(crate) fn init(self) {
        for (offset, value) in [
            (INTERRUPT_ENABLE, 0),
            (LINE_CONTROL, 0x80),
            (0, 1),
            (INTERRUPT_ENABLE, 0),
            (LINE_CONTROL, 0x03),
            (FIFO_CONTROL, 0x07),
            (MODEM_CONTROL, 0x03),
        ] {
            self.write(offset, value);
        }
    }

    /// Whether there is such a line.
    pub(crate) fn is_there(self) -> bool {
        self.read(LINE_STATUS) != NOTHING
    }

    /// Interrupts for each byte that comes in.
    pub(crate) fn interrupt_on_input(self) {
        self.write(MODEM_CONTROL, 0x03 | OUT2);
        self.write(INTERRUPT_ENABLE, INTERRUPT_ON_RECEIVED);
    }

    /// A byte that has come in.
    pub(crate) fn receive(self) -> Option<u8> {
        (self.read(LINE_STATUS) & RECEIVED != 0).then(|| self.read(0))
    }

    /// Sends bytes.
    ///
    /// # Blocking
    /// Spins until the line has taken them.
    pub(crate) fn transmit(self, bytes: &[u8]) {
        for burst in bytes.chunks(FIFO_LEN) {
            self.wait_for(TRANSMITTER_EMPTY);
            burst.iter().for_each(|byte| self.write(0, *byte));
        }
    }

    /// Waits until everything has left.
    pub(crate) fn drain(self) {
        self.wait_for(LINE_IDLE);
    }

    fn wait_for(self, bit: u8) {
        while self.read(LINE_STATUS) & bit == 0 {
            core::hint::spin_loop();
        }
    }

    fn read(self, offset: u16) -> u8 {
        let mut port = Port::<u8>::new(self.0 + offset);
        // SAFETY: a port of a serial line, which only its user touches; reading takes at most a
        // received byte.
        unsafe { port.read() }
    }

    fn write(self, offset: u16, value: u8) {
        let mut port = Port::<u8>::new(self.0 + offset);
        // SAFETY: as in `read`; the line touches no memory.
        unsafe { port.write(value) };
    }
}
