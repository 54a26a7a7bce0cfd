//! One of our rules, as it stands in a rule file.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::form::Rule;
use super::parts::Parts;
use crate::rules::file::ID_CHARS_MAX;

/// What the ids begin with: none of them takes the place of a shipped rule.
const PREFIX: &str = "gitleaks-";

/// The beginning of the file.
pub(super) fn head(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    format!("# Made of gitleaks' rules in {name} by `surgewall admin import rules`.\n")
}

/// The rule's id here: of letters, digits and dashes, and given to no other.
pub(super) fn id(id: &str, taken: &BTreeSet<String>) -> Result<String, String> {
    let plain = id.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let mut id = format!("{PREFIX}{plain}");
    id.truncate(ID_CHARS_MAX);
    if taken.contains(&id) { Err(format!("there is another `{id}`")) } else { Ok(id) }
}

/// The rule's table.
pub(super) fn rule(id: &str, rule: &Rule, parts: &Parts, stopwords: &BTreeSet<String>) -> String {
    let mut text = String::from("\n[[rule]]\n");
    // Writing to a String cannot fail.
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name} = {value}");
    };
    line("id", quoted(id));
    line("class", quoted("secret"));
    let description = if rule.description.is_empty() { &rule.id } else { &rule.description };
    line("description", quoted(description));
    line("keywords", list(parts.begin.words.iter()));
    if parts.begin.ignore_case {
        line("ignore_case", "true".to_owned());
    }
    if let Some((over, most)) = &parts.back {
        line("back", format!("{{ over = {}, bytes_max = {most} }}", quoted(over)));
    }
    // The pattern says itself what may stand before it.
    line("not_before", quoted(""));
    if let Some(lead) = &parts.lead {
        line("lead", quoted(lead));
    }
    line("value", quoted(&parts.value));
    if let Some(over) = &parts.rest {
        line("rest", format!("{{ over = {} }}", quoted(over)));
    }
    line("not_after", quoted(&parts.not_after));
    if let Some(after) = &parts.after {
        line("after", quoted(after));
    }
    if let Some(bits) = rule.entropy.filter(|bits| *bits > 0.0) {
        line("checks", list([format!("entropy {bits}")].iter()));
    }
    if !stopwords.is_empty() {
        line("no_value", list(stopwords.iter()));
    }
    text
}

fn list<'a>(all: impl Iterator<Item = &'a String>) -> String {
    let all: Vec<_> = all.map(|one| quoted(one)).collect();
    format!("[{}]", all.join(", "))
}

/// A string of TOML: JSON's escapes are its own, but for one control character.
fn quoted(text: &str) -> String {
    let text = text.replace('\u{7f}', " ");
    serde_json::to_string(&text).unwrap_or_default()
}
