//! Limits, budgets and choices of the door, as pure algorithms: they take the
//! time and random numbers as arguments, lock nothing and do no I/O.

pub mod quota;
