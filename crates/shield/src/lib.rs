//! shield.
