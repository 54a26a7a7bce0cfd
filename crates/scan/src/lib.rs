//! Checks that need no door: they look at a machine or at files and say what
//! should be changed, as [`surgewall_core::finding::Finding`]s.

pub mod exposure;
pub mod ledger;
pub mod provider;
pub mod reach;
pub mod receipt;
