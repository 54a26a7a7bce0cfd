//! Integration tests of the binary, and the rules of the repository.

mod dataflow;
mod drill;
mod exposure;
mod findings;
mod gate;
mod help;
mod incidents;
mod init;
mod ocsf;
mod offline;
mod person;
mod provider;
mod refusals;
mod serving;
mod site;
mod status_page;
mod tidy;
mod vault;
