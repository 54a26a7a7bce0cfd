//! Rules about pages: links that lead somewhere, and numbers that come from somewhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::tree::{Text, files, texts};
use super::{hold, root};

/// Between these lines of the README stand numbers, written by a script.
const MARKS: [(&str, &str); 2] = [
    ("<!-- bench:begin -->", "<!-- bench:end -->"),
    ("<!-- drill:begin -->", "<!-- drill:end -->"),
];

/// A number followed by one of these was measured.
const UNITS: [&str; 16] = [
    "ms",
    "µs",
    "us",
    "ns",
    "s",
    "seconds",
    "minutes",
    "%",
    "KiB",
    "MiB",
    "GiB",
    "x",
    "times",
    "requests/s",
    "tokens/s",
    "rps",
];

/// The link targets of a page, in order, outside of code.
fn links(text: &Text) -> Vec<String> {
    let prose = without_code(&text.text);
    let mut found = Vec::new();
    for (at, _) in prose.match_indices("](") {
        let rest = &prose[at + 2..];
        if let Some(end) = rest.find([')', '\n']) {
            found.push(rest[..end].to_owned());
        }
    }
    found
}

/// The page without fenced blocks and code spans.
fn without_code(text: &str) -> String {
    let mut in_block = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            prose.extend(line.split('`').step_by(2));
        }
        prose.push('\n');
    }
    prose
}

/// The anchor that a heading gets: lower case, spaces to dashes, other signs gone.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// `from/../to` without the dots.
fn resolve(from: &str, to: &str) -> String {
    let mut path = PathBuf::from(from);
    path.pop();
    for part in Path::new(to).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.to_string_lossy().into_owned()
}

#[test]
fn links_lead_somewhere() {
    let pages = texts(&[".md"]);
    let mut broken = Vec::new();
    for page in &pages {
        for link in links(page) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, section) =
                link.split_once('#').map_or((link.as_str(), None), |(path, at)| (path, Some(at)));
            let target =
                if path.is_empty() { page.path.clone() } else { resolve(&page.path, path) };
            if !root().join(&target).exists() {
                broken.push(format!("{} links to {link}, and there is no {target}", page.path));
            } else if let Some(section) = section {
                let known = pages
                    .iter()
                    .find(|other| other.path == target)
                    .map(|other| anchors(&other.text));
                if !known.is_some_and(|known| known.contains(section)) {
                    broken.push(format!(
                        "{} links to {link}, and {target} has no such heading",
                        page.path
                    ));
                }
            }
        }
    }
    hold("a link leads to a file and heading that are there", &broken);
}

#[test]
fn every_page_is_linked_from_the_index() {
    let index = texts(&["docs/index.md"]).pop().expect("docs/ has an index.md");
    let linked: BTreeSet<String> =
        links(&index).iter().map(|link| resolve(&index.path, link)).collect();
    let lost = files().into_iter().filter(|path| {
        path.starts_with("docs/")
            && path.ends_with(".md")
            && *path != index.path
            && !linked.contains(path)
    });
    hold(
        "docs/index.md links every page of docs/: a page that nobody finds is not written",
        &lost.collect::<Vec<_>>(),
    );
}

#[test]
fn numbers_in_the_readme_are_marked() {
    let readme = texts(&["README.md"])
        .into_iter()
        .find(|text| text.path == "README.md")
        .expect("there is a README.md");
    let mut prose = readme.text.clone();
    let mut broken = Vec::new();
    for (begin, end) in MARKS {
        match (prose.find(begin), prose.find(end)) {
            (Some(from), Some(to)) if from < to => prose.replace_range(from..to, ""),
            _ => broken.push(format!("README.md lacks {begin} ... {end}")),
        }
    }
    let prose = without_code(&prose);
    for line in prose.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            let next = words.get(at + 1).copied().unwrap_or("");
            if is_measured(word, next) {
                broken.push(format!("README.md: `{word} {next}`"));
            }
        }
    }
    hold(
        "a measured number in the README stands between <!-- bench:begin --> and <!-- bench:end -->, where a committed script writes it",
        &broken,
    );
}

/// Whether `word` is a number with a unit, in itself or in the `next` word.
fn is_measured(word: &str, next: &str) -> bool {
    let plain = |text: &str| text.trim_matches(|c: char| "(),.;:|*~<>=".contains(c)).to_owned();
    let word = plain(word);
    let digits =
        word.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ',')).unwrap_or(word.len());
    if digits == 0 || !word.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let unit = &word[digits..];
    UNITS.contains(&unit) || (unit.is_empty() && UNITS.contains(&plain(next).as_str()))
}

#[test]
fn the_check_itself_can_fail() {
    let page = Text {
        path: "docs/a.md".into(),
        text: "[x](../b.md#c) `[y](no)`\n```\n[z](no)\n```\n".into(),
    };
    assert_eq!(links(&page), ["../b.md#c"]);
    assert_eq!(resolve("docs/a.md", "../b.md"), "b.md");
    assert_eq!(anchor(" What does `a.b` do?"), "what-does-ab-do");
    for (word, next, measured) in [
        ("0.4", "ms", true),
        ("(12%),", "of", true),
        ("4x", "", true),
        ("1.94", "or", false),
        ("127.0.0.1:7070", "", false),
        ("two", "times", false),
    ] {
        assert_eq!(is_measured(word, next), measured, "{word} {next}");
    }
}
