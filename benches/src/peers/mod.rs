//! Foreign crates behind our trait, so that the same program runs under them.
//!
//! These adapters are for measuring: they are as thin as the foreign crate allows, and what
//! they can't do (drop what a foreign queue holds) they leave undone.

mod ledger;
mod native;
mod rayon;
mod textbook;
mod tokio;

pub use self::native::Native;
pub use self::rayon::RayonPool;
pub use self::textbook::TextbookPool;
pub use self::tokio::TokioRuntime;
