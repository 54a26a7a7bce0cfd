//! What no type can hold: values that parse and still cannot be meant.

mod accounts;
mod availability;
mod data;
mod disclosure;
mod gate;
mod notify;
mod oidc;
mod status;
mod upstream;

use std::path::Path;

use super::admission::Classes;
use super::limits::QuotaRule;
use super::schema::{Config, Listen, Price, Telemetry, Vault};
use super::witness::Witness;
use crate::money::Money;
use crate::principal::{Class, matches_model};
use crate::quota::{LimitSpec, Meter};

/// Words of `vault.key_command`, at most.
const KEY_COMMAND_WORDS_MAX: usize = 64;

/// One step from the root of a configuration to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A key of a table.
    Key(String),
    /// An element of an array.
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}
impl From<usize> for Step {
    fn from(at: usize) -> Self {
        Self::Index(at)
    }
}

/// What is wrong, and where.
#[derive(Debug)]
pub struct Fault {
    /// The value's path from the root.
    pub path: Vec<Step>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

fn fault<const N: usize>(path: [Step; N], message: impl Into<String>) -> Fault {
    Fault { path: path.into(), message: message.into(), hint: None }
}

impl Fault {
    fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }
}

/// Holds `config` against every rule that its types cannot express.
///
/// # Errors
/// The first rule that does not hold.
pub fn validate(config: &Config) -> Result<(), Fault> {
    listen(&config.listen)?;
    upstream::upstreams(&config.upstream)?;
    data::data(config)?;
    accounts::accounts(&config.accounts)?;
    gate::gate(config)?;
    oidc::providers(&config.accounts.oidc)?;
    config.mail.as_ref().map_or(Ok(()), oidc::mail)?;
    admission(config)?;
    prices(config)?;
    if config.limits.bodies_bytes_max < config.limits.body_bytes_max.max(1 << 10) {
        return Err(fault(
            ["limits".into(), "bodies_bytes_max".into()],
            "less than one body: no request could ever be read",
        ));
    }
    for (at, rule) in config.limits.quota.iter().enumerate() {
        quota(config, at, rule)?;
    }
    telemetry(&config.telemetry)?;
    witness(config.ledger.witness.as_ref())?;
    vault(&config.vault)?;
    disclosure::disclosure(config)?;
    status::status(config)?;
    notify::notify(config)?;
    Ok(())
}

/// Where the ledger's checkpoints go to be countersigned.
fn witness(witness: Option<&Witness>) -> Result<(), Fault> {
    let Some(witness) = witness else { return Ok(()) };
    let path = || -> Vec<Step> { vec!["ledger".into(), "witness".into(), "url".into()] };
    upstream::server_url(&witness.url, path).map_err(|fault| Fault { hint: None, ..fault })?;
    notify::in_private(&witness.url, path)
}

fn vault(vault: &Vault) -> Result<(), Fault> {
    let least = [
        ("record_retention_days", u64::from(vault.record_retention_days), 1),
        ("record_bytes_max", vault.record_bytes_max, 16 << 20),
        ("record_waiting_bytes_max", vault.record_waiting_bytes_max, 16 << 20),
    ];
    for (key, value, least) in least {
        if value < least {
            return Err(fault(["vault".into(), key.into()], format!("at least {least}")));
        }
    }
    key_command(vault)
}

/// One source of the master key, and a program that is the same wherever it is run.
fn key_command(vault: &Vault) -> Result<(), Fault> {
    let wrong = |why: String| Err(fault(["vault".into(), "key_command".into()], why));
    match vault.key_command.first() {
        None => Ok(()),
        Some(_) if vault.key_file.is_some() => wrong("there is a key_file too".to_owned()),
        Some(program) if !Path::new(program).is_absolute() => {
            wrong("its first word is no absolute path of a program".to_owned())
        }
        Some(_) if vault.key_command.len() > KEY_COMMAND_WORDS_MAX => {
            wrong(format!("more than {KEY_COMMAND_WORDS_MAX} words"))
        }
        Some(_) => Ok(()),
    }
}

fn admission(config: &Config) -> Result<(), Fault> {
    shares(&config.classes)?;
    if !(0.0..=0.5).contains(&config.admission.headroom_share) {
        return Err(fault(
            ["admission".into(), "headroom_share".into()],
            "the headroom is between 0 and 0.5 of the capacity",
        ));
    }
    let bounds = [
        ("bytes_max", config.queue.bytes_max),
        ("comment_after_ms", config.queue.comment_after_ms),
    ];
    for ((key, value), least) in bounds.into_iter().zip([1 << 20, 100]) {
        if value < least {
            return Err(fault(["queue".into(), key.into()], format!("at least {least}")));
        }
    }
    Ok(())
}

fn shares(classes: &Classes) -> Result<(), Fault> {
    let mut sum = 0.0;
    for class in Class::ALL {
        let share = classes.of(class).share;
        if !(0.01..=1.0).contains(&share) {
            return Err(fault(
                ["classes".into(), class.as_str().into(), "share".into()],
                "a share is between 0.01 and 1: no class may be starved",
            ));
        }
        sum += share;
    }
    if sum > 1.000_001 {
        return Err(fault(
            ["classes".into()],
            format!("the shares promise {sum:.2} of the capacity"),
        )
        .hint("together they may be at most 1: a share that is not kept is no promise"));
    }
    Ok(())
}

fn listen(listen: &Listen) -> Result<(), Fault> {
    let tls_or_proxy = listen.tls.is_some() || !listen.behind_proxy.is_empty();
    if !listen.public.ip().is_loopback() && !tls_or_proxy {
        return Err(fault(
            ["listen".into(), "public".into()],
            format!("{} can be reached from other machines, and nothing would protect the keys on the way", listen.public),
        )
        .hint("set listen.tls = { cert_file, key_file }, or listen.behind_proxy = [networks] if a proxy before the door ends TLS"));
    }
    for (key, address) in [("admin", listen.admin), ("status", listen.status)] {
        if !address.ip().is_loopback() && listen.behind_proxy.is_empty() {
            return Err(fault(
                ["listen".into(), key.into()],
                format!("the {key} listener has no TLS of its own, and {address} can be reached from other machines"),
            )
            .hint("keep it on 127.0.0.1, or set listen.behind_proxy = [networks] of the proxy that ends TLS before it"));
        }
    }
    let admin_exposed = !listen.admin.ip().is_loopback() || !listen.behind_proxy.is_empty();
    if admin_exposed
        && listen.admin.port() != 0
        && listen.metrics_token.is_none()
        && !listen.admin.ip().is_loopback()
    {
        return Err(fault(
            ["listen".into(), "admin".into()],
            "metrics would be open to other machines",
        )
        .hint("set listen.metrics_token = { file = \"...\" }"));
    }
    Ok(())
}

fn telemetry(telemetry: &Telemetry) -> Result<(), Fault> {
    if let Some(endpoint) = &telemetry.otlp_endpoint {
        // Another hint than an upstream's: the collector is not given any credential.
        upstream::server_url(endpoint, || ["telemetry".into(), "otlp_endpoint".into()].into())
            .map_err(|fault| Fault { hint: None, ..fault })?;
    }
    if !(0.0..=1.0).contains(&telemetry.sample_ratio) {
        return Err(fault(
            ["telemetry".into(), "sample_ratio".into()],
            "the share of requests that are traced is between 0 and 1",
        ));
    }
    if telemetry.ocsf_file.as_ref().is_some_and(|file| file.file_name().is_none()) {
        return Err(fault(["telemetry".into(), "ocsf_file".into()], "not the path of a file")
            .hint("name a file outside the data directory, or leave it out: then no events are written"));
    }
    Ok(())
}

fn prices(config: &Config) -> Result<(), Fault> {
    let mut currency: Option<&str> = None;
    for (model, price) in &config.prices {
        let at = |key: &str| ["prices".into(), model.as_str().into(), key.into()];
        amounts(price, at)?;
        if price.date.parse::<jiff::civil::Date>().is_err() {
            return Err(fault(at("date"), "a date is written YYYY-MM-DD"));
        }
        if *currency.get_or_insert(&price.currency) != price.currency {
            return Err(fault(at("currency"), "all prices are in one currency").hint(
                "the door does not convert: write every price in the currency that you budget in",
            ));
        }
    }
    Ok(())
}

fn amounts(price: &Price, at: impl Fn(&str) -> [Step; 3]) -> Result<(), Fault> {
    let cached = price.cached_input_per_million.as_ref();
    for (key, text) in [
        ("input_per_million", Some(&price.input_per_million)),
        ("output_per_million", Some(&price.output_per_million)),
        ("cached_input_per_million", cached),
    ] {
        if let Some(error) = text.and_then(|text| text.parse::<Money>().err()) {
            return Err(fault(at(key), error.to_string()));
        }
    }
    Ok(())
}

fn quota(config: &Config, at: usize, rule: &QuotaRule) -> Result<(), Fault> {
    let path = || ["limits".into(), "quota".into(), at.into(), "limit".into()];
    let limit: LimitSpec = rule.limit.parse().map_err(|error: crate::quota::LimitError| {
        fault(path(), format!("not a limit: {error}"))
    })?;
    unpriced(config, &limit).map_or(Ok(()), |model| {
        Err(fault(path(), format!("a money limit on `{model}`, which has no price"))
            .hint("add [prices.\"MODEL\"] with input_per_million, output_per_million, currency, source and date"))
    })
}

/// The first model that `limit` counts money for and that has no price. Models
/// that an upstream lists itself (`*`) are judged when they are asked for.
#[must_use]
pub fn unpriced(config: &Config, limit: &LimitSpec) -> Option<String> {
    if limit.meter != Meter::Money {
        return None;
    }
    let priced = |model: &str| config.prices.keys().any(|pattern| matches_model(pattern, model));
    let served = config.upstream.iter().flat_map(|upstream| &upstream.models);
    let counted = |model: &&String| {
        limit.model.as_deref().is_none_or(|pattern| matches_model(pattern, model))
    };
    let unpriced = served.filter(counted).find(|model| *model != "*" && !priced(model));
    match (unpriced, &limit.model) {
        (Some(model), _) => Some(model.clone()),
        (None, Some(pattern)) if !priced(pattern.trim_end_matches('*')) => Some(pattern.clone()),
        (None, None) if config.prices.is_empty() => Some("*".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn message(text: &str) -> String {
        parse("t.toml", text).map(|_| String::new()).unwrap_or_else(|error| error.message)
    }

    const UP: &str = "[[upstream]]\nname=\"a\"\nurl=\"http://127.0.0.1:1/v1\"\n";

    #[test]
    fn the_smallest_configuration_of_the_handbook_is_whole() {
        assert_eq!(message(""), "");
        assert_eq!(message(UP), "");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let cases = [
            ("[listen]\npublic=\"0.0.0.0:80\"".to_owned(), "can be reached from other machines"),
            ("[listen]\nadmin=\"0.0.0.0:80\"".to_owned(), "no TLS of its own"),
            ("[[upstream]]\nname=\"a\"".to_owned(), "has no server"),
            ("[[upstream]]\nname=\"a\"\nurl=\"http://k@x\"".to_owned(), "ends up in logs"),
            ("[[upstream]]\nname=\"handbook\"\nurl=\"http://x\"".to_owned(), "built-in"),
            (format!("{UP}{UP}"), "two upstreams"),
            (format!("{UP}fallback=[\"b\"]"), "no other upstream"),
            (format!("{UP}total_timeout_s=0"), "at least 1"),
            (format!("{UP}[[limits.quota]]\nper=\"key\"\nlimit=\"money=1/1d\""), "no price"),
            (format!("{UP}[[limits.quota]]\nper=\"key\"\nlimit=\"tokens=1\""), "not a limit"),
            ("[vault]\nrecord_retention_days=0".to_owned(), "at least 1"),
            ("[vault]\nkey_command=[\"kms\"]".to_owned(), "no absolute path"),
            ("[vault]\nkey_command=[\"/k\"]\nkey_file=\"k\"".to_owned(), "a key_file too"),
            (format!("[vault]\nkey_command=[\"/k\"{}]", ",\"w\"".repeat(64)), "more than 64"),
            ("[vault]\nrecord_bytes_max=16777215".to_owned(), "at least 16777216"),
            ("[vault]\nrecord_waiting_bytes_max=16777215".to_owned(), "at least 16777216"),
            ("[telemetry]\notlp_endpoint=\"collector:4318\"".to_owned(), "not an http://"),
            ("[telemetry]\notlp_endpoint=\"http://k@x\"".to_owned(), "ends up in logs"),
            ("[telemetry]\nsample_ratio=1.01".to_owned(), "between 0 and 1"),
            ("[telemetry]\nsample_ratio=nan".to_owned(), "between 0 and 1"),
            ("[telemetry]\nocsf_file=\"\"".to_owned(), "not the path of a file"),
            ("[telemetry]\nocsf_file=\"..\"".to_owned(), "not the path of a file"),
            ("[telemetry]\nsyslog=\"logs:514\"".to_owned(), "is written like"),
            ("[telemetry]\nsyslog=\"udp://logs\"".to_owned(), "is written like"),
            ("[telemetry]\nsyslog=\"tcp://:514\"".to_owned(), "is written like"),
            ("[telemetry]\nsyslog=\"tcp://logs:0\"".to_owned(), "is written like"),
            ("[telemetry]\nsyslog=\"tls://logs:6514\"".to_owned(), "is written like"),
            (
                "[limits]\nbody_bytes_max=5000\nbodies_bytes_max=4999".to_owned(),
                "less than one body",
            ),
        ];
        for (text, expected) in cases {
            let shown = message(&text);
            assert!(shown.contains(expected), "{text}\n-> {shown}");
        }
    }

    #[test]
    fn a_money_limit_with_a_price_is_fine() {
        let price = "[prices.\"*\"]\ninput_per_million=\"0.27\"\noutput_per_million=\"1.10\"\ncurrency=\"USD\"\nsource=\"price page\"\ndate=\"2026-11-01\"\n";
        let text = format!("{UP}{price}[[limits.quota]]\nper=\"key\"\nlimit=\"money=1/1d\"");
        assert_eq!(message(&text), "");
    }
}
