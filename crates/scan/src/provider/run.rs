//! The look itself: a few questions, one after the other.

use std::net::SocketAddr;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::base::Base;
use super::conclude::conclude;
use super::leaks::{LIMITS, leaks};
use super::limits::REQUESTS_MAX;
use super::report::{Asked, Declared, Report, Tls};
use super::routes::{BROKEN, NOTHING, QUESTIONS};
use super::tls::Watch;
use crate::exposure::limits::Patience;
use crate::exposure::page::{Page, page};
use crate::exposure::port::{Bounds, Endpoint, Port};
use crate::exposure::resolve;

/// A question for each connection.
const BOUNDS: Bounds =
    Bounds { requests: REQUESTS_MAX, connections: REQUESTS_MAX, agent: "surgewall-check-provider" };

/// Looks at the provider at `base` as a stranger. Certificates are judged by the
/// authorities in `pem`; where it is empty, by the web's.
pub async fn look(
    base: &Base,
    declared: Option<Declared>,
    pem: &[u8],
    patience: Patience,
) -> Report {
    let mut report = Report {
        provider: base.to_string(),
        requests: 0,
        answered: false,
        address: None,
        tls: Tls { spoken: base.tls, ..Tls::default() },
        routes: Vec::new(),
        leaks: Vec::new(),
        limits: Vec::new(),
        declared,
        observed_region: None,
        unknown: Vec::new(),
        findings: Vec::new(),
    };
    match resolve(&base.host).await {
        Ok(addresses) => {
            let endpoint = Endpoint {
                addresses: addresses.iter().map(|ip| SocketAddr::new(*ip, base.port)).collect(),
                host: base.host.clone(),
                port: base.port,
                tls: base.tls,
                list: base.path.clone(),
            };
            ask(&mut report, &endpoint, pem, patience).await;
        }
        Err(evidence) => report.unknown.push(evidence.to_owned()),
    }
    conclude(&mut report);
    report
}

async fn ask(report: &mut Report, endpoint: &Endpoint, pem: &[u8], patience: Patience) {
    let watch = Watch::new(roots(pem)).ok();
    let connector = watch.as_ref().and_then(|watch| watch.connector().ok());
    let mut port = Port::new(endpoint, patience).within(BOUNDS, connector);
    // What is not there comes first: who answers it well answers everything so.
    let mut heard = Heard::default();
    let nothing = port.fetch(&NOTHING).await;
    let is_reached = nothing.is_ok();
    let alike = heard.note(nothing.ok().as_deref()).is_some_and(|status| status < 300);
    if is_reached {
        for question in QUESTIONS {
            let bytes = port.fetch(&question.ask).await.ok();
            heard.note(bytes.as_deref());
            let page = bytes.as_deref().and_then(page);
            let (outcome, evidence) = question.judge(page.as_ref());
            report.routes.push(Asked { route: question.name, outcome, evidence });
        }
        heard.note(port.fetch(&BROKEN).await.ok().as_deref());
    } else {
        report
            .unknown
            .push("It takes no connection: it may be down, or the way to it closed.".into());
    }
    if alike {
        report.unknown.push("It answers well what is not there, so an answer says little.".into());
    }
    let seen = watch.map(|watch| watch.seen()).unwrap_or_default();
    report.requests = port.requests_sent();
    report.address = port.answered().map(|address| address.ip());
    report.answered = heard.pages > 0;
    report.tls.unfit = seen.certificate.and_then(Result::err);
    report.tls.version = seen.version;
    report.tls.strict = heard.strict;
    report.leaks = heard.leaks;
    report.limits = heard.limits;
}

/// The authorities in `pem`, or the web's: as the door itself chooses for an upstream.
fn roots(pem: &[u8]) -> RootCertStore {
    if pem.is_empty() {
        return RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    roots
}

/// What all answers together told.
#[derive(Default)]
struct Heard {
    pages: usize,
    strict: bool,
    leaks: Vec<&'static str>,
    limits: Vec<&'static str>,
}

impl Heard {
    /// Notes an answer; its status.
    fn note(&mut self, bytes: Option<&[u8]>) -> Option<u16> {
        let page = page(bytes?)?;
        self.pages += 1;
        self.strict |= page.header("strict-transport-security").is_some();
        add(&mut self.leaks, leaks(&page));
        add(&mut self.limits, limits(&page));
        Some(page.status)
    }
}

fn limits(page: &Page<'_>) -> Vec<&'static str> {
    LIMITS.iter().copied().filter(|name| page.header(name).is_some()).collect()
}

/// Adds what is not there yet.
fn add(all: &mut Vec<&'static str>, more: Vec<&'static str>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}
