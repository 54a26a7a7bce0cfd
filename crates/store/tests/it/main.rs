//! The store's integration tests: one binary, one module per part.
#![expect(clippy::disallowed_methods, reason = "tests read small files whole")]

mod vault;
