//! `surgewall drill`: rehearses against a door on loopback.
//!
//! Nothing here is built yet, so the command line has no `drill`. Its fourteen
//! rows are [`crate::show::rows::ROWS`].
