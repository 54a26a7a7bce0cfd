//! Laws that the shield's algorithms keep whatever comes.

mod quota;
