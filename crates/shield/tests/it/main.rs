//! Laws that the shield's algorithms keep whatever comes.

mod capacity;
mod fair;
mod gate;
mod gcra;
mod pool;
mod quota;
