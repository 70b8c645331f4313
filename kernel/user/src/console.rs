//! `print!` and `println!`: text to descriptor 1.
//!
//! A line is formatted into a buffer on the stack first and written by as few `write` calls as it
//! needs, so that lines of several threads don't mix within a line of ordinary length.

use core::fmt::{self, Write};

use kernel_bridge::kernel::syscall;

/// Bytes collected before they are written.
const BUFFER: usize = 256;

/// Standard output's descriptor.
const STDOUT: i32 = 1;

/// A buffer that empties itself into descriptor 1.
struct Out {
    bytes: [u8; BUFFER],
    used: usize,
}

impl Out {
    fn flush(&mut self) -> fmt::Result {
        let mut rest = &self.bytes[..self.used];
        while !rest.is_empty() {
            let written = syscall::write(STDOUT, rest).map_err(|_| fmt::Error)?;
            rest = rest.get(written..).ok_or(fmt::Error)?;
        }
        self.used = 0;
        Ok(())
    }
}

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            if self.used == BUFFER {
                self.flush()?;
            }
            let take = rest.len().min(BUFFER - self.used);
            self.bytes[self.used..self.used + take].copy_from_slice(&rest[..take]);
            self.used += take;
            rest = &rest[take..];
        }
        Ok(())
    }
}

/// Writes formatted text to descriptor 1. A console that refuses the text is ignored: there is no
/// place left to complain to.
pub fn print(text: fmt::Arguments<'_>) {
    let mut out = Out {
        bytes: [0; BUFFER],
        used: 0,
    };
    if out.write_fmt(text).is_ok() {
        let _ = out.flush();
    }
}

/// Prints to the console without a line end.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::print(::core::format_args!($($arg)*)) };
}

/// Prints one line to the console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arg:tt)*) => { $crate::console::print(::core::format_args!("{}\n", ::core::format_args!($($arg)*))) };
}
