//! The double does what its words say, seen through a real socket.

mod double;
mod engine;
mod faults;
