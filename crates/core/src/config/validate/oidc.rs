//! `[[accounts.oidc]]` and `[mail]`: what cannot be meant.

use std::collections::HashSet;

use super::{Fault, Step, fault};
use crate::config::mail::{Mail, MailSecurity};
use crate::config::oidc::OidcProvider;
use crate::principal::Class;

/// Bytes of a provider's name.
const NAME_BYTES_MAX: usize = 32;

pub(super) fn providers(providers: &[OidcProvider]) -> Result<(), Fault> {
    let mut names = HashSet::new();
    for (at, provider) in providers.iter().enumerate() {
        let path =
            |key: &str| -> [Step; 4] { ["accounts".into(), "oidc".into(), at.into(), key.into()] };
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let name = provider.name.as_str();
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_word) {
            return Err(fault(path("name"), "lower-case letters, digits and dashes, at most 32"));
        }
        if !names.insert(name) {
            return Err(fault(path("name"), format!("there are two providers {name:?}")));
        }
        if !is_guarded(&provider.issuer) {
            return Err(fault(path("issuer"), "an https address")
                .hint("http is possible for a provider on this machine only"));
        }
        if provider.client_id.is_empty() {
            return Err(fault(path("client_id"), "empty"));
        }
        if provider.grant.iter().any(|grant| grant.class == Some(Class::Anonymous)) {
            return Err(fault(path("grant"), "nobody who signed in is anonymous"));
        }
        if provider.grant.iter().any(|grant| grant.of.is_empty()) {
            return Err(fault(path("grant"), "`of` is empty").hint("`*` is everybody"));
        }
    }
    Ok(())
}

pub(super) fn mail(mail: &Mail) -> Result<(), Fault> {
    let path = |key: &str| -> [Step; 2] { ["mail".into(), key.into()] };
    if mail.host.is_empty() {
        return Err(fault(path("host"), "empty"));
    }
    if mail.user.is_some() != mail.password.is_some() {
        return Err(fault(path("user"), "`user` and `password` belong together"));
    }
    if mail.security == MailSecurity::None && !is_this_machine(&mail.host) {
        return Err(fault(path("security"), "letters with codes would travel in clear")
            .hint("`none` is possible for a server on this machine only"));
    }
    Ok(())
}

/// Whether nobody on the way can read what goes to `address`.
fn is_guarded(address: &str) -> bool {
    let host = |rest: &str| rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    if let Some(rest) = address.strip_prefix("https://") {
        return !host(rest).is_empty();
    }
    let Some(rest) = address.strip_prefix("http://") else { return false };
    let host = host(rest);
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.split(':').next().unwrap_or_default(),
    };
    is_this_machine(host)
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    fn is_fine(text: &str) -> bool {
        parse("t.toml", text).is_ok()
    }

    #[test]
    fn a_provider_has_a_name_of_its_own_and_an_address_that_is_guarded() {
        let provider = |name: &str, issuer: &str, rest: &str| {
            format!(
                "[[accounts.oidc]]\nname = {name:?}\nissuer = {issuer:?}\nclient_id = \"c\"\n{rest}\n"
            )
        };
        let https = "https://id.example.org";
        let long = "n".repeat(32);
        for (text, fine) in [
            (provider("google", "https://accounts.google.com", ""), true),
            (provider("a-1", "http://localhost:9000/realms/x", ""), true),
            (provider("a", "http://[::1]:9000", ""), true),
            (provider("a", "http://127.0.0.1", ""), true),
            (provider("a", "http://id.example.org", ""), false),
            (provider("a", "http://localhost.example.org", ""), false),
            (provider("a", "https://", ""), false),
            (provider("a", "id.example.org", ""), false),
            (provider("", https, ""), false),
            (provider("A b", https, ""), false),
            (provider(&long, https, ""), true),
            (provider(&format!("{long}n"), https, ""), false),
            (provider("a", https, "") + &provider("b", https, ""), true),
            (provider("a", https, "") + &provider("a", https, ""), false),
            (provider("a", https, "client_secret = \"in clear\""), false),
            (provider("a", https, "[[accounts.oidc.grant]]\nof = \"*\"\nrole = \"admin\""), true),
            (provider("a", https, "[[accounts.oidc.grant]]\nof = \"*\"\nrole = \"king\""), false),
            (provider("a", https, "[[accounts.oidc.grant]]\nof = \"\""), false),
            (
                provider("a", https, "[[accounts.oidc.grant]]\nof = \"*\"\nclass = \"anonymous\""),
                false,
            ),
        ] {
            assert_eq!(is_fine(&text), fine, "{text}");
        }
    }

    #[test]
    fn mail_travels_in_clear_on_this_machine_only() {
        let mail = |rest: &str| format!("[mail]\nfrom = \"a@example.org\"\n{rest}");
        for (rest, fine) in [
            ("host = \"smtp.example.org\"", true),
            ("host = \"smtp.example.org\"\nsecurity = \"tls\"\nport = 465", true),
            ("host = \"smtp.example.org\"\nsecurity = \"none\"", false),
            ("host = \"localhost\"\nsecurity = \"none\"", true),
            ("host = \"::1\"\nsecurity = \"none\"", true),
            ("host = \"\"", false),
            ("host = \"h\"\nuser = \"u\"", false),
            ("host = \"h\"\nuser = \"u\"\npassword = { env = \"MAIL_PASSWORD\" }", true),
            ("host = \"h\"\nuser = \"u\"\npassword = \"in clear\"", false),
        ] {
            assert_eq!(is_fine(&mail(rest)), fine, "{rest}");
        }
    }
}
