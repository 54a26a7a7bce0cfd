//! Limits, budgets and choices of the door, as pure algorithms: they take the
//! time and random numbers as arguments, lock nothing and do no I/O.

pub mod admission;
pub mod affinity;
pub mod class;
pub mod eject;
pub mod gate;
pub mod gcra;
pub mod networks;
pub mod pick;
pub mod quota;
pub mod refusals;
pub mod repeats;
pub mod retry;
pub mod verdict;
