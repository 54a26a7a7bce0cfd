//! The gate as a whole, and before the simulated engine and the benchmarks' crowd.

mod eta;
mod first;
mod shares;
mod sim;
mod verdict;
