//! A run: what is looked at, many ports at a time.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use futures_util::stream::{self, StreamExt as _};
use tokio::net::lookup_host;

use super::conclude::{Origin, conclude};
use super::judge::Judged;
use super::limits::{ADDRESSES_MAX, PORTS_AT_ONCE_MAX, Patience};
use super::listeners::{asked_at, listeners};
use super::look::{How, look};
use super::port::{Endpoint, Port, Unreached};
use super::report::{Outcome, Report, Seen};
use super::services::{ollama, vllm};
use super::target::{Asked, Target, known_ports, services_of, services_on};
use crate::reach::Reach;

/// One port to look at.
struct Query {
    origin: Origin,
    /// How it is called in the report.
    shown: String,
    endpoint: Endpoint,
    how: How,
}

/// What became of one.
struct Looked {
    query: Query,
    address: Option<SocketAddr>,
    judged: Result<Judged, Unreached>,
}

/// A server of a configured upstream that is asked without a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// What the operator calls it.
    pub name: String,
    /// Where it lists its models: `http://127.0.0.1:9000/v1/models`.
    pub list_url: String,
    /// Whether the list has Ollama's own form; else OpenAI's.
    pub is_ollama: bool,
}

/// Looks at what was named, and at nothing else.
pub async fn named(targets: &[Target], patience: Patience) -> Report {
    let mut report = Report::default();
    let mut asked = HashSet::new();
    for target in targets {
        let addresses = match resolve(&target.host).await {
            Ok(addresses) => addresses,
            Err(evidence) => {
                report.seen.push(unknown(target.to_string(), evidence));
                continue;
            }
        };
        let mut ports = target.port.map_or_else(|| usual_ports(&target.asked), |port| vec![port]);
        // No port is asked twice, however often it is named.
        ports.retain(|port| asked.insert(SocketAddr::new(addresses[0], *port)));
        let queries = ports.into_iter().map(|port| query(target, port, &addresses)).collect();
        let looked = look_at(queries, patience).await;
        if target.port.is_some() {
            looked.iter().for_each(|looked| port_closed(&mut report, looked));
        } else {
            host_closed(&mut report, &target.host, &looked);
        }
        connected(&mut report, looked);
    }
    report
}

/// Looks at this machine's own listeners on known ports, but for those on
/// `except` (the door's own), and at the servers of `upstreams`; with no
/// `except` at all, only at these.
pub async fn own(except: Option<&[u16]>, upstreams: &[Upstream], patience: Patience) -> Report {
    let mut report = Report::default();
    let mut queries = except.map_or_else(Vec::new, |except| own_listeners(&mut report, except));
    for upstream in upstreams {
        let query = match of_upstream(upstream).await {
            Ok(query) => query,
            Err(seen) => {
                report.seen.push(seen);
                continue;
            }
        };
        // What listens here is asked already, and no port is asked twice.
        let first = query.endpoint.addresses[0];
        let is_asked = queries.iter().any(|other: &Query| {
            let (own, port) = (other.endpoint.addresses[0], other.endpoint.port);
            own == first || (first.ip().is_loopback() && port == first.port() && is_own(other))
        });
        if !is_asked {
            queries.push(query);
        }
    }
    let looked = look_at(queries, patience).await;
    // A listener of this machine that is gone by now needs no word.
    let upstreams = looked.iter().filter(|looked| looked.query.origin == Origin::Upstream);
    upstreams.for_each(|looked| port_closed(&mut report, looked));
    connected(&mut report, looked);
    report
}

fn is_own(query: &Query) -> bool {
    matches!(query.origin, Origin::Own(_))
}

/// What listens on this machine where a service is expected.
fn own_listeners(report: &mut Report, except: &[u16]) -> Vec<Query> {
    let Ok(bound) = listeners() else {
        let note = "This system has no list of listeners: name what is to be looked at.";
        report.notes.push(note.to_owned());
        return Vec::new();
    };
    of_listeners(report, bound, except)
}

fn of_listeners(report: &mut Report, bound: Vec<SocketAddr>, except: &[u16]) -> Vec<Query> {
    let bound = bound.into_iter().filter(|bound| !except.contains(&bound.port()));
    let known = known_ports();
    let (expected, others): (Vec<_>, Vec<_>) =
        bound.partition(|bound| known.contains(&bound.port()));
    let beyond = others.iter().filter(|bound| Reach::of(bound.ip()) != Reach::Loopback);
    let beyond: Vec<_> = beyond.map(ToString::to_string).collect();
    if !beyond.is_empty() {
        report.notes.push(format!(
            "Beyond loopback there also listen {}: no probe belongs to these ports.",
            beyond.join(", ")
        ));
    }
    let mut queries: Vec<Query> = Vec::new();
    for bound in expected {
        let endpoint = listener(bound);
        // One that listens on every address of both versions of IP stands there twice.
        let first = endpoint.addresses[0];
        if queries.iter().all(|query| query.endpoint.addresses[0] != first) {
            let how = How::Expect(services_on(bound.port()));
            let (origin, shown) = (Origin::Own(bound), bound.to_string());
            queries.push(Query { origin, shown, endpoint, how });
        }
    }
    queries
}

async fn look_at(queries: Vec<Query>, patience: Patience) -> Vec<Looked> {
    let looked = queries.into_iter().map(|query| async move {
        let mut port = Port::new(&query.endpoint, patience);
        let judged = look(&mut port, &query.how).await;
        let address = port.answered();
        Looked { query, address, judged }
    });
    stream::iter(looked).buffered(PORTS_AT_ONCE_MAX).collect().await
}

/// Adds what is to be said of ports that took a connection.
fn connected(report: &mut Report, looked: Vec<Looked>) {
    for Looked { query, address, judged } in looked {
        if let Ok(judged) = judged {
            conclude(report, &query.origin, &query.shown, address, &judged);
        }
    }
}

/// What is to be said of the ports of a host that took no connection.
fn host_closed(report: &mut Report, host: &str, looked: &[Looked]) {
    let count = |unreached| {
        looked.iter().filter(|one| one.judged.as_ref().is_err_and(|why| *why == unreached)).count()
    };
    let (refused, silent) = (count(Unreached::Refused), count(Unreached::Silent));
    if silent > 0 && silent == looked.len() {
        let evidence =
            "No known port of this host answers: it may be down, or the way to it closed.";
        return report.seen.push(unknown(host.to_owned(), evidence));
    }
    let ports =
        |count| if count == 1 { "1 known port".to_owned() } else { format!("{count} known ports") };
    if refused > 0 {
        report.notes.push(format!("Nothing listens on {} of {host}.", ports(refused)));
    }
    if silent > 0 {
        report.notes.push(format!("From here {} of {host} cannot be reached.", ports(silent)));
    }
}

/// What is to be said of a port that should take a connection and took none.
fn port_closed(report: &mut Report, Looked { query, judged, .. }: &Looked) {
    match judged {
        Ok(_) => {}
        Err(Unreached::Refused) => {
            report.notes.push(format!("Nothing listens on {}.", query.shown));
        }
        Err(Unreached::Silent) => {
            let evidence = "It takes no connection: it may be down, or the way to it closed.";
            report.seen.push(unknown(query.shown.clone(), evidence));
        }
    }
}

fn unknown(target: String, evidence: &'static str) -> Seen {
    Seen { target, service: None, outcome: Outcome::Unknown, evidence }
}

/// The addresses of a name; the port in them is none.
pub(crate) async fn resolve(host: &str) -> Result<Vec<IpAddr>, &'static str> {
    let found = lookup_host((host, 0)).await.map_err(|_| "This name has no address.")?;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    if addresses.is_empty() { Err("This name has no address.") } else { Ok(addresses) }
}

/// Where a host is looked at, if no port was named.
fn usual_ports(asked: &Asked) -> Vec<u16> {
    match asked {
        Asked::Anything => known_ports(),
        Asked::Service { kind, .. } => {
            services_of(kind, 0).into_iter().flat_map(|service| service.ports).copied().collect()
        }
        Asked::Http { tls } => vec![if *tls { 443 } else { 80 }],
    }
}

fn query(target: &Target, port: u16, addresses: &[IpAddr]) -> Query {
    let on = services_on(port);
    let (how, tls) = match &target.asked {
        Asked::Anything if on.is_empty() => (How::Recognise, false),
        Asked::Anything => {
            let tls = on.first().is_some_and(|service| service.tls);
            (How::Expect(on), tls)
        }
        Asked::Service { kind, tls } => {
            let services = services_of(kind, port);
            let tls = *tls || services.first().is_some_and(|service| service.tls);
            (How::Only(services), tls)
        }
        Asked::Http { tls } => (How::RecogniseHttp, *tls),
    };
    let endpoint = Endpoint {
        addresses: addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect(),
        host: target.host.clone(),
        port,
        tls,
        list: String::new(),
    };
    Query { origin: Origin::Named, shown: endpoint.authority(), endpoint, how }
}

fn listener(bound: SocketAddr) -> Endpoint {
    let addresses = asked_at(bound);
    Endpoint {
        host: addresses[0].ip().to_string(),
        port: bound.port(),
        tls: services_on(bound.port()).first().is_some_and(|service| service.tls),
        list: String::new(),
        addresses,
    }
}

async fn of_upstream(upstream: &Upstream) -> Result<Query, Seen> {
    let Upstream { name, list_url, is_ollama } = upstream;
    let (scheme, rest) = list_url.split_once("://").unwrap_or(("", list_url));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let shown = format!("upstream `{name}` at {authority}");
    let Ok(target) = authority.parse::<Target>() else {
        return Err(unknown(shown, "Its address cannot be read."));
    };
    let addresses =
        resolve(&target.host).await.map_err(|evidence| unknown(shown.clone(), evidence))?;
    let tls = scheme == "https";
    let port = target.port.unwrap_or(if tls { 443 } else { 80 });
    let endpoint = Endpoint {
        addresses: addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect(),
        host: target.host,
        port,
        tls,
        list: format!("/{path}"),
    };
    let probe = if *is_ollama { ollama::UPSTREAM } else { vllm::UPSTREAM };
    Ok(Query { origin: Origin::Upstream, shown, endpoint, how: How::Ask(probe) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_this_machine_only_known_ports_are_asked_and_none_of_the_doors_own() {
        let bound =
            ["127.0.0.1:6379", "0.0.0.0:5432", "[::]:5432", "10.0.0.5:9000", "127.0.0.1:8000"];
        let others = ["127.0.0.1:22", "0.0.0.0:22", "[::]:4444", "0.0.0.0:7070"];
        let all = bound.into_iter().chain(others).map(|text| text.parse().unwrap()).collect();
        let mut report = Report::default();
        let queries = of_listeners(&mut report, all, &[7_070, 8_000]);
        let mut shown: Vec<_> = queries.iter().map(|query| query.shown.as_str()).collect();
        // Where there is a way out, one that is bound twice is one; else it is asked on both loopbacks.
        shown.retain(|shown| *shown != "[::]:5432");
        assert_eq!(shown, ["127.0.0.1:6379", "0.0.0.0:5432", "10.0.0.5:9000"]);
        assert_eq!(
            report.notes,
            [
                "Beyond loopback there also listen 0.0.0.0:22, [::]:4444: no probe belongs to these ports."
            ]
        );
    }

    #[test]
    fn a_service_without_a_port_is_looked_for_on_its_own() {
        let ports = |text: &str| usual_ports(&text.parse::<Target>().unwrap().asked);
        assert_eq!(ports("clickhouse://h"), [8_123, 9_000]);
        assert_eq!(ports("https://h"), [443]);
        assert_eq!(ports("h"), known_ports());
    }

    #[test]
    fn an_upstreams_list_is_asked_where_it_is() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let query = |list_url: &str| {
            let upstream =
                Upstream { name: "u".into(), list_url: list_url.into(), is_ollama: false };
            runtime.block_on(of_upstream(&upstream)).map(|query| {
                let Endpoint { port, tls, list, .. } = query.endpoint;
                format!("{} {port} {tls} {list}", query.shown)
            })
        };
        let found = query("https://127.0.0.1/api/v1/models").unwrap();
        assert_eq!(found, "upstream `u` at 127.0.0.1 443 true /api/v1/models");
        let found = query("http://[::1]:8000/models").unwrap();
        assert_eq!(found, "upstream `u` at [::1]:8000 8000 false /models");
        assert_eq!(query("127.0.0.1@").unwrap_err().target, "upstream `u` at 127.0.0.1@");
    }
}
