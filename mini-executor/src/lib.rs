//! An M:N async executor over any ground that can make threads.
