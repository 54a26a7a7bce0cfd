//! `[notify]`: whom the door tells.

use super::{Fault, Step, fault, upstream};
use crate::config::notify::{NOTIFY_EMAILS_MAX, WEBHOOKS_MAX};
use crate::config::schema::Config;

/// Whom the door tells.
pub(super) fn notify(config: &Config) -> Result<(), Fault> {
    let notify = &config.notify;
    if !notify.email.is_empty() && config.mail.is_none() {
        return Err(fault(["notify".into(), "email".into()], "there is no mail server")
            .hint("add a section [mail]"));
    }
    for (key, count, most) in [
        ("webhook", notify.webhook.len(), WEBHOOKS_MAX),
        ("email", notify.email.len(), NOTIFY_EMAILS_MAX),
    ] {
        if count > most {
            return Err(fault(["notify".into(), key.into()], format!("at most {most}")));
        }
    }
    for (at, webhook) in notify.webhook.iter().enumerate() {
        let path =
            || -> Vec<Step> { vec!["notify".into(), "webhook".into(), at.into(), "url".into()] };
        upstream::server_url(&webhook.url, path).map_err(|fault| Fault { hint: None, ..fault })?;
        in_private(&webhook.url, path)?;
    }
    for (at, address) in notify.email.iter().enumerate() {
        let parts = address
            .split_once('@')
            .filter(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'));
        if parts.is_none() || address.len() > 254 || address.contains(char::is_whitespace) {
            return Err(fault(
                ["notify".into(), "email".into(), at.into()],
                "not an e-mail address",
            ));
        }
    }
    Ok(())
}

/// Holds an address to TLS, but on this machine.
pub(super) fn in_private(url: &str, path: impl Fn() -> Vec<Step>) -> Result<(), Fault> {
    if url.strip_prefix("http://").is_some_and(|rest| !is_loopback(rest)) {
        let message = "what is told would travel in clear: use https://".to_owned();
        return Err(Fault { path: path(), message, hint: None });
    }
    Ok(())
}

fn is_loopback(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or("");
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    const MAIL: &str = "[mail]\nhost=\"mail.example.org\"\nfrom=\"door@example.org\"\n";

    fn check(text: &str, expected: &str) {
        let shown = parse("t.toml", &format!("{MAIL}{text}")).err().map(|e| e.to_string());
        let shown = shown.unwrap_or_default();
        let fits = shown.contains(expected) && shown.is_empty() == expected.is_empty();
        assert!(fits, "{text}\n-> {shown}");
    }

    #[test]
    fn e_mail_needs_a_mail_server() {
        let alone = parse("t.toml", "[notify]\nemail=[\"ops@example.org\"]");
        assert!(alone.unwrap_err().to_string().contains("no mail server"));
    }

    #[test]
    fn whom_the_door_tells_is_told_in_private() {
        let webhook =
            |url: &str| format!("[[notify.webhook]]\nurl=\"{url}\"\nsecret={{env=\"HOOK\"}}\n");
        check(&webhook("https://hooks.example.org/a"), "");
        check(&webhook("http://127.0.0.1:9/a"), "");
        check(&webhook("http://[::1]:9"), "");
        check(&webhook("http://hooks.example.org/a"), "in clear");
        check(&webhook("http://127.0.0.1.example.org/a"), "in clear");
        check(&webhook("hooks.example.org"), "not an http://");
        check(&webhook("http://127.0.0.1:9").repeat(8), "");
        check(&webhook("http://127.0.0.1:9").repeat(9), "at most 8");
        check("[notify]\nemail=[\"ops@example.org\"]", "");
        for bad in ["ops", "@a.b", "a@b", "a@b@c.d", "a b@c.d"] {
            check(&format!("[notify]\nemail=[\"{bad}\"]"), "not an e-mail address");
        }
    }
}
