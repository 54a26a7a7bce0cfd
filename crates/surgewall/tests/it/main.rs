//! Integration tests of the binary, and the rules of the repository.

mod drill;
mod help;
mod incidents;
mod init;
mod offline;
mod refusals;
mod serving;
mod site;
mod tidy;
mod vault;
