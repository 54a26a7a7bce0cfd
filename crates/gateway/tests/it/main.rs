//! The door on real sockets, before the model-server double.

mod calls;
mod conservation;
mod faults;
mod harness;
mod limits;
mod matrix;
