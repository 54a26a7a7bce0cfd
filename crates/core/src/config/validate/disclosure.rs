//! `[disclosure]`: how strangers reach the operator.

use super::data::date;
use super::{Fault, Step, fault};
use crate::config::disclosure::{CONTACTS_MAX, Disclosure, GITHUB_KEYS_MAX, LANGUAGES_MAX};
use crate::config::schema::Config;

/// Characters of an address, a language or the name of a key.
const ADDRESS_CHARS_MAX: usize = 300;
const LANGUAGE_CHARS_MAX: usize = 35;
const KEY_ID_CHARS_MAX: usize = 128;

/// All that is said of it.
pub(super) fn disclosure(config: &Config) -> Result<(), Fault> {
    let section = &config.disclosure;
    for (key, count, most) in [
        ("contact", section.contact.len(), CONTACTS_MAX),
        ("languages", section.languages.len(), LANGUAGES_MAX),
        ("github_key", section.github_key.len(), GITHUB_KEYS_MAX),
    ] {
        if count > most {
            return Err(fault(["disclosure".into(), key.into()], format!("at most {most}")));
        }
    }
    for (at, contact) in section.contact.iter().enumerate() {
        if !is_address(contact, &["mailto:", "tel:", "https://"]) {
            let path = ["disclosure".into(), "contact".into(), at.into()];
            return Err(fault(path, "not a mailto:, tel: or https:// address"));
        }
    }
    if section.policy.as_ref().is_some_and(|policy| !is_address(policy, &["https://"])) {
        return Err(fault(["disclosure".into(), "policy".into()], "not an https:// address"));
    }
    expiry(section)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    for (at, tag) in section.languages.iter().enumerate() {
        if tag.is_empty() || tag.len() > LANGUAGE_CHARS_MAX || !tag.bytes().all(plain) {
            let path = ["disclosure".into(), "languages".into(), at.into()];
            return Err(fault(path, "not a language such as `en` or `zh-Hans`"));
        }
    }
    keys(section)
}

/// RFC 9116 wants a day from which on the file is not to be believed any more.
fn expiry(section: &Disclosure) -> Result<(), Fault> {
    match &section.expires {
        Some(day) => date(day, || vec!["disclosure".into(), "expires".into()]),
        None if section.contact.is_empty() => Ok(()),
        None => Err(fault(
            ["disclosure".into(), "contact".into()],
            "security.txt needs a day until which it holds",
        )
        .hint("add expires = \"YYYY-MM-DD\", within a year, and look at it again by then")),
    }
}

fn keys(section: &Disclosure) -> Result<(), Fault> {
    for (at, key) in section.github_key.iter().enumerate() {
        let path = |name: &str| -> [Step; 4] {
            ["disclosure".into(), "github_key".into(), at.into(), name.into()]
        };
        let plain = key.id.bytes().all(|b| b.is_ascii_alphanumeric());
        if key.id.is_empty() || key.id.len() > KEY_ID_CHARS_MAX || !plain {
            return Err(fault(path("id"), "not a key_identifier: letters and digits"));
        }
        if section.github_key[..at].iter().any(|other| other.id == key.id) {
            return Err(fault(path("id"), "two keys have this name"));
        }
    }
    Ok(())
}

fn is_address(text: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| !rest.is_empty())
        && text.len() <= ADDRESS_CHARS_MAX
        && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn check(text: &str, expected: &str) {
        let shown = parse("t.toml", &format!("[disclosure]\n{text}")).err();
        let shown = shown.map(|error| error.to_string()).unwrap_or_default();
        let fits = shown.contains(expected) && shown.is_empty() == expected.is_empty();
        assert!(fits, "{text}\n-> {shown}");
    }

    #[test]
    fn whoever_can_be_reached_says_until_when() {
        let until = "expires=\"2027-06-01\"\n";
        check("", "");
        check("contact=[\"mailto:security@example.org\"]", "a day until which it holds");
        check(&format!("{until}contact=[\"mailto:security@example.org\"]"), "");
        check(&format!("{until}contact=[\"tel:+4930123\",\"https://example.org/s\"]"), "");
        check("expires=\"2027-06-31\"", "YYYY-MM-DD");
        let url = |chars: usize| {
            format!("{until}contact=[\"https://{}\"]", "a".repeat(chars - "https://".len()))
        };
        check(&url(ADDRESS_CHARS_MAX), "");
        check(&url(ADDRESS_CHARS_MAX + 1), "not a mailto:");
        for bad in ["security@example.org", "http://example.org", "mailto:", "mailto:a b@c.d"] {
            check(&format!("{until}contact=[\"{bad}\"]"), "not a mailto:");
        }
        check(&format!("{until}contact=[\"mailto:a@b.c\\nPolicy: x\"]"), "not a mailto:");
        let many = |count| format!("{until}contact=[{}]", "\"mailto:a@b.c\",".repeat(count));
        check(&many(CONTACTS_MAX), "");
        check(&many(CONTACTS_MAX + 1), "at most 8");
    }

    #[test]
    fn the_rest_can_be_meant() {
        check("languages=[\"en\",\"zh-Hans\"]\npolicy=\"https://example.org/p\"", "");
        check("languages=[\"e n\"]", "not a language");
        check("languages=[\"\"]", "not a language");
        check(&format!("languages=[{}]", "\"en\",".repeat(LANGUAGES_MAX + 1)), "at most 16");
        check("policy=\"http://example.org\"", "not an https://");
        check("found_keys=\"report\"\nintake=false", "");
        let key = |id: &str| format!("[[disclosure.github_key]]\nid=\"{id}\"\npem=\"x\"\n");
        check(&key("90a4"), "");
        check(&(key("90a4") + &key("90a4")), "two keys");
        check(&key("90-a4"), "not a key_identifier");
        check(&key(""), "not a key_identifier");
        check(&key(&"a".repeat(KEY_ID_CHARS_MAX)), "");
        check(&key(&"a".repeat(KEY_ID_CHARS_MAX + 1)), "not a key_identifier");
        let many = |count: usize| (0..count).map(|n| key(&format!("k{n}"))).collect::<String>();
        check(&many(GITHUB_KEYS_MAX), "");
        check(&many(GITHUB_KEYS_MAX + 1), "at most 16");
    }
}
