//! What is held about the account's owner: how long, who took a copy of it, all
//! of it to take away, and destroying the keys of what they wrote.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use surgewall_core::config::schema::RecordTraffic;
use surgewall_core::decision::Changed;
use surgewall_core::figures::minute;
use surgewall_core::refusal::Refusal;
use surgewall_store::admin::{Office, Reply, Request, VaultErase, Whose};
use surgewall_store::export::{self, ExportError, Head, Item, Json, Sink, Written as _};
use surgewall_store::sqlite::Sqlite;
use tokio::sync::mpsc::channel;

use super::exports::{self, Chunks};
use super::keys::words;
use crate::door::Door;
use crate::operate::{By, operate_by};
use crate::pages::answer::{WithStatus as _, internal, plain};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::headers;
use crate::pages::visit::Visit;
use crate::session::SignedIn;

/// Bytes of an export that are sent at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for a browser that reads slowly.
const CHUNKS_WAITING_MAX: usize = 8;
/// What has to be typed before everything is erased.
const ERASE_WORD: &str = "erase";

struct Access {
    at: String,
    what: &'static str,
    by: String,
}

#[derive(Template)]
#[template(path = "data.html")]
struct Page {
    frame: Frame,
    error: String,
    receipt: String,
    records: String,
    ledger_days: u32,
    asked: bool,
    accesses: Vec<Access>,
}

fn form(visit: &Visit<'_>) -> Page {
    let config = &visit.arrival.policy.config;
    let days = config.vault.record_retention_days;
    let records = match config.vault.record {
        RecordTraffic::Off => "The operator keeps no record of what you ask and get.".to_owned(),
        RecordTraffic::Chat => {
            format!("Of the chat the operator keeps a redacted, sealed record for {days} days.")
        }
        RecordTraffic::All => format!(
            "Of your requests the operator keeps a redacted, sealed record for {days} days."
        ),
    };
    Page {
        frame: Frame::inside(visit, "Your data", "data"),
        error: String::new(),
        receipt: String::new(),
        records,
        ledger_days: config.ledger.retention_days,
        asked: false,
        accesses: Vec::new(),
    }
}

/// The page; with `accesses` in the address it looks into the ledger, too.
pub(super) async fn page(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    if visit.query("accesses").is_none() {
        return plain(&form(visit));
    }
    let room = visit.door.identity.ledger_reads.clone().try_acquire_owned();
    let Ok(room) = room else { return busy(visit) };
    let whose = whose(who);
    let found = read(visit.door.clone(), room, move |office, data| {
        Box::pin(async move { export::accesses(&office, data, &whose).await })
    });
    let found = found.await?.map_err(|error| internal(&error))?;
    let accesses = found.iter().rev().map(access).collect();
    plain(&Page { asked: true, accesses, ..form(visit) })
}

fn access(changed: &Changed) -> Access {
    let by = changed.detail.as_deref().unwrap_or_default();
    let by = match by.strip_prefix("by=") {
        Some("owner") => "you",
        Some(other) => other,
        None => "unknown",
    };
    Access { at: minute(changed.at), what: "a copy of everything", by: by.to_owned() }
}

fn whose(who: &SignedIn) -> Whose {
    Whose::Account(who.account.public_id.to_string())
}

fn busy(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let error =
        "This is being done already, or others do it now. Try again in a minute.".to_owned();
    plain(&Page { error, ..form(visit) }).with_status(StatusCode::SERVICE_UNAVAILABLE)
}

type Reading<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + 'a>>;

/// Reads where waiting for the disk keeps nobody else.
async fn read<T: Send + 'static>(
    door: Arc<Door>,
    room: impl Send + 'static,
    work: impl for<'a> FnOnce(
        Office<'a, Sqlite>,
        &'a surgewall_store::datadir::DataDir,
    ) -> Reading<'a, T>
    + Send
    + 'static,
) -> Result<T, Refusal> {
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || {
        let policy = door.policy();
        let office = Office {
            people: door.people.as_ref(),
            directory: &door.directory,
            vault: &door.vault,
            clock: &door.clock,
            config: &policy.config,
        };
        let done = runtime.block_on(work(office, door.vault.directory()));
        drop(room);
        done
    });
    done.await.map_err(|error| internal(&error))
}

/// Everything that is held, as JSON, sent while it is read. It is an access, and
/// recorded before anything is read.
pub(super) async fn export(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    let room = visit.door.identity.exports.begin(who.account.id);
    let Some(room) = room else { return busy(visit) };
    let about = who.account.public_id.to_string();
    visit.record("user.export", &about, Some("by=owner".to_owned())).await?;
    let head = Head {
        format: export::FORMAT,
        version: export::VERSION,
        made_at: visit.now(),
        store: visit.door.vault.store_id().to_string(),
        about,
        asked_by: "owner",
    };
    let (sender, receiver) = channel(CHUNKS_WAITING_MAX);
    let out = Chunks::new(sender.clone(), visit.door.clock.clone());
    let whose = whose(who);
    let written = read(visit.door.clone(), room, move |office, data| {
        Box::pin(async move {
            let mut json = Json::new(BufWriter::with_capacity(CHUNK_BYTES, out), &head)?;
            let summary = export::export(&office, data, &whose, &mut Take(&mut json)).await?;
            json.finish(&summary)?;
            Ok::<_, ExportError>(())
        })
    });
    visit.door.tasks.background(async move {
        let why = match written.await {
            Ok(Ok(())) => return exports::end(sender).await,
            Ok(Err(error)) => error.to_string(),
            Err(refusal) => refusal.to_string(),
        };
        tracing::warn!(why, "an export for its owner broke off");
    });
    let mut response = Response::new(exports::body(receiver));
    let heads = response.headers_mut();
    headers::plain(heads);
    heads.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let file = HeaderValue::from_static("attachment; filename=\"my-data.json\"");
    heads.insert(CONTENT_DISPOSITION, file);
    Ok(response)
}

/// An export as what takes its items.
struct Take<'a, W: Write>(&'a mut Json<W>);

impl<W: Write> Sink for Take<'_, W> {
    fn take(&mut self, item: &Item) -> io::Result<()> {
        self.0.take(item)
    }
}

/// Destroys the keys of what the account wrote, and shows the receipt.
pub(super) async fn erase(
    visit: &Visit<'_>,
    who: &SignedIn,
    sent: &Form,
) -> Result<Response, Refusal> {
    if sent.text("word").trim() != ERASE_WORD {
        let error = format!("Nothing was erased: type `{ERASE_WORD}` to go on.");
        return again(visit, error);
    }
    let asked = Request::VaultErase(VaultErase { whose: whose(who) });
    match operate_by(visit.door, By::Account(&who.account.public_id), asked).await {
        Ok(Reply::Erased(view)) => {
            let receipt = serde_json::to_string_pretty(&view).map_err(|error| internal(&error))?;
            plain(&Page { receipt, ..form(visit) })
        }
        Ok(_) => Err(internal(&"an erasure without a receipt")),
        Err(error) => again(visit, words(error)?),
    }
}

/// The page with what was wrong.
pub(super) fn again(visit: &Visit<'_>, error: String) -> Result<Response, Refusal> {
    plain(&Page { error, ..form(visit) }).with_status(StatusCode::UNPROCESSABLE_ENTITY)
}
