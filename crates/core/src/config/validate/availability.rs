//! `[[rule]]` of the kind `availability`: what cannot be meant.

use super::data::said;
use super::{Fault, Step, fault};
use crate::config::availability::Availability;
use crate::config::limits::RuleState;
use crate::config::schema::Config;

/// Files in `data.region_files`.
const FILES_MAX: usize = 16;

/// One rule of the kind `availability`.
pub(super) fn availability(config: &Config, at: usize, rule: &Availability) -> Result<(), Fault> {
    let path = |key: &str| -> [Step; 3] { ["rule".into(), at.into(), key.into()] };
    if rule.only_in.is_empty() == rule.not_in.is_empty() {
        return Err(fault(path("id"), "a rule of availability has either only_in or not_in")
            .hint("only_in = [\"de\", \"fr\"] offers the service there only, not_in = [\"it\"] everywhere else"));
    }
    for (key, list) in [("only_in", &rule.only_in), ("not_in", &rule.not_in)] {
        for (nth, code) in list.iter().enumerate() {
            country(code, || vec!["rule".into(), at.into(), key.into(), nth.into()])?;
        }
    }
    if rule.applies.is_empty() {
        return Err(fault(path("applies"), "it applies to nobody")
            .hint("leave it out for strangers and new accounts, or set state = \"off\""));
    }
    said(rule.reason.as_deref(), || path("reason").into())?;
    if config.data.region_files.len() > FILES_MAX {
        return Err(fault(
            ["data".into(), "region_files".into()],
            format!("more than {FILES_MAX} files"),
        ));
    }
    if rule.state != RuleState::Off && config.data.region_files.is_empty() {
        return Err(fault(path("id"), "nothing says in which region an address is")
            .hint("name the registries' delegated files in data.region_files"));
    }
    Ok(())
}

/// A country's code, as the registries' files have it, in small letters.
pub(super) fn country(code: &str, path: impl Fn() -> Vec<Step>) -> Result<(), Fault> {
    if code.len() == 2 && code.bytes().all(|b| b.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(Fault {
        path: path(),
        message: "a country is two small letters, as ISO 3166 has them".to_owned(),
        hint: Some("for example \"de\", \"us\" or \"cn\"".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::parse;

    fn shown(text: &str) -> String {
        parse("t.toml", text).map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let files = "[data]\nregion_files=[\"a\"]\n";
        let rule = "[[rule]]\nid=\"r\"\nkind=\"availability\"\n";
        for (text, said) in [
            (format!("{files}{rule}"), "either only_in or not_in"),
            (format!("{files}{rule}only_in=[\"de\"]\nnot_in=[\"it\"]"), "either only_in or not_in"),
            (format!("{files}{rule}only_in=[\"DE\"]"), "two small letters"),
            (format!("{files}{rule}not_in=[\"it\",\"eur\"]"), "two small letters"),
            (format!("{files}{rule}not_in=[\"it\"]\napplies=[]"), "applies to nobody"),
            (format!("{files}{rule}not_in=[\"it\"]\napplies=[\"all\"]"), "unknown variant `all`"),
            (format!("{files}{rule}not_in=[\"it\"]\nreason=\" \""), "it is empty"),
            (format!("{files}{rule}not_in=[\"it\"]\nregions=[\"it\"]"), "unknown field `regions`"),
            (format!("{rule}not_in=[\"it\"]"), "nothing says in which region"),
        ] {
            assert!(shown(&text).contains(said), "{text}\n-> {}", shown(&text));
        }
        for text in [
            format!("{files}{rule}not_in=[\"it\"]\napplies=[\"accounts\"]\nunknown=\"refuse\""),
            format!("{rule}not_in=[\"it\"]\nstate=\"off\""),
        ] {
            assert_eq!(shown(&text), "", "{text}");
        }
    }

    #[test]
    fn files_have_their_bound() {
        let rule = "[[rule]]\nid=\"r\"\nkind=\"availability\"\nnot_in=[\"it\"]\n";
        let files =
            |count| format!("[data]\nregion_files=[{}]\n{rule}", vec!["\"a\""; count].join(","));
        assert_eq!(shown(&files(16)), "");
        assert!(shown(&files(17)).contains("more than 16 files"));
    }
}
