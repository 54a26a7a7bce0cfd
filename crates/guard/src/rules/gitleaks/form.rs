//! The form of gitleaks' configuration, as far as it concerns texts.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::rules::{FILE_BYTES_MAX, RulesError};

/// Fields that change nothing here: a rule's keywords only make their search quick.
const WITHOUT_EFFECT: &[&str] = &["title", "description", "minVersion", "keywords", "tags"];

/// A file.
#[derive(Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    /// The older form has one.
    pub(super) allowlist: Option<Allow>,
    #[serde(default)]
    pub(super) allowlists: Vec<Allow>,
    pub(super) extend: Option<toml::Value>,
    #[serde(flatten)]
    rest: BTreeMap<String, toml::Value>,
}

/// One rule.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub(super) id: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) regex: Option<String>,
    #[serde(default)]
    pub(super) secret_group: usize,
    pub(super) entropy: Option<f64>,
    path: Option<String>,
    #[serde(default)]
    pub(super) allowlists: Vec<Allow>,
    pub(super) allowlist: Option<Allow>,
    #[serde(default)]
    skip_report: bool,
    required: Option<toml::Value>,
    #[serde(flatten)]
    rest: BTreeMap<String, toml::Value>,
}

/// What is let through.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Allow {
    #[serde(default)]
    pub(super) regexes: Vec<String>,
    #[serde(default)]
    pub(super) paths: Vec<String>,
    #[serde(default)]
    pub(super) commits: Vec<String>,
    #[serde(default)]
    pub(super) stopwords: Vec<String>,
    #[serde(default)]
    condition: String,
    /// Of the whole file: only for these rules.
    #[serde(default)]
    target_rules: Vec<String>,
}

pub(super) fn parse(name: &str, text: &str) -> Result<Config, RulesError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(RulesError::TooLong { file: name.to_owned(), bytes: text.len() });
    }
    toml::from_str(text).map_err(|error| RulesError::Form {
        file: name.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    })
}

impl Config {
    /// Fields that are not known.
    pub(super) fn unknown(&self) -> impl Iterator<Item = String> {
        unknown(&self.rest)
    }

    /// The file's own allowlists that hold for this rule.
    pub(super) fn allowed<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Allow> {
        let is_for = move |allow: &&Allow| {
            allow.target_rules.is_empty() || allow.target_rules.iter().any(|rule| rule == id)
        };
        self.allowlists.iter().chain(&self.allowlist).filter(is_for)
    }
}

impl Rule {
    /// Why it cannot be taken over whatever its pattern is.
    pub(super) fn refused(&self) -> Result<(), String> {
        let why = if self.path.is_some() {
            "it holds for some paths only, and a text has none"
        } else if self.skip_report {
            "it reports nothing by itself"
        } else if self.required.is_some() {
            "it needs another rule beside it"
        } else {
            return Ok(());
        };
        Err(why.to_owned())
    }

    /// Fields that are not known.
    pub(super) fn unknown(&self) -> impl Iterator<Item = String> {
        unknown(&self.rest)
    }
}

fn unknown(rest: &BTreeMap<String, toml::Value>) -> impl Iterator<Item = String> {
    let rest = rest.keys().filter(|name| !WITHOUT_EFFECT.contains(&name.as_str()));
    rest.map(|name| format!("`{name}` is not known here"))
}

impl Allow {
    /// Whether all of it must hold together.
    pub(super) fn is_and(&self) -> bool {
        self.condition.eq_ignore_ascii_case("and") || self.condition == "&&"
    }
}
