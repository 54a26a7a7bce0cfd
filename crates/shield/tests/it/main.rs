//! Laws that the shield's algorithms keep whatever comes.

mod gcra;
mod pool;
mod quota;
