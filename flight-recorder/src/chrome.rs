//! The trace format of Chrome: one object, with an event a line.
//!
//! The format needs nothing but numbers and names, in objects of one level; so it is written here
//! rather than by a crate, which a pool of threads should not have to depend on. The tests read it
//! back with one.

use alloc::borrow::Cow;
use core::fmt::{self, Display, Write};

use crate::recording::{Kind, Span};

/// A whole trace.
pub(crate) struct Trace<'a>(pub(crate) &'a [Cow<'static, str>], pub(crate) &'a [Span]);

impl Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, self.1)
    }
}

/// Writes the trace of these lanes.
fn write(to: &mut dyn Write, lanes: &[Cow<'static, str>], spans: &[Span]) -> fmt::Result {
    to.write_str("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
    let mut comma = "";
    for (lane, name) in lanes.iter().enumerate() {
        write!(
            to,
            "{comma}\n{{\"ph\":\"M\",\"pid\":1,\"tid\":{lane},\"name\":\"thread_name\",\
             \"args\":{{\"name\":{}}}}}",
            Quoted(name)
        )?;
        comma = ",";
    }
    for span in spans {
        let start = Micros(span.start_ns);
        write!(
            to,
            "{comma}\n{{\"pid\":1,\"tid\":{},\"name\":{},\"ts\":{start}",
            span.lane,
            Quoted(&span.name)
        )?;
        comma = ",";
        match span.length_ns {
            Some(length) => write!(to, ",\"ph\":\"X\",\"dur\":{}", Micros(length))?,
            None => to.write_str(",\"ph\":\"i\",\"s\":\"t\"")?,
        }
        match span.kind {
            Kind::Job(0) | Kind::Other => {}
            Kind::Job(number) => write!(to, ",\"args\":{{\"job\":{number}}}")?,
            Kind::From(lane) => write!(to, ",\"args\":{{\"from\":{lane}}}")?,
            Kind::To(lane) => write!(to, ",\"args\":{{\"to\":{lane}}}")?,
        }
        to.write_str("}")?;
    }
    to.write_str("\n]}\n")
}

/// The format's unit, microseconds, with three places.
struct Micros(u64);

impl Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

/// A string of JSON.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(letter))?,
                _ => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}
