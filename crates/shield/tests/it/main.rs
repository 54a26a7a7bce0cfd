//! Laws that the shield's algorithms keep whatever comes.

mod fair;
mod gcra;
mod pool;
mod quota;
