//! Where jobs wait.
//!
//! [`local`] is a worker's own bounded ring, [`slot`] the one job it runs next, [`inject`] what
//! comes from outside or did not fit; [`lane`] and [`stack`] are what the last is made of.

pub(crate) mod inject;
pub mod lane;
pub mod local;
pub(crate) mod slot;
pub(crate) mod stack;
