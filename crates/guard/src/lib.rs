//! Guards: what finds secrets and personal data in texts and streams, and takes
//! them out.
//!
//! Everything here is pure: a text goes in, a text comes out. [`redact::Redactor`]
//! is what other crates use; [`rules::RuleSet`] is what it looks for, read from
//! documented files.

pub mod redact;
pub mod rules;
mod scan;
