//! `[data]`, `[[passport]]` and `[[rule]]`: what cannot be meant.

use std::collections::BTreeSet;

use super::{Fault, Step, fault};
use crate::config::data::{Bar, Data, Passport, Redact, Residency, Rule, Statement, Status};
use crate::config::schema::Config;
use crate::data::ClassSet;

/// The operator's own words, in characters.
pub(super) const WORDS_CHARS_MAX: usize = 500;
/// A region's code, in characters.
pub(super) const REGION_CHARS_MAX: usize = 32;
/// A rule's name, in characters.
const RULE_ID_CHARS_MAX: usize = 64;
/// What the door writes where it knows no region: no region may be called so.
const UNKNOWN: &str = "unknown";

/// All that is said of data.
pub(super) fn data(config: &Config) -> Result<(), Fault> {
    own(&config.data)?;
    let mut models = BTreeSet::new();
    for (at, passport) in config.passport.iter().enumerate() {
        self::passport(at, passport)?;
        if !models.insert(passport.model.as_str()) {
            return Err(fault(
                ["passport".into(), at.into(), "model".into()],
                format!("two passports are for `{}`", passport.model),
            ));
        }
    }
    let mut ids = BTreeSet::new();
    for (at, rule) in config.rule.iter().enumerate() {
        let id = rule.id();
        let id_at = || -> [Step; 3] { ["rule".into(), at.into(), "id".into()] };
        if id.is_empty() || id.len() > RULE_ID_CHARS_MAX || !id.bytes().all(is_plain) {
            return Err(fault(id_at(), "an id has 1 to 64 letters, digits, `-`, `_` or `.`"));
        }
        if !ids.insert(id) {
            return Err(fault(id_at(), format!("two rules are called `{id}`")));
        }
        match rule {
            Rule::Residency(rule) => residency(config, at, rule)?,
            Rule::Availability(rule) => super::availability::availability(config, at, rule)?,
            Rule::Bar(rule) => bar(config, at, rule)?,
            Rule::Redact(rule) => redact(config, at, rule)?,
        }
    }
    Ok(())
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn own(data: &Data) -> Result<(), Fault> {
    let path = |key: &str| -> [Step; 2] { ["data".into(), key.into()] };
    for (key, text) in [
        ("controller", &data.controller),
        ("contact", &data.contact),
        ("legal_basis", &data.legal_basis),
        ("retention", &data.retention),
    ] {
        said(text.as_deref(), || path(key).into())?;
    }
    for (nth, purpose) in data.purposes.iter().enumerate() {
        said(Some(purpose), || vec!["data".into(), "purposes".into(), nth.into()])?;
    }
    data.region.as_ref().map_or(Ok(()), |code| region(code, || path("region").into()))
}

fn passport(at: usize, passport: &Passport) -> Result<(), Fault> {
    said(Some(&passport.model), || vec!["passport".into(), at.into(), "model".into()])?;
    passport.statements().into_iter().try_for_each(|(name, statement)| {
        self::statement(statement, || vec!["passport".into(), at.into(), name.into()])
    })
}

fn statement(statement: &Statement, path: impl Fn() -> Vec<Step>) -> Result<(), Fault> {
    let below = |key: &str| {
        let mut path = path();
        path.push(key.into());
        path
    };
    for (key, text) in [("value", &statement.value), ("source", &statement.source)] {
        said(text.as_deref(), || below(key))?;
    }
    if let Some(day) = &statement.date {
        date(day, || below("date"))?;
    }
    let complete =
        statement.value.is_some() && statement.source.is_some() && statement.date.is_some();
    match (statement.status, statement.value.is_some()) {
        (Status::Unknown, true) => Err(Fault {
            path: below("value"),
            message: "a statement that is there is not unknown".to_owned(),
            hint: Some("add status = \"claimed\", or \"verified\" if you checked it".to_owned()),
        }),
        (Status::Verified | Status::Claimed, _) if !complete => Err(Fault {
            path: path(),
            message: format!("`{}` of what, read where and when?", statement.status.as_str()),
            hint: Some("add value, source and date, or leave the statement out".to_owned()),
        }),
        _ => Ok(()),
    }
}

fn residency(config: &Config, at: usize, rule: &Residency) -> Result<(), Fault> {
    let path = |key: &str| -> [Step; 3] { ["rule".into(), at.into(), key.into()] };
    if rule.regions.is_empty() {
        return Err(fault(path("regions"), "no request that the rule holds for could go anywhere")
            .hint("name the regions where such requests may go: regions = [\"eu\"]"));
    }
    for (nth, code) in rule.regions.iter().enumerate() {
        region(code, || vec!["rule".into(), at.into(), "regions".into(), nth.into()])?;
    }
    looked_for(config, at, rule.classes)
}

fn bar(config: &Config, at: usize, rule: &Bar) -> Result<(), Fault> {
    if rule.upstreams.is_empty() {
        let path: [Step; 3] = ["rule".into(), at.into(), "upstreams".into()];
        return Err(fault(path, "the rule keeps requests from nowhere")
            .hint("name the upstreams that such requests may not go to"));
    }
    named(config, at, &rule.upstreams)?;
    looked_for(config, at, rule.classes)
}

fn redact(config: &Config, at: usize, rule: &Redact) -> Result<(), Fault> {
    named(config, at, &rule.upstreams)?;
    if config.data.classify {
        return Ok(());
    }
    let path: [Step; 3] = ["rule".into(), at.into(), "kind".into()];
    Err(fault(path, "nothing looks for what is to be taken out").hint("set data.classify = true"))
}

/// Upstreams that a rule names are there.
fn named(config: &Config, at: usize, upstreams: &[String]) -> Result<(), Fault> {
    for (nth, name) in upstreams.iter().enumerate() {
        if !config.upstream.iter().any(|upstream| upstream.name == *name) {
            let path: [Step; 4] = ["rule".into(), at.into(), "upstreams".into(), nth.into()];
            return Err(fault(path, format!("there is no upstream `{name}`")));
        }
    }
    Ok(())
}

/// Classes can only be found where somebody looks for them.
fn looked_for(config: &Config, at: usize, classes: ClassSet) -> Result<(), Fault> {
    if classes.is_empty() || config.data.classify {
        return Ok(());
    }
    let path: [Step; 3] = ["rule".into(), at.into(), "classes".into()];
    Err(fault(path, "nothing looks for classes of data")
        .hint("set data.classify = true, or leave `classes` out"))
}

/// Words that a person wrote: some, not endless, on one line.
pub(super) fn said(text: Option<&str>, path: impl Fn() -> Vec<Step>) -> Result<(), Fault> {
    let Some(text) = text else { return Ok(()) };
    let message = if text.trim().is_empty() {
        "it is empty: leave it out instead".to_owned()
    } else if text.chars().count() > WORDS_CHARS_MAX {
        format!("it is longer than {WORDS_CHARS_MAX} characters")
    } else if text.chars().any(char::is_control) {
        "it holds control characters or line ends".to_owned()
    } else {
        return Ok(());
    };
    Err(Fault { path: path(), message, hint: None })
}

/// A region's code.
pub(super) fn region(code: &str, path: impl Fn() -> Vec<Step>) -> Result<(), Fault> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = !code.is_empty() && code.len() <= REGION_CHARS_MAX && code.bytes().all(plain);
    let (message, hint) = match (fits, code == UNKNOWN) {
        (true, false) => return Ok(()),
        (true, true) => ("a region that is not known is not declared", "leave it out"),
        (false, _) => (
            "a region is a short code of 1 to 32 small letters, digits and `-`",
            "for example \"eu\", \"us\", \"cn\", \"de\" or \"local\"",
        ),
    };
    Err(Fault { path: path(), message: message.to_owned(), hint: Some(hint.to_owned()) })
}

/// A day.
pub(super) fn date(text: &str, path: impl Fn() -> Vec<Step>) -> Result<(), Fault> {
    let is_day = text.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == text);
    if is_day {
        return Ok(());
    }
    Err(Fault { path: path(), message: "a date is written YYYY-MM-DD".to_owned(), hint: None })
}

#[cfg(test)]
mod tests {
    use super::super::super::parse;
    use super::*;

    fn shown(text: &str) -> String {
        parse("t.toml", text).map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    }

    const UP: &str = "[[upstream]]\nname=\"a\"\nurl=\"http://127.0.0.1:1/v1\"\n";
    const RULE: &str = "[[rule]]\nid=\"r\"\nkind=\"residency\"\n";

    #[test]
    fn what_is_said_of_data_can_be_said() {
        let whole = format!(
            "{UP}provider=\"P\"\nlegal_entity=\"P GmbH\"\nregion=\"eu\"\nretention_days=30\n\
             trains_on_data=\"no\"\nterms_source=\"https://p.example/terms\"\nterms_date=\"2026-11-01\"\n\
             [data]\nclassify=true\ncontroller=\"C AG\"\ncontact=\"privacy@c.example\"\n\
             purposes=[\"answers\",\"security\"]\nlegal_basis=\"contract\"\nretention=\"backups: 30 days\"\nregion=\"de\"\n\
             [[passport]]\nmodel=\"m-*\"\nmaker={{ value=\"M\", status=\"verified\", source=\"s\", date=\"2026-11-01\" }}\n\
             [passport.training_data]\nstatus=\"unknown\"\n\
             {RULE}state=\"shadow\"\nclasses=[\"secret\",\"card\"]\ngroups=[\"clinic\"]\nregions=[\"eu\",\"local\"]\n"
        );
        assert_eq!(shown(&whole), "");
        let config = parse("t.toml", &whole).unwrap();
        let Rule::Residency(rule) = &config.rule[0] else { panic!("{:?}", config.rule) };
        assert_eq!((rule.classes.to_string(), rule.groups.len()), ("secret, card".into(), 1));
        assert_eq!(config.passport[0].weights, Statement::default());
        assert!(parse("t.toml", "").unwrap().data.classify);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        let long = "x".repeat(WORDS_CHARS_MAX + 1);
        let cases = [
            (format!("{UP}region=\"EU\""), "a short code", "region=\"EU\""),
            (format!("{UP}region=\"unknown\""), "is not declared", "region="),
            (format!("{UP}region=\"\""), "a short code", "region="),
            (format!("{UP}provider=\" \""), "leave it out", "provider="),
            (format!("{UP}provider=\"{long}\""), "longer than 500", "provider="),
            (format!("{UP}legal_entity=\"a\\nb\""), "line ends", "legal_entity="),
            (format!("{UP}trains_on_data=\"maybe\""), "unknown variant `maybe`", "trains_on_data="),
            (format!("{UP}retention_days=-1"), "u32", "retention_days="),
            (format!("{UP}terms_source=\"x\""), "when were these read", "terms_source="),
            (format!("{UP}terms_date=\"2026-11-01\""), "nothing was read", "terms_date="),
            (
                format!("{UP}terms_source=\"x\"\nterms_date=\"1.11.26\""),
                "YYYY-MM-DD",
                "terms_date=",
            ),
            ("[data]\nregion=\"E U\"".to_owned(), "a short code", "region="),
            ("[data]\npurposes=[\"a\", \"\"]".to_owned(), "leave it out", "purposes="),
            ("[data]\nclassify=3".to_owned(), "boolean", "classify="),
            ("[[passport]]\nmodel=\"m\"\nmaker={value=\"M\"}".to_owned(), "not unknown", "maker="),
            (
                "[[passport]]\nmodel=\"m\"\nmaker={status=\"verified\",value=\"M\"}".to_owned(),
                "read where and when",
                "maker=",
            ),
            (
                "[[passport]]\nmodel=\"m\"\n[[passport]]\nmodel=\"m\"".to_owned(),
                "two passports",
                "model=",
            ),
            (format!("{RULE}regions=[]"), "could go anywhere", "regions="),
            (format!("{RULE}regions=[\"eu\",\"E\"]"), "a short code", "regions="),
            (format!("{RULE}regions=[\"eu\"]\n{RULE}regions=[\"eu\"]"), "two rules", "id="),
            (
                "[[rule]]\nid=\"a b\"\nkind=\"residency\"\nregions=[\"eu\"]".to_owned(),
                "1 to 64 letters",
                "id=",
            ),
            (
                format!("[data]\nclassify=false\n{RULE}classes=[\"card\"]\nregions=[\"eu\"]"),
                "nothing looks for",
                "classes=",
            ),
        ];
        for (text, expected, line) in cases {
            let shown = shown(&text);
            assert!(shown.contains(expected), "{text}\n-> {shown}");
            assert!(shown.contains(&format!("| {line}")), "{text}\n-> {shown}");
        }
    }

    #[test]
    fn a_rule_is_of_a_kind_that_there_is_and_has_no_other_keys() {
        for (text, expected) in [
            ("[[rule]]\nid=\"r\"\nregions=[\"eu\"]".to_owned(), "missing field `kind`"),
            ("[[rule]]\nid=\"r\"\nkind=\"wish\"".to_owned(), "unknown variant `wish`"),
            (format!("{RULE}region=[\"eu\"]"), "unknown field `region`"),
            (format!("{RULE}classes=[\"name\"]\nregions=[\"eu\"]"), "unknown variant `name`"),
            (RULE.to_owned(), "missing field `regions`"),
        ] {
            let shown = shown(&text);
            assert!(shown.contains(expected), "{text}\n-> {shown}");
        }
    }

    #[test]
    fn words_and_codes_hold_at_their_limit() {
        let at = |region: usize, words: usize| {
            shown(&format!(
                "{UP}region=\"{}\"\nprovider=\"{}\"",
                "x".repeat(region),
                "ü".repeat(words)
            ))
        };
        assert_eq!(at(REGION_CHARS_MAX, WORDS_CHARS_MAX), "");
        assert!(at(REGION_CHARS_MAX + 1, 1).contains("a short code"));
        assert!(at(1, WORDS_CHARS_MAX + 1).contains("longer than"));
    }
}
