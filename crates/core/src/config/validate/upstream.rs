//! `[[upstream]]`: addresses, names, bounds, and what is declared.

use std::collections::BTreeSet;

use super::data::{date, region, said};
use super::{Fault, Step, fault};
use crate::config::schema::Upstream;

/// Every upstream, and the names between them.
pub(super) fn upstreams(upstreams: &[Upstream]) -> Result<(), Fault> {
    let mut names = BTreeSet::new();
    for (at, upstream) in upstreams.iter().enumerate() {
        let name_at = || ["upstream".into(), at.into(), "name".into()];
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if upstream.name.is_empty() || upstream.name.len() > 64 || !upstream.name.bytes().all(plain)
        {
            return Err(fault(name_at(), "a name has 1 to 64 letters, digits, `-`, `_` or `.`"));
        }
        if upstream.name == "handbook" {
            return Err(fault(name_at(), "`handbook` is the built-in model's own upstream"));
        }
        if !names.insert(upstream.name.as_str()) {
            return Err(fault(name_at(), format!("two upstreams are named `{}`", upstream.name)));
        }
        servers(at, upstream)?;
        bounds(at, upstream)?;
        declared(at, upstream)?;
    }
    for (at, upstream) in upstreams.iter().enumerate() {
        for (nth, other) in upstream.fallback.iter().enumerate() {
            if !names.contains(other.as_str()) || *other == upstream.name {
                return Err(fault(
                    ["upstream".into(), at.into(), "fallback".into(), nth.into()],
                    format!("`{other}` is no other upstream"),
                ));
            }
        }
    }
    Ok(())
}

fn servers(at: usize, upstream: &Upstream) -> Result<(), Fault> {
    match (&upstream.url, upstream.servers.is_empty()) {
        (Some(url), true) => {
            server_url(url, || ["upstream".into(), at.into(), "url".into()].into())
        }
        (None, false) => upstream.servers.iter().enumerate().try_for_each(|(nth, server)| {
            let path = |key: &str| -> Vec<Step> {
                vec!["upstream".into(), at.into(), "servers".into(), nth.into(), key.into()]
            };
            if server.weight == 0 {
                let message = "a weight is at least 1; remove the server instead".to_owned();
                return Err(Fault { path: path("weight"), message, hint: None });
            }
            server_url(&server.url, || path("url"))
        }),
        (Some(_), false) => Err(fault(
            ["upstream".into(), at.into(), "servers".into()],
            "an upstream has either `url` or `servers`, not both",
        )),
        (None, true) => Err(fault(
            ["upstream".into(), at.into()],
            format!("upstream `{}` has no server", upstream.name),
        )
        .hint("add url = \"http://127.0.0.1:9000/v1\"")),
    }
}

/// A server's base address.
pub(super) fn server_url(url: &str, path: impl Fn() -> Vec<Step>) -> Result<(), Fault> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let host = rest.map_or("", |rest| rest.split('/').next().unwrap_or(""));
    let fault = |message: &str, hint: Option<&str>| Fault {
        path: path(),
        message: message.to_owned(),
        hint: hint.map(str::to_owned),
    };
    if host.is_empty() || url.contains([' ', '?', '#']) {
        return Err(fault("not an http:// or https:// address without a query", None));
    }
    if host.contains('@') {
        let hint = "use api_key = { env = \"...\" } or { file = \"...\" }";
        return Err(fault("a credential in an address ends up in logs", Some(hint)));
    }
    Ok(())
}

fn bounds(at: usize, upstream: &Upstream) -> Result<(), Fault> {
    let positive = [
        ("weight", u64::from(upstream.weight)),
        ("connect_timeout_ms", upstream.connect_timeout_ms),
        ("first_token_timeout_s", upstream.first_token_timeout_s),
        ("idle_gap_timeout_s", upstream.idle_gap_timeout_s),
        ("total_timeout_s", upstream.total_timeout_s),
        ("output_tokens_max", upstream.output_tokens_max.unwrap_or(1)),
        ("sequences_max", upstream.sequences_max.map_or(1, u64::from)),
    ];
    match positive.into_iter().find(|(_, value)| *value == 0) {
        Some((key, _)) => {
            Err(fault(["upstream".into(), at.into(), key.into()], format!("`{key}` is at least 1")))
        }
        None => Ok(()),
    }
}

/// What the operator declares of the place and the terms.
fn declared(at: usize, upstream: &Upstream) -> Result<(), Fault> {
    let path = |key: &str| -> [Step; 3] { ["upstream".into(), at.into(), key.into()] };
    for (key, text) in [
        ("provider", &upstream.provider),
        ("legal_entity", &upstream.legal_entity),
        ("terms_source", &upstream.terms_source),
    ] {
        said(text.as_deref(), || path(key).into())?;
    }
    if let Some(code) = &upstream.region {
        region(code, || path("region").into())?;
    }
    if let Some(day) = &upstream.terms_date {
        date(day, || path("terms_date").into())?;
    }
    match (&upstream.terms_source, &upstream.terms_date) {
        (Some(_), None) => Err(fault(path("terms_source"), "terms change: when were these read?")
            .hint("add terms_date = \"YYYY-MM-DD\"")),
        (None, Some(_)) => Err(fault(path("terms_date"), "the day on which nothing was read")
            .hint("add terms_source: the address of the terms, or the contract's name")),
        _ => Ok(()),
    }
}
