//! Integration tests of the binary, and the rules of the repository.

mod tidy;
