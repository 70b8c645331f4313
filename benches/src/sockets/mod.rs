//! What loads of servers are made of: what is asked, over which connections, and when.
//!
//! Servers and loads are processes of their own, on this machine only. The load of the async bars
//! asks again as soon as it is answered; that of the experiment `server` keeps to a timetable.

mod descriptors;
mod exchange;
mod line;
mod listener;
mod timetable;

pub(crate) use self::descriptors::possible;
pub(crate) use self::exchange::Exchange;
pub(crate) use self::line::{Line, Taken};
pub(crate) use self::listener::{listen, listen_together};
pub(crate) use self::timetable::Timetable;
