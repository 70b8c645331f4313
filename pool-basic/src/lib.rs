//! The classic thread pool: mpsc and a Mutex, made fit for production.
