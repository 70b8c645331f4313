//! The one schema for every figure this project writes, and its terminal table.
