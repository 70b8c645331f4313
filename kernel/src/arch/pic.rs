//! The old interrupt controller: moved away from the exception vectors, and silenced.

use x86_64::instructions::port::Port;

const COMMAND: [u16; 2] = [0x20, 0xa0];
const DATA: [u16; 2] = [0x21, 0xa1];
/// The vectors that it would use: a late or spurious request lands here and is counted.
const VECTORS: [u8; 2] = [0x20, 0x28];

/// Masks all requests. Firmware leaves the timer open, at the vector of the double fault.
pub(crate) fn mask() {
    for chip in 0..2 {
        let cascade = if chip == 0 { 1 << 2 } else { 2 };
        write(COMMAND[chip], 0x11);
        write(DATA[chip], VECTORS[chip]);
        write(DATA[chip], cascade);
        write(DATA[chip], 1);
        write(DATA[chip], 0xff);
    }
}

fn write(port: u16, value: u8) {
    let mut port = Port::<u8>::new(port);
    // SAFETY: the ports of the interrupt controller, of which this module is the only user.
    unsafe { port.write(value) };
}
