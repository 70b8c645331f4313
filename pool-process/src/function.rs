//! What a worker can run: functions with a name, listed once in [`init`].
//!
//! A closure can't go to another process: its captures lie in this one's memory, and its type has
//! no name that the other side could look up. What can go is the name of a function and its
//! arguments, written down with serde. So a job is a [`Function`], made once as a `static`, and its
//! arguments. A closure without captures is a function too: `Function::new("double", |n| n * 2)`.
//!
//! # Protocol
//! 1. The program calls [`init`] first of all, with all its functions.
//! 2. In the program itself that notes them, so that a pool can refuse a function that its
//!    workers would not know.
//! 3. A worker is the same program, started again with a mark in its environment. There, `init`
//!    sees the mark, runs jobs until the pool lets go, and never returns: nothing of `main` is run.
//!
//! The mark names the parent. What a job starts inherits it, but has another parent, and runs as
//! the program that it is.

use std::{collections::HashMap, sync::OnceLock};

use serde::{Serialize, de::DeserializeOwned};

use crate::{frame, worker};

/// A function that a worker can run, under the name by which workers find it.
///
/// # Examples
/// ```
/// use pool_process::Function;
///
/// fn area((width, height): (u64, u64)) -> u64 {
///     width * height
/// }
/// static AREA: Function<(u64, u64), u64> = Function::new("area", area);
/// static SHOUT: Function<String, String> = Function::new("shout", |s| s.to_uppercase());
///
/// // Called in this process, it is just a function.
/// assert_eq!(AREA.call((2, 3)), 6);
/// assert_eq!(SHOUT.call("hi".into()), "HI");
/// ```
///
/// What captures does not compile:
/// ```compile_fail,E0308
/// # use pool_process::Function;
/// let by = 3_u64;
/// let times = Function::<u64, u64>::new("times", move |n| n * by);
/// ```
#[derive(Debug)]
pub struct Function<A, R> {
    name: &'static str,
    run: fn(A) -> R,
}

impl<A, R> Function<A, R> {
    /// A function under a name that no other of the program has.
    pub const fn new(name: &'static str, run: fn(A) -> R) -> Self {
        Self { name, run }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Calls it in this process.
    pub fn call(&self, args: A) -> R {
        (self.run)(args)
    }
}

mod sealed {
    /// What a worker does with a function whose types it does not see.
    pub trait Callable: Sync {
        /// The name.
        fn name(&self) -> &'static str;
        /// Where its code is: tells functions of one name apart.
        fn code(&self) -> usize;
        /// Reads the arguments, calls, and appends the result to `out`.
        fn call_bytes(&self, args: &[u8], out: Vec<u8>) -> Result<Vec<u8>, String>;
    }
}

pub(crate) use sealed::Callable;

impl<A: DeserializeOwned, R: Serialize> Callable for Function<A, R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn code(&self) -> usize {
        self.run as usize
    }

    fn call_bytes(&self, args: &[u8], out: Vec<u8>) -> Result<Vec<u8>, String> {
        let args = postcard::from_bytes(args)
            .map_err(|why| format!("the arguments of '{}': {why}", self.name))?;
        let result = (self.run)(args);
        frame::append(&result, out).map_err(|why| format!("the result of '{}': {why}", self.name))
    }
}

/// Any [`Function`], in a list of functions of different types. Implemented by `Function` only.
pub trait Registered: Callable {}

impl<A: DeserializeOwned, R: Serialize> Registered for Function<A, R> {}

/// The functions of this program, once `init` was called.
pub(crate) struct Registry(HashMap<&'static str, &'static dyn Registered>);

static REGISTRY: OnceLock<Registry> = OnceLock::new();

impl Registry {
    fn new(functions: &[&'static dyn Registered]) -> Self {
        let mut map = HashMap::with_capacity(functions.len());
        for &function in functions {
            let name = function.name();
            assert!(
                map.insert(name, function).is_none(),
                "pool_process::init: two functions are called '{name}'; give each its own name"
            );
        }
        Self(map)
    }

    /// The function of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&'static dyn Registered> {
        self.0.get(name).copied()
    }

    /// What this process can run, where `init` was called.
    pub(crate) fn get() -> Option<&'static Self> {
        REGISTRY.get()
    }

    /// Whether the other list has the same functions under the same names.
    fn same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .all(|(name, a)| other.find(name).is_some_and(|b| a.code() == b.code()))
    }
}

/// Lists the functions that workers can run. The first line of `main`.
///
/// In a worker it never returns. In the program itself it returns at once; calling it again with
/// the same functions does nothing.
///
/// # In tests
/// The harness of `cargo test` has a `main` of its own. There, a test that does nothing else is the
/// way in, and the pool is told to start workers with that test alone:
/// ```
/// use pool_process::{Function, ProcessPool, Registered};
///
/// static DOUBLE: Function<u32, u32> = Function::new("double", |n| n * 2);
/// static FUNCTIONS: &[&dyn Registered] = &[&DOUBLE];
///
/// # const _: &str = stringify! {
/// #[test]
/// # };
/// fn worker() {
///     pool_process::init(FUNCTIONS);
/// }
///
/// # const _: &str = stringify! {
/// #[test]
/// # };
/// fn doubles() {
///     pool_process::init(FUNCTIONS);
///     let pool = ProcessPool::builder().workers(1).test("worker").build().unwrap();
///     assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
/// }
/// # fn main() { worker(); ProcessPool::builder().workers(1).build().unwrap(); }
/// ```
///
/// # Panics
/// When two of the functions have one name, or when it was called before with other functions:
/// the list has to be whole at the start, since a worker never comes to a second call.
#[expect(
    clippy::test_attr_in_doctest,
    reason = "the example shows what stands in a test program; what runs it here is its own main"
)]
pub fn init(functions: &[&'static dyn Registered]) {
    let registry = Registry::new(functions);
    if worker::is_worker() {
        worker::serve(&registry);
    }
    let first = REGISTRY.get_or_init(|| Registry::new(functions));
    assert!(
        first.same(&registry),
        "pool_process::init was called before with other functions; list all of them in one call \
         at the start of main"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    static DOUBLE: Function<u32, u32> = Function::new("double", |n| n * 2);
    static TRIPLE: Function<u32, u32> = Function::new("triple", |n| n * 3);
    static OTHER: Function<u32, u32> = Function::new("double", |n| n + n);

    #[test]
    fn a_call_goes_through_bytes() {
        let args = postcard::to_allocvec(&21_u32).expect("encodes");
        let out = DOUBLE.call_bytes(&args, vec![1, 2]).expect("runs");
        assert_eq!(out[..2], [1, 2], "what was there stays");
        assert_eq!(postcard::from_bytes::<u32>(&out[2..]), Ok(42));
        let error = DOUBLE
            .call_bytes(&[], Vec::new())
            .expect_err("no arguments");
        assert!(error.contains("'double'"), "{error}");
    }

    #[test]
    fn lists_are_compared_by_name_and_code() {
        let one = Registry::new(&[&DOUBLE, &TRIPLE]);
        assert!(one.same(&Registry::new(&[&TRIPLE, &DOUBLE])));
        assert!(!one.same(&Registry::new(&[&DOUBLE])));
        assert!(!one.same(&Registry::new(&[&OTHER, &TRIPLE])));
        assert!(one.find("double").is_some() && one.find("quadruple").is_none());
    }

    #[test]
    #[should_panic(expected = "two functions are called 'double'")]
    fn a_name_is_given_once() {
        let _ = Registry::new(&[&DOUBLE, &OTHER]);
    }
}
