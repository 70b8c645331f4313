//! Programs that run on mini-executor, each run by a test.
//!
//! | program | what it shows |
//! |---|---|
//! | `http_server` | HTTP/1.1 and HTTP/2 on one port with `hyper`, without adapters |
//! | `axum_server` | an `axum` router on the same connections |
//! | `chat_server` | tasks that talk to each other through bounded channels |
//! | `crawler` | timeouts, a limit of concurrency, and a group of tasks |
//! | `echo_10k` | ten thousand connections at once |
//!
//! What the programs do is in the library's modules; the programs themselves read arguments.

pub mod accept;
pub mod chat;
pub mod crawl;
pub mod echo;
pub mod http;
pub mod serve;
