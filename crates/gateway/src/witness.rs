//! A witness countersigns the ledger's checkpoints, if one is configured. Whoever
//! rewrites the history afterwards needs its key too, and a ledger that was put back
//! to an older state is noticed while the door runs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use surgewall_core::config::witness::Witness;
use surgewall_core::finding::{Finding, Severity};
use surgewall_store::findings::Report;
use surgewall_store::ledger::read::ProofError;
use surgewall_store::ledger::read::witness::{Submission, keep, seen, submission};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::door::Door;
use crate::notify::{self, ATTEMPT_TIMEOUT};
use crate::ticks::every;

/// How often the witness is asked at most.
const ASK_INTERVAL: Duration = Duration::from_secs(60);
/// An answer, in bytes: a signature line has about 150.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// How often in a row it may fail before the operator is told.
const FAILURES_MAX: u32 = 10;
/// What a witness says that saw another size than it is told.
const SIZE_TYPE: &str = "text/x.tlog.size";
/// Who tells it to the inbox.
const PRODUCER: &str = "witness";

/// Asks the configured witness for as long as the door runs.
pub(crate) async fn watch(door: Arc<Door>) {
    let Some(witness) = door.policy().config.ledger.witness.clone() else { return };
    let mut asking = match Asking::new(witness) {
        Ok(asking) => asking,
        Err(why) => return tracing::error!(why, "the witness cannot be asked"),
    };
    let mut ticks = every(ASK_INTERVAL);
    loop {
        ticks.tick().await;
        asking.ask(&door).await;
    }
}

/// The asking of one witness.
pub struct Asking {
    witness: Witness,
    uri: Uri,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// How many records it saw, as far as is known.
    seen: Option<u64>,
    failures: u32,
    /// Whether findings of it may be open.
    told: bool,
}

/// What a witness made of a submission.
enum Said {
    Countersigned(String),
    /// It saw so many records before.
    Saw(u64),
    /// What it saw is not the beginning of this ledger.
    Differs,
}

impl Asking {
    /// The asking of `witness`. Nothing is connected to yet.
    ///
    /// # Errors
    /// Its address cannot be used, or TLS cannot be set up; the text says why.
    pub fn new(witness: Witness) -> Result<Self, String> {
        let address = format!("{}/add-checkpoint", witness.url.trim_end_matches('/'));
        let uri = address.parse().map_err(|_| "it is no address".to_owned())?;
        let https = notify::connector(HttpConnector::new()).map_err(|error| error.to_string())?;
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(https);
        Ok(Self { witness, uri, client, seen: None, failures: 0, told: true })
    }

    /// Asks it to countersign the last checkpoint, if that covers more than it saw.
    pub async fn ask(&mut self, door: &Arc<Door>) {
        let findings = match self.try_ask(door).await {
            Ok(findings) => {
                if self.failures > 0 {
                    tracing::info!("the witness answers again");
                }
                self.failures = 0;
                findings
            }
            Err(why) => {
                if self.failures == 0 {
                    tracing::warn!(why, "the witness did not countersign; it is asked again");
                }
                self.failures = self.failures.saturating_add(1);
                if self.failures != FAILURES_MAX {
                    return;
                }
                vec![self.silent(&why)]
            }
        };
        if findings.is_empty() && !std::mem::replace(&mut self.told, false) {
            return;
        }
        self.told |= !findings.is_empty();
        if let Err(error) = door.report(Report::new(PRODUCER, findings)).await {
            tracing::error!(%error, "what the witness says could not be reported");
        }
    }

    /// Findings of what it says; the error is why it said nothing of use.
    async fn try_ask(&mut self, door: &Arc<Door>) -> Result<Vec<Finding>, String> {
        let mut known = match self.seen {
            Some(known) => known,
            None => self.remember(door).await?,
        };
        // It may know better how much it saw, once.
        for _ in 0..2 {
            let Some(submission) = next(door, known).await? else { return Ok(Vec::new()) };
            match self.send(&submission).await? {
                Said::Countersigned(note) => {
                    let door = door.clone();
                    let kept = spawn_blocking(move || keep(door.vault.directory(), &note)).await;
                    kept.map_err(io::Error::other).flatten().map_err(|error| error.to_string())?;
                    self.seen = Some(submission.size);
                    return Ok(Vec::new());
                }
                Said::Saw(size) if size > submission.size => {
                    return Ok(vec![self.put_back(size, submission.size)]);
                }
                Said::Saw(size) => known = size,
                Said::Differs => return Ok(vec![self.rewritten(known)]),
            }
        }
        Err("it names another size each time".to_owned())
    }

    /// How much it saw, as it was kept.
    async fn remember(&mut self, door: &Arc<Door>) -> Result<u64, String> {
        let (door, key) = (door.clone(), self.witness.key.clone());
        let known = spawn_blocking(move || seen(door.vault.directory(), &door.vault, &key)).await;
        let known = known.map_err(|error| error.to_string())?;
        self.seen = Some(known);
        Ok(known)
    }

    async fn send(&self, submission: &Submission) -> Result<Said, String> {
        let mut request = Request::new(Full::new(Bytes::from(submission.body.clone())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(USER_AGENT, HeaderValue::from_static("surgewall"));
        let answer = timeout(ATTEMPT_TIMEOUT, self.client.request(request)).await;
        let answer = answer.map_err(|_| "no answer in time")?.map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        #[expect(clippy::disallowed_methods, reason = "bounded by Limited")]
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect();
        let body = timeout(ATTEMPT_TIMEOUT, body).await;
        let body = body.map_err(|_| "no answer in time")?.map_err(|error| error.to_string())?;
        let text = String::from_utf8(body.to_bytes().into()).map_err(|error| error.to_string())?;
        let names_size = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == SIZE_TYPE);
        match head.status {
            StatusCode::OK => submission
                .countersigned(&text, &self.witness.key)
                .map(Said::Countersigned)
                .ok_or_else(|| "its answer has no signature by its key".to_owned()),
            StatusCode::CONFLICT if names_size => {
                let size = text.strip_suffix('\n').and_then(|size| size.parse().ok());
                size.map(Said::Saw).ok_or_else(|| "its size is no number".to_owned())
            }
            // As large as what it saw, with another root; or the proof does not hold.
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => Ok(Said::Differs),
            status => Err(status.to_string()),
        }
    }

    fn finding(&self, severity: Severity, rule: &str, evidence: String, advice: &str) -> Finding {
        Finding::new(severity, rule, self.witness.key.name()).evidence(evidence).advice(advice)
    }

    fn put_back(&self, saw: u64, size: u64) -> Finding {
        let evidence = format!(
            "the witness countersigned {saw} records of this ledger, which has {size}: it was cut off, or put back to an older state"
        );
        self.finding(Severity::Critical, "ledger.rollback", evidence, HISTORY_ADVICE)
    }

    fn rewritten(&self, saw: u64) -> Finding {
        let evidence = format!(
            "the {saw} records that the witness countersigned are not the beginning of this ledger: it is another history"
        );
        self.finding(Severity::Critical, "ledger.fork", evidence, HISTORY_ADVICE)
    }

    fn silent(&self, why: &str) -> Finding {
        let evidence =
            format!("the witness did not countersign {FAILURES_MAX} times in a row: {why}");
        let advice = "Ask whoever runs it whether it knows this ledger's key, and whether the address is right.";
        self.finding(Severity::Warning, "ledger.witness", evidence, advice)
    }
}

const HISTORY_ADVICE: &str = "If you did not restore a backup yourself, keep a copy of the data directory as evidence. See `surgewall check ledger`.";

/// What the witness has not seen of the ledger, if it saw `known` records of it.
async fn next(door: &Arc<Door>, known: u64) -> Result<Option<Submission>, String> {
    let door = door.clone();
    let next = spawn_blocking(move || submission(door.vault.directory(), &door.vault, known));
    match next.await.map_err(|error| error.to_string())? {
        Ok(next) => Ok(next),
        // The door has just begun.
        Err(ProofError::NoCheckpoint) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}
