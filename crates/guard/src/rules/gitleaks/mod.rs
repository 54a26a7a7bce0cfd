//! Rules of gitleaks in the form of our own rule files: what can be taken over is,
//! and what cannot is said, rule by rule.
//!
//! Their patterns are searched for everywhere; ours begin at a word (or a little
//! before it), and no match has more bytes than a bound. So a pattern is taken
//! apart: what stands before the secret leads to it, the secret is the value, and
//! what must follow becomes a set of bytes.

mod form;
mod parts;
mod shape;
#[cfg(test)]
mod tests;
mod words;
mod write;

use std::collections::BTreeSet;

use form::{Allow, Config};
use parts::Parts;

use super::{RuleSet, RulesError};

/// Rules that were taken over, and what was not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Converted {
    /// A rule file of our own form.
    pub toml: String,
    /// How many rules are in it.
    pub rules: usize,
    /// Rules that are not in it, each with the reason.
    pub left: Vec<Left>,
    /// What else is not as it was.
    pub notes: Vec<Left>,
}

/// What was not taken over as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// The rule's id in gitleaks' file; nothing where it is about the whole file.
    pub id: String,
    /// Why, in words.
    pub why: String,
}

/// Takes over the rules of a gitleaks configuration in TOML.
///
/// # Errors
/// It is longer than a rule file may be, or no such configuration.
pub fn convert(name: &str, text: &str) -> Result<Converted, RulesError> {
    let config = form::parse(name, text)?;
    let mut converted =
        Converted { toml: write::head(name), rules: 0, left: Vec::new(), notes: Vec::new() };
    of_file(&config, &mut converted.notes);
    let mut ids = BTreeSet::new();
    for rule in &config.rules {
        let left = |why: String| Left { id: rule.id.clone(), why };
        match taken(&config, rule, &ids) {
            Ok((id, toml, notes)) => {
                ids.insert(id);
                converted.toml.push_str(&toml);
                converted.rules += 1;
                converted.notes.extend(notes.into_iter().map(left));
            }
            Err(why) => converted.left.push(left(why)),
        }
    }
    Ok(converted)
}

/// One rule in our form, with its id and what is not as it was.
fn taken(
    config: &Config,
    rule: &form::Rule,
    ids: &BTreeSet<String>,
) -> Result<(String, String, Vec<String>), String> {
    rule.refused()?;
    let regex = rule.regex.as_deref().ok_or("it has no regex: a path alone is none of a text's")?;
    let mut parts = Parts::of(regex, rule.secret_group)?;
    let mut notes = std::mem::take(&mut parts.notes);
    let mut stopwords = BTreeSet::new();
    for allow in rule.allowlists.iter().chain(&rule.allowlist).chain(config.allowed(&rule.id)) {
        allowed(allow, &mut stopwords, &mut notes);
    }
    notes.dedup();
    notes.extend(rule.unknown());
    let id = write::id(&rule.id, ids)?;
    let toml = write::rule(&id, rule, &parts, &stopwords);
    // Our own reader has the last word.
    let read = RuleSet::parse(&[("gitleaks", &toml)]).and_then(|rules| rules.prepare());
    read.map_err(|error| error.to_string())?;
    Ok((id, toml, notes))
}

/// What an allowlist lets through: words in the secret are taken over, nothing else.
fn allowed(allow: &Allow, stopwords: &mut BTreeSet<String>, notes: &mut Vec<String>) {
    let has_places = !allow.paths.is_empty() || !allow.commits.is_empty();
    if allow.is_and() && (has_places || !allow.regexes.is_empty()) {
        notes.push("an allowlist with condition AND is not taken over: more is found".to_owned());
        return;
    }
    stopwords.extend(allow.stopwords.iter().filter(|word| !word.is_empty()).cloned());
    if !allow.regexes.is_empty() {
        notes.push("an allowlist's regexes are not taken over: more is found".to_owned());
    }
}

/// What the whole file asks for and no rule can.
fn of_file(config: &Config, notes: &mut Vec<Left>) {
    let mut note = |why: &str| notes.push(Left { id: String::new(), why: why.to_owned() });
    if config.extend.is_some() {
        note("[extend] is not followed: give that file too");
    }
    let has_places = |allow: &Allow| !allow.paths.is_empty() || !allow.commits.is_empty();
    if config.allowlists.iter().chain(&config.allowlist).any(has_places) {
        note("an allowlist of the file names paths or commits, which a text has not");
    }
    for unknown in config.unknown() {
        note(&unknown);
    }
}
