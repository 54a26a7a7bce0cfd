//! `surgewall check config`: what is reachable by whom, where prompts go, and
//! what is risky about it.

use serde::Serialize;
use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::config::Config;
use surgewall_core::config::schema::{Credential, Upstream};
use surgewall_core::finding::{Finding, Severity};
use surgewall_gateway::listen::tls::acceptor;
use surgewall_gateway::notify::Notify;
use surgewall_gateway::policy::Policy;
use surgewall_scan::reach::{Reach, who};

use super::{print, stored};
use crate::cli::check::Format;
use crate::fault::{Fault, Verdict};
use crate::place::{Loaded, Place};

/// Days before the end of `security.txt` from which on it is said.
const EXPIRES_SOON_DAYS: i64 = 30;
/// The longest that it should hold.
const YEAR_DAYS: i64 = 366;

/// What the check says.
#[derive(Serialize, Default, Debug)]
pub(super) struct Said {
    /// Sentences.
    pub(super) statements: Vec<String>,
    /// Findings.
    pub(super) findings: Vec<Finding>,
}

/// Checks the configuration.
///
/// # Errors
/// The configuration cannot be read or meant.
pub(super) async fn check(place: &Place, format: Format) -> Result<Verdict, Fault> {
    let said = read(place).await?;
    let text: String = said.statements.iter().map(|line| format!("{line}\n")).collect();
    print(format, &text, &said, &said.findings)
}

/// What there is to say about the configuration.
///
/// # Errors
/// As [`check`].
pub(super) async fn read(place: &Place) -> Result<Said, Fault> {
    let loaded = place.load()?;
    let mut said = say(&loaded);
    startable(&loaded, &mut said);
    stored::read(place, &loaded.config, &mut said).await;
    Ok(said)
}

/// What there is to say about a configuration by itself.
pub(super) fn say(loaded: &Loaded) -> Said {
    let mut said = Said::default();
    said.statements.push(match &loaded.file {
        Some(file) => format!("The configuration is {}.", file.display()),
        None => "There is no configuration: every key has its default.".to_owned(),
    });
    listeners(&loaded.config, &mut said);
    people(&loaded.config, &mut said);
    for upstream in &loaded.config.upstream {
        self::upstream(upstream, &mut said);
    }
    if loaded.config.upstream.is_empty() {
        said.statements
            .push("No upstream: prompts to the handbook never leave this process.".to_owned());
    }
    traces(&loaded.config, &mut said);
    events(&loaded.config, &mut said);
    disclosure(&loaded.config, Clock::System.now(), &mut said);
    said
}

fn listeners(config: &Config, said: &mut Said) {
    let listen = &config.listen;
    let scheme = if listen.tls.is_some() { "https" } else { "http" };
    let name = listen.public_name.as_ref().map_or(String::new(), |name| format!(", as {name}"));
    let without = match (config.accounts.anonymous, listen.public.ip().is_loopback()) {
        (true, _) => "the models of every upstream",
        (false, true) => "the handbook model",
        (false, false) => "no model",
    };
    said.statements.push(format!(
        "public  {scheme}://{}{name}: reachable by {}. Without a credential it answers {without}, /healthz, /readyz, \
         /openapi.json and a short page; with one, what the key's scopes allow.",
        listen.public,
        who(listen.public),
    ));
    let metrics = match (config.telemetry.metrics, &listen.metrics_token) {
        (false, _) => "nothing: telemetry.metrics is off",
        (true, Some(_)) if !plain_admin(config) => "/metrics to whoever has the metrics token",
        (true, None) if !plain_admin(config) => "nothing: /metrics wants a token, and none is set",
        (true, _) => "/metrics to everybody who can reach it; no names, no content",
    };
    said.statements.push(format!(
        "admin   http://{}: reachable by {}. It answers {metrics}.",
        listen.admin,
        who(listen.admin)
    ));
    said.statements.push(format!(
        "status  http://{}: reachable by {}. It answers whether the door takes requests, to everybody.",
        listen.status,
        who(listen.status)
    ));
    proxies(config, said);
}

/// Whether the admin listener is plain loopback.
fn plain_admin(config: &Config) -> bool {
    config.listen.admin.ip().is_loopback() && config.listen.behind_proxy.is_empty()
}

fn proxies(config: &Config, said: &mut Said) {
    let listen = &config.listen;
    if !listen.behind_proxy.is_empty() {
        let networks: Vec<_> = listen.behind_proxy.iter().map(ToString::to_string).collect();
        let networks = networks.join(", ");
        said.statements.push(format!(
            "proxies Callers' addresses are taken from x-forwarded-for where the peer is in {networks}."
        ));
    }
    for network in listen.behind_proxy.iter().filter(|network| network.prefix_len() == 0) {
        said.findings.push(
            Finding::new(Severity::Critical, "config.behind_proxy", "listen.behind_proxy")
                .evidence(format!(
                    "{network} is every address: any caller can claim to be any other."
                ))
                .advice("Name only the addresses of your own proxies."),
        );
    }
    if config.telemetry.metrics && !plain_admin(config) && listen.metrics_token.is_none() {
        said.findings.push(
            Finding::new(Severity::Warning, "config.metrics_token", "listen.metrics_token")
                .evidence("Behind a proxy /metrics answers only to a token, and none is set: nobody can read it.")
                .advice("Set listen.metrics_token = { file = \"...\" }, or telemetry.metrics = false."),
        );
    }
}

fn traces(config: &Config, said: &mut Said) {
    if let Some(endpoint) = &config.telemetry.otlp_endpoint {
        let share = config.telemetry.sample_ratio * 100.0;
        let place = Reach::of_url(endpoint).place();
        said.statements.push(format!(
            "traces go to {endpoint}, {place}: of {share} % of the requests, without content."
        ));
    }
}

/// Where decisions and findings go as events, and whether others can read them there.
fn events(config: &Config, said: &mut Said) {
    let telemetry = &config.telemetry;
    if let Some(file) = &telemetry.ocsf_file {
        said.statements.push(format!(
            "events  Decisions and findings are written to {}: who asked from which network, in clear, without content.",
            file.display()
        ));
    }
    let Some(syslog) = &telemetry.syslog else { return };
    let reach = Reach::of_url(&format!("syslog://{}", syslog.address));
    said.statements.push(format!(
        "events  Decisions and findings are sent to {}, {}, not encrypted: who asked from which network, without content.",
        syslog.address,
        reach.place()
    ));
    let severity = match reach {
        Reach::Loopback => return,
        Reach::Private => Severity::Warning,
        Reach::Any | Reach::Public | Reach::Name => Severity::Critical,
    };
    said.findings.push(
        Finding::new(severity, "config.syslog.plain", "telemetry.syslog")
            .evidence(format!(
                "Who asked, from which network and when crosses the network to {} in clear.",
                syslog.address
            ))
            .advice("Send it to a relay on this machine that encrypts, or use telemetry.ocsf_file with a shipper."),
    );
}

/// Whether what strangers are told of whom to write to still holds (RFC 9116, 2.5.5).
fn disclosure(config: &Config, now: Timestamp, said: &mut Said) {
    let section = &config.disclosure;
    let named = section.expires.as_deref().filter(|_| !section.contact.is_empty());
    let Some(expires) = named else { return };
    let Ok(left) = days_until(expires, now) else { return };
    said.statements.push(format!(
        "contact /.well-known/security.txt names {} to everybody, until {expires}.",
        section.contact.join(", ")
    ));
    let found = |severity, evidence: String| {
        Finding::new(severity, "config.security-txt", "disclosure.expires")
            .evidence(evidence)
            .advice("Look whether the contacts are still right, then set expires to a day within a year.")
    };
    if left <= 0 {
        let words = format!("security.txt is not to be believed since {expires}.");
        said.findings.push(found(Severity::Warning, words));
    } else if left <= EXPIRES_SOON_DAYS {
        said.findings.push(found(Severity::Note, format!("security.txt expires on {expires}.")));
    } else if left > YEAR_DAYS {
        let words = format!("security.txt holds until {expires}: more than a year.");
        said.findings.push(found(Severity::Note, words));
    }
}

/// Whole days from `now` until the day `expires` begins.
fn days_until(expires: &str, now: Timestamp) -> Result<i64, jiff::Error> {
    let at = expires.parse::<jiff::civil::Date>()?.to_zoned(jiff::tz::TimeZone::UTC)?;
    let day = i64::try_from(now.day()).unwrap_or(i64::MAX);
    Ok(at.timestamp().as_second().div_euclid(86_400).saturating_sub(day))
}

fn people(config: &Config, said: &mut Said) {
    if config.accounts.anonymous {
        let public = !config.listen.public.ip().is_loopback();
        let severity = if public { Severity::Critical } else { Severity::Warning };
        said.findings.push(
            Finding::new(severity, "config.anonymous", "accounts.anonymous")
                .evidence(format!(
                    "Callers without a key may use every upstream's models; the listener is reachable by {}.",
                    who(config.listen.public)
                ))
                .advice("Set accounts.anonymous = false and give out keys, or limit it with [[limits.quota]] per = \"network\"."),
        );
    }
    for issuer in &config.accounts.jwt {
        said.statements.push(format!(
            "tokens  Tokens of {} for {} are credentials; their accounts get the class {}.",
            issuer.issuer, issuer.audience, issuer.class
        ));
    }
    if config.limits.quota.is_empty() && !config.upstream.is_empty() {
        said.findings.push(
            Finding::new(Severity::Note, "config.quota", "limits.quota")
                .evidence("No quota is configured: a key without a limit of its own may use as much as the upstreams give.")
                .advice("Add [[limits.quota]] per = \"key\", limit = \"total_tokens=1000000/1d\"."),
        );
    }
}

fn upstream(upstream: &Upstream, said: &mut Said) {
    let urls = upstream.url.iter().chain(upstream.servers.iter().map(|server| &server.url));
    let credential = match &upstream.api_key {
        None => "without a credential".to_owned(),
        Some(Credential::Env(name)) => format!("with the credential in the variable {name}"),
        Some(Credential::File(path)) => format!("with the credential in {}", path.display()),
    };
    for url in urls {
        let reach = Reach::of_url(url);
        let encrypted = url.starts_with("https://");
        let wire = if encrypted { "encrypted (TLS)" } else { "not encrypted" };
        said.statements.push(format!(
            "prompts go to {url} ({}, `{}`), {}, {wire}, {credential}.",
            upstream.dialect.as_str(),
            upstream.name,
            reach.place()
        ));
        let subject = format!("upstream `{}`", upstream.name);
        if !encrypted && !matches!(reach, Reach::Loopback | Reach::Any) {
            let severity =
                if reach == Reach::Private { Severity::Warning } else { Severity::Critical };
            said.findings.push(
                Finding::new(severity, "config.upstream.plain", subject.clone())
                    .evidence(format!("Prompts, answers and the credential cross the network to {url} in clear."))
                    .advice("Use https://, with ca_file for an authority of your own, or an encrypted tunnel."),
            );
        }
        if upstream.api_key.is_none() && reach != Reach::Loopback {
            said.findings.push(
                Finding::new(Severity::Note, "config.upstream.open", subject)
                    .evidence(format!("{url} is asked without a credential: whoever reaches it can go around the door."))
                    .advice("Let the server ask for a key (api_key), or only this machine reach it."),
            );
        }
    }
}

/// What `serve` would refuse to start for.
fn startable(loaded: &Loaded, said: &mut Said) {
    let refused = |rule: &str, subject: &str, what: &dyn std::fmt::Display| {
        Finding::new(Severity::Critical, rule, subject)
            .evidence(format!("{what}."))
            .advice("`surgewall serve` refuses to start until this is repaired.")
    };
    if let Err(error) = Policy::new(loaded.config.clone(), &loaded.text, None, Clock::System.now())
    {
        said.findings.push(refused("config.refused", "configuration", &error));
    }
    if let Err(error) = Notify::new(&loaded.config.notify) {
        said.findings.push(refused("config.notify", "notify", &error));
    }
    if let Some(Err(error)) = loaded.config.listen.tls.as_ref().map(acceptor) {
        said.findings.push(refused("config.tls", "listen.tls", &error));
    }
}

#[cfg(test)]
mod tests {
    use surgewall_core::config::parse;

    use super::*;

    #[test]
    fn the_end_of_security_txt_is_said_before_it_comes() {
        // 2026-11-23T12:00:00Z.
        let now = Timestamp::from_millis(1_795_435_200_000);
        for (expires, expected) in [
            ("2026-11-22", Some(Severity::Warning)),
            ("2026-11-23", Some(Severity::Warning)),
            ("2026-11-24", Some(Severity::Note)),
            ("2026-12-23", Some(Severity::Note)),
            ("2026-12-24", None),
            ("2027-11-24", None),
            ("2027-11-25", Some(Severity::Note)),
        ] {
            let text = format!("[disclosure]\ncontact=[\"tel:1\"]\nexpires=\"{expires}\"\n");
            let mut said = Said::default();
            disclosure(&parse("t.toml", &text).unwrap(), now, &mut said);
            let severity = said.findings.first().map(|finding| finding.severity);
            assert_eq!((severity, said.statements.len()), (expected, 1), "{expires}");
        }
    }
}
