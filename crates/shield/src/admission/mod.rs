//! Admission: who goes next when demand is past capacity, and what it costs.
//!
//! Everything here is pure: time comes as an argument, nothing is locked, and
//! no I/O is done.
//!
//! - [`work`] prices a request in work, before it runs and while it streams, by the
//!   [`weights`] of a token that is read and one that is written.
//! - [`fair`] orders those who wait: guaranteed shares between the classes, and
//!   inside a class the least served first.
//! - [`pace`] tells a client that does not keep up with its model.
//! - [`gate`] joins them for one pool: the only part that the gateway talks to.

pub mod capacity;
pub mod eta;
pub mod fair;
pub mod gate;
pub mod pace;
pub mod weights;
pub mod work;
