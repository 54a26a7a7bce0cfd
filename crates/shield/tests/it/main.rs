//! Laws that the shield's algorithms keep whatever comes.

mod capacity;
mod fair;
mod gcra;
mod pool;
mod quota;
