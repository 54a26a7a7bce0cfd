//! `/.well-known/security.txt` (RFC 9116): how to reach the operator about
//! security, from the configuration alone.

use std::fmt::Write as _;

use surgewall_core::config::Config;

use crate::pages::links::public_origin;

/// Where it is.
pub const PATH: &str = "/.well-known/security.txt";

/// The file; `None` where the configuration names no contact.
#[must_use]
pub fn text(config: &Config) -> Option<String> {
    let section = &config.disclosure;
    let expires = section.expires.as_ref().filter(|_| !section.contact.is_empty())?;
    // An address that is not encrypted must not stand there.
    let origin = public_origin(&config.listen).filter(|origin| origin.starts_with("https://"));
    let form = origin.iter().filter(|_| section.intake).map(|origin| format!("{origin}/report"));
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}: {value}");
    };
    section.contact.iter().for_each(|contact| line("Contact", contact));
    form.for_each(|form| line("Contact", &form));
    line("Expires", &format!("{expires}T00:00:00Z"));
    if !section.languages.is_empty() {
        line("Preferred-Languages", &section.languages.join(", "));
    }
    if let Some(origin) = &origin {
        line("Canonical", &format!("{origin}{PATH}"));
    }
    if let Some(policy) = &section.policy {
        line("Policy", policy);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use surgewall_core::config::parse;

    fn check(text: &str, expected: Option<&str>) {
        let config = parse("t.toml", text).unwrap();
        assert_eq!(super::text(&config).as_deref(), expected, "{text}");
    }

    #[test]
    fn it_says_what_is_configured_and_nothing_else() {
        let least = "[disclosure]\ncontact=[\"mailto:s@example.org\"]\nexpires=\"2027-06-01\"\n";
        check("", None);
        check("[disclosure]\nexpires=\"2027-06-01\"\n", None);
        // On plain loopback there is no address that may stand in it.
        check(least, Some("Contact: mailto:s@example.org\nExpires: 2027-06-01T00:00:00Z\n"));
        let whole = "[listen]\npublic_name=\"ai.example.org\"\nbehind_proxy=[\"192.0.2.0/24\"]\n\
             [disclosure]\ncontact=[\"mailto:s@example.org\",\"tel:+49301\"]\nexpires=\"2027-06-01\"\n\
             languages=[\"en\",\"zh\"]\npolicy=\"https://example.org/policy\"\n";
        let said = "Contact: mailto:s@example.org\nContact: tel:+49301\n\
             Contact: https://ai.example.org/report\nExpires: 2027-06-01T00:00:00Z\n\
             Preferred-Languages: en, zh\nCanonical: https://ai.example.org/.well-known/security.txt\n\
             Policy: https://example.org/policy\n";
        check(whole, Some(said));
        let without = said.replace("Contact: https://ai.example.org/report\n", "");
        check(&format!("{whole}intake=false\n"), Some(&without));
    }
}
