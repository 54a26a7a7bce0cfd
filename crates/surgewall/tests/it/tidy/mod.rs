//! Rules of this repository that no linter knows. A failure says which rule,
//! where it is broken, and what to do.
#![expect(clippy::expect_used, reason = "a check that cannot read the repository has failed")]
#![expect(clippy::disallowed_methods, reason = "the repository's own files are no hostile input")]

mod dependencies;
mod pages;
mod sources;
mod tree;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The repository's root.
fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).expect("crates/surgewall lies two folders deep").to_owned()
}

/// Fails with the rule and every place that breaks it, so that one run shows all.
fn hold(rule: &str, broken: &[String]) {
    let mut text = format!("\n\nrule: {rule}\n");
    for one in broken {
        writeln!(text, "  - {one}").expect("a String takes every text");
    }
    assert!(broken.is_empty(), "{text}");
}
