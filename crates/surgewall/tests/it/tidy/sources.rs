//! Rules about Rust files.

use super::hold;
use super::tree::texts;

/// Lines of a file at most.
const LINES_MAX: usize = 600;
/// Lines above which a file needs a row in [`LONG`].
const LINES_WANTED_MAX: usize = 400;

/// Files, besides those of tests, that may have more than [`LINES_WANTED_MAX`] lines, and why splitting would make them worse.
const LONG: &[(&str, &str)] = &[(
    "crates/core/src/refusal.rs",
    "one exhaustive table: every refusal with all that follows from it, side by side",
)];

#[test]
fn files_are_short() {
    let mut broken = Vec::new();
    for text in texts(&[".rs"]) {
        let lines = text.text.lines().count();
        let is_test = text.path.ends_with("/tests.rs") || text.path.contains("/tests/");
        let reasoned = is_test || LONG.iter().any(|(path, _)| *path == text.path);
        if lines > LINES_MAX {
            broken.push(format!("{}: {lines} lines, at most {LINES_MAX}", text.path));
        } else if lines > LINES_WANTED_MAX && !reasoned {
            broken.push(format!(
                "{}: {lines} lines; split it, or give it a row with a reason in LONG of {}",
                text.path,
                file!()
            ));
        } else if lines <= LINES_WANTED_MAX && reasoned && !is_test {
            broken.push(format!(
                "{}: {lines} lines need no exception any more: remove its row",
                text.path
            ));
        }
    }
    hold(
        "a file has about 150 lines and at most 400; 600 where it holds tests, or with a reason: a long one has two subjects",
        &broken,
    );
}

#[test]
fn every_file_says_what_it_is() {
    let silent = texts(&[".rs"]).into_iter().filter(|text| !text.text.starts_with("//! "));
    hold(
        "a Rust file begins with `//!` and says in a sentence what it is",
        &silent.map(|text| text.path).collect::<Vec<_>>(),
    );
}

#[test]
fn no_leftovers() {
    // In halves, so that this file does not break its own rule.
    let words = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("db", "g!("),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("XX", "X"),
        concat!("HA", "CK"),
        concat!("#[ign", "ore]"),
        concat!("#[al", "low("),
        concat!("#![al", "low("),
    ];
    let mut broken = Vec::new();
    for text in texts(&[".rs", ".py", ".mjs", ".sh", ".toml"]) {
        broken.extend(text.places(|line| words.iter().any(|word| holds_word(line, word))));
    }
    hold(
        "nothing is left for later in the code: finish it, or open an issue. An exception from a lint is \
         an `expect` with a reason, a skipped test an `ignore` with one",
        &broken,
    );
}

/// Whether `line` holds `word`, not as a part of a longer one.
fn holds_word(line: &str, word: &str) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let goes_on = word.ends_with(char::is_alphabetic) && is_letter(after);
        !is_letter(before) && !goes_on
    })
}

#[test]
fn exceptions_have_a_reason() {
    let opening = concat!("#[exp", "ect(");
    let mut broken = Vec::new();
    for text in texts(&[".rs"]) {
        for (at, _) in text.text.match_indices(opening) {
            let end = text.text[at..].find(")]").map_or(text.text.len(), |end| at + end);
            if !text.text[at..end].contains("reason = \"") {
                let line = text.text[..at].matches('\n').count() + 1;
                broken.push(format!("{}:{line}", text.path));
            }
        }
    }
    hold("an exception from a lint says why: reason = \"...\"", &broken);
}

#[test]
fn names_are_the_fields_own() {
    let banned = ["fn get_", "mod utils", "mod helpers", "mod misc", "mod common;"];
    let mut broken = Vec::new();
    for text in texts(&[".rs"]).into_iter().filter(|text| !text.path.ends_with("tidy/sources.rs")) {
        broken.extend(text.places(|line| {
            let line = line.trim_start();
            let is_comment = line.starts_with("//");
            let is_manager = ["struct ", "enum ", "trait "].iter().any(|kind| {
                line.split_once(kind).is_some_and(|(_, name)| {
                    name.split(|c: char| !c.is_alphanumeric())
                        .next()
                        .is_some_and(|name| name.ends_with("Manager"))
                })
            });
            !is_comment && (is_manager || banned.iter().any(|name| line.contains(name)))
        }));
    }
    hold("names are the field's usual words in full: no `get_`, no `Manager`, no `utils`", &broken);
}
