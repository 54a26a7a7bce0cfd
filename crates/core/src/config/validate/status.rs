//! `[status]`: what is public.

use std::collections::BTreeSet;

use super::{Fault, Step, fault, upstream};
use crate::config::schema::Config;
use crate::config::status::{
    STATUS_COMPONENTS_MAX, STATUS_DESCRIPTION_CHARS_MAX, STATUS_NAME_CHARS_MAX,
    STATUS_RETENTION_DAYS_MAX, STATUS_RETENTION_DAYS_MIN, STATUS_WEBHOOK_NETWORKS_MAX,
};

/// Names that the page gives to what every door has.
const OWN_NAMES: [&str; 3] = ["API", "Chat", "Sign-in"];

/// What the status page shows.
pub(super) fn status(config: &Config) -> Result<(), Fault> {
    let status = &config.status;
    shown(&status.name, STATUS_NAME_CHARS_MAX, || ["status".into(), "name".into()].into())?;
    if let Some(url) = &status.url {
        upstream::server_url(url, || ["status".into(), "url".into()].into())
            .map_err(|fault| Fault { hint: None, ..fault })?;
    }
    if status.slow_ms < 100 {
        return Err(fault(["status".into(), "slow_ms".into()], "at least 100"));
    }
    let days = STATUS_RETENTION_DAYS_MIN..=STATUS_RETENTION_DAYS_MAX;
    if !days.contains(&status.retention_days) {
        return Err(fault(
            ["status".into(), "retention_days".into()],
            format!("between {} and {}", days.start(), days.end()),
        ));
    }
    if status.bundle_dir.as_ref().is_some_and(|dir| dir.as_os_str().is_empty()) {
        return Err(fault(["status".into(), "bundle_dir".into()], "not the path of a directory"));
    }
    if status.webhook_networks.len() > STATUS_WEBHOOK_NETWORKS_MAX {
        return Err(fault(
            ["status".into(), "webhook_networks".into()],
            format!("at most {STATUS_WEBHOOK_NETWORKS_MAX}"),
        ));
    }
    if status.subscribe && !has_origin(config) {
        return Err(fault(
            ["status".into(), "subscribe".into()],
            "nobody knows where its links lead",
        )
        .hint("set listen.public_name"));
    }
    components(config)
}

/// Whether links to the public listener can be written into letters.
fn has_origin(config: &Config) -> bool {
    let listen = &config.listen;
    let is_local = listen.public.ip().is_loopback() && listen.behind_proxy.is_empty();
    listen.public_name.is_some() || is_local
}

fn components(config: &Config) -> Result<(), Fault> {
    let listed = &config.status.component;
    if listed.len() > STATUS_COMPONENTS_MAX {
        return Err(fault(
            ["status".into(), "component".into()],
            format!("at most {STATUS_COMPONENTS_MAX}"),
        ));
    }
    let (mut names, mut upstreams) = (BTreeSet::from(OWN_NAMES), BTreeSet::new());
    for (at, component) in listed.iter().enumerate() {
        let path = |key: &str| -> Vec<Step> {
            vec!["status".into(), "component".into(), at.into(), key.into()]
        };
        let refused = |key: &str, message: String| Fault { path: path(key), message, hint: None };
        shown(&component.name, STATUS_NAME_CHARS_MAX, || path("name"))?;
        if !names.insert(component.name.as_str()) {
            return Err(refused("name", format!("two components are named `{}`", component.name)));
        }
        if !config.upstream.iter().any(|upstream| upstream.name == component.upstream) {
            return Err(refused("upstream", format!("`{}` is no upstream", component.upstream)));
        }
        if !upstreams.insert(component.upstream.as_str()) {
            return Err(refused("upstream", format!("`{}` is listed twice", component.upstream)));
        }
        if let Some(description) = &component.description {
            shown(description, STATUS_DESCRIPTION_CHARS_MAX, || path("description"))?;
        }
    }
    Ok(())
}

/// A text that the page shows.
fn shown(text: &str, chars_max: usize, path: impl Fn() -> Vec<Step>) -> Result<(), Fault> {
    let chars = text.chars().count();
    if chars == 0 || chars > chars_max || text.chars().any(char::is_control) {
        let message = format!("1 to {chars_max} letters on one line");
        return Err(Fault { path: path(), message, hint: None });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    const UP: &str = "[[upstream]]\nname=\"a\"\nurl=\"http://x/v1\"\nmodels=[\"m\"]\n";

    fn check(text: &str, expected: &str) {
        let shown = parse("t.toml", &format!("{UP}{text}")).err().map(|e| e.to_string());
        let shown = shown.unwrap_or_default();
        assert!(
            shown.contains(expected) && shown.is_empty() == expected.is_empty(),
            "{text}\n-> {shown}"
        );
    }

    #[test]
    fn what_is_public_is_named_once_and_on_purpose() {
        let long = "n".repeat(60);
        let component = |upstream: &str, name: &str| {
            format!("[[status.component]]\nupstream=\"{upstream}\"\nname=\"{name}\"\n")
        };
        check(&component("a", &long), "");
        check(&component("a", &format!("{long}n")), "1 to 60 letters");
        check(&component("a", ""), "1 to 60 letters");
        check(&component("b", "Model"), "`b` is no upstream");
        check(&component("a", "API"), "two components are named `API`");
        check(&(component("a", "M") + &component("a", "N")), "listed twice");
        check("[status]\nretention_days=89", "between 90 and 180");
        check("[status]\nretention_days=90", "");
        check("[status]\nretention_days=181", "between 90 and 180");
        check("[status]\nslow_ms=99", "at least 100");
        check("[status]\nurl=\"status.example.org\"", "not an http://");
        check("[status]\nbundle_dir=\"\"", "not the path of a directory");
    }
}
