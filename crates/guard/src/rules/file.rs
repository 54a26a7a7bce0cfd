//! The form of a rule file: TOML with one table for each rule. `docs/redaction.md`
//! describes it for those who write one.

use serde::Deserialize;
use surgewall_core::data::DataClass;
use toml::Spanned;

use super::error::Wrong;
use super::{
    BACK_BYTES_MAX, ByteSet, Check, FILE_BYTES_MAX, KEYWORD_BYTES_MAX, Pattern, Rest, Rule,
    RulesError, Start, Words,
};

/// Keywords, context words, checks and examples of one rule, at most of each.
const ITEMS_MAX: usize = 256;
/// Characters of an id, at most.
pub(super) const ID_CHARS_MAX: usize = 48;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Spanned<String>,
    class: DataClass,
    description: String,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    digits: bool,
    #[serde(default)]
    ignore_case: bool,
    back: Option<Back>,
    not_before: Option<String>,
    not_after: Option<String>,
    after: Option<String>,
    lead: Option<String>,
    value: String,
    rest: Option<RestEntry>,
    #[serde(default)]
    context: Vec<String>,
    #[serde(default)]
    no_context: Vec<String>,
    #[serde(default)]
    no_value: Vec<String>,
    #[serde(default)]
    checks: Vec<String>,
    #[serde(default)]
    priority: u8,
    #[serde(default)]
    matches: Vec<String>,
    #[serde(default)]
    rejects: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Back {
    over: String,
    bytes_max: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestEntry {
    until: Option<String>,
    over: String,
}

/// Reads one file.
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Rule>, RulesError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(RulesError::TooLong { file: file.to_owned(), bytes: text.len() });
    }
    let parsed: File = toml::from_str(text).map_err(|error| RulesError::Form {
        file: file.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    })?;
    parsed.rule.into_iter().map(|entry| rule(file, text, entry)).collect()
}

fn rule(file: &str, text: &str, entry: Entry) -> Result<Rule, RulesError> {
    let id = entry.id.clone();
    read(entry).map_err(|Wrong { field, message }| RulesError::Field {
        file: file.to_owned(),
        line: text.bytes().take(id.span().start).filter(|byte| *byte == b'\n').count() + 1,
        id: id.into_inner(),
        field,
        message,
    })
}

fn read(entry: Entry) -> Result<Rule, Wrong> {
    check_id(entry.id.get_ref())?;
    for (field, list) in [
        ("keywords", &entry.keywords),
        ("context", &entry.context),
        ("no_context", &entry.no_context),
        ("no_value", &entry.no_value),
        ("checks", &entry.checks),
        ("matches", &entry.matches),
        ("rejects", &entry.rejects),
    ] {
        if list.len() > ITEMS_MAX {
            return Err(Wrong::new(field, format!("more than {ITEMS_MAX}")));
        }
    }
    let start = start(entry.keywords, entry.digits)?;
    let lead = entry.lead.map(|text| Pattern::new("lead", &text)).transpose()?;
    let value = Pattern::new("value", &entry.value)?;
    let checks = entry
        .checks
        .iter()
        .map(|text| text.parse().map_err(|message: String| Wrong::new("checks", message)))
        .collect::<Result<Vec<Check>, Wrong>>()?;
    let not_after = match (&entry.not_after, &entry.rest, &entry.after) {
        (Some(class), ..) => optional_set("not_after", class)?,
        (None, None, None) => ByteSet::words(),
        _ => ByteSet::EMPTY,
    };
    let not_before = match &entry.not_before {
        Some(class) => optional_set("not_before", class)?,
        None => ByteSet::words(),
    };
    Ok(Rule {
        id: entry.id.into_inner().into(),
        class: entry.class,
        description: entry.description,
        start,
        is_case_sensitive: !entry.ignore_case,
        back: entry.back.as_ref().map(back).transpose()?,
        not_before,
        not_after,
        after: entry.after.map(|class| set("after", &class)).transpose()?,
        lead,
        value,
        rest: entry.rest.map(rest).transpose()?,
        context: Words::new("context", &entry.context)?,
        no_context: Words::new("no_context", &entry.no_context)?,
        no_value: Words::new("no_value", &entry.no_value)?,
        checks,
        priority: entry.priority,
        matches: entry.matches,
        rejects: entry.rejects,
    })
}

fn check_id(id: &str) -> Result<(), Wrong> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > ID_CHARS_MAX || !id.chars().all(is_plain) {
        let message = format!("1 to {ID_CHARS_MAX} lower-case letters, digits and dashes");
        return Err(Wrong::new("id", message));
    }
    Ok(())
}

fn start(keywords: Vec<String>, digits: bool) -> Result<Start, Wrong> {
    if digits != keywords.is_empty() {
        return Err(Wrong::new("keywords", "a rule has either keywords or `digits = true`"));
    }
    if digits {
        return Ok(Start::Digits);
    }
    let is_visible = |word: &&String| {
        !word.is_empty()
            && word.len() <= KEYWORD_BYTES_MAX
            && word.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match keywords.iter().find(|word| !is_visible(word)) {
        Some(word) => Err(Wrong::keyword(word)),
        None => Ok(Start::Keywords(keywords)),
    }
}

fn set(field: &'static str, class: &str) -> Result<ByteSet, Wrong> {
    let message = || format!("`{class}` is no class of characters such as [A-Za-z0-9_]");
    ByteSet::parse(class).ok_or_else(|| Wrong::new(field, message()))
}

/// As [`set`]; no class at all is the empty set.
fn optional_set(field: &'static str, class: &str) -> Result<ByteSet, Wrong> {
    if class.is_empty() { Ok(ByteSet::EMPTY) } else { set(field, class) }
}

fn back(entry: &Back) -> Result<(ByteSet, usize), Wrong> {
    let over = set("back", &entry.over)?;
    // A match has to begin in the same word as its keyword: a stream holds back whole words.
    if (0..=b' ').chain(0x7f..=0xff).any(|byte| over.contains(byte)) {
        return Err(Wrong::new("back", "only visible ASCII characters can stand before a keyword"));
    }
    if entry.bytes_max == 0 || entry.bytes_max > BACK_BYTES_MAX {
        return Err(Wrong::new("back", format!("`bytes_max` is 1 to {BACK_BYTES_MAX}")));
    }
    Ok((over, entry.bytes_max))
}

fn rest(entry: RestEntry) -> Result<Rest, Wrong> {
    if entry.until.as_ref().is_some_and(|mark| mark.is_empty() || mark.len() > KEYWORD_BYTES_MAX) {
        let message = format!("`until` has 1 to {KEYWORD_BYTES_MAX} characters");
        return Err(Wrong::new("rest", message));
    }
    Ok(Rest { until: entry.until, while_in: set("rest", &entry.over)? })
}
