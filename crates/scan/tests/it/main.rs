//! Integration tests of the checks.
#![expect(clippy::disallowed_methods, reason = "the tests' own servers and clocks")]
#![expect(clippy::expect_used, reason = "a test without its server has failed")]

mod exposure;
mod provider;
mod real;
mod scripted;
