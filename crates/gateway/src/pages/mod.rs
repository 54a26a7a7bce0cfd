//! What browsers are given: pages that the door renders itself.

pub mod forms;
