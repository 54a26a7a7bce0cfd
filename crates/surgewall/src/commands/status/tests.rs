//! The words, for doors in several states.

use super::page::Page;
use super::*;

#[test]
fn a_door_is_shown_in_every_state() {
    for (name, door) in [
        ("alone", samples::alone()),
        ("normal", samples::normal()),
        ("flood", samples::flood()),
        ("observed", samples::observed()),
        ("draining", samples::draining()),
    ] {
        insta::assert_snapshot!(name, text(&door, COLUMNS, false));
    }
}

#[test]
fn a_narrow_terminal_shows_all_of_it_too() {
    insta::assert_snapshot!("flood_narrow", text(&samples::flood(), 40, false));
    for door in [samples::normal(), samples::flood(), samples::observed(), samples::draining()] {
        let words = |columns| {
            let text = text(&door, columns, false);
            let numbers = text.split_whitespace().map(|word| word.trim_end_matches(','));
            let mut numbers: Vec<_> = numbers
                .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
                .map(str::to_owned)
                .collect();
            numbers.sort();
            numbers
        };
        for columns in [20, 40, 60, 79, 120] {
            assert_eq!(words(columns), words(COLUMNS), "{columns} columns lose nothing");
        }
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for columns in [40, 48, 66, 80, 200] {
        for door in [samples::alone(), samples::flood(), samples::observed()] {
            let text = text(&door, columns, false);
            for line in text.lines() {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
            }
        }
    }
}

#[test]
fn colour_is_never_all_that_tells() {
    for door in [samples::alone(), samples::flood(), samples::draining()] {
        let plain = text(&door, COLUMNS, false);
        assert!(!plain.contains('\x1b'));
        let mut painted = text(&door, COLUMNS, true);
        assert!(painted.contains('\x1b'));
        for code in ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"] {
            painted = painted.replace(code, "");
        }
        assert_eq!(painted, plain);
    }
}

#[test]
fn every_verdict_has_its_sentences() {
    let shown = samples::verdicts().into_iter().map(|door| {
        let mut page = Page::new(160, false);
        verdict::write(&mut page, &door);
        page.text()
    });
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"));
}

/// Scripts read these names.
#[test]
fn the_names_in_json_stay() {
    insta::assert_json_snapshot!(samples::flood());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the repository's own page is no hostile input")]
fn the_example_in_the_handbook_is_what_it_looks_like() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(&text(&samples::flood(), COLUMNS, false)));
}
