//! Admission: who goes next when demand is past capacity, and what it costs.
//!
//! Everything here is pure: time comes as an argument, nothing is locked, and
//! no I/O is done.
//!
//! - [`work`] prices a request in work, before it runs and while it streams.
//! - [`fair`] orders those who wait: guaranteed shares between the classes, and
//!   inside a class the least served first.

pub mod fair;
pub mod work;
