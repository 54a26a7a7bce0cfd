//! `surgewall report user`: everything that is held about one person.
//!
//! It is recorded in the ledger before anything is read, by the running door if
//! there is one; then it only reads, beside the door or without one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use surgewall_core::clock::Clock;
use surgewall_store::admin::{EndUser, Office, Reply, Request, Whose};
use surgewall_store::directory::Directory;
use surgewall_store::export::{ExportError, FORMAT, Head, Summary, VERSION, export};
use surgewall_store::sqlite::Sqlite;

use super::office::{operate, unexpected};
use crate::cli::report::{Paper, User};
use crate::fault::{Fault, Verdict};
use crate::place::{Place, vault};
use crate::show;
use crate::show::person::{Export, export as written};

/// Writes what is held about one person.
///
/// # Errors
/// There is no such person, the export cannot be recorded or written, or
/// something cannot be read.
pub(crate) async fn person(place: &Place, asked: &User) -> Result<Verdict, Fault> {
    let whose = whose(asked);
    if let Some(path) = &asked.out
        && fs::symlink_metadata(path).is_ok()
    {
        return Err(taken(path));
    }
    let Reply::Exported { subject } = operate(place, Request::UserExport(whose.clone())).await?
    else {
        return Err(unexpected());
    };
    let data = place.data()?;
    let head = Head {
        format: FORMAT,
        version: VERSION,
        made_at: Clock::System.now(),
        store: data.store_id().to_string(),
        about: subject,
        asked_by: "operator",
    };
    let summary = match &asked.out {
        None => {
            let out = BufWriter::new(io::stdout().lock());
            write(place, &whose, asked.format, (out, &head)).await
        }
        Some(path) => {
            let file = create(path)?;
            let done = write(place, &whose, asked.format, (BufWriter::new(file), &head)).await;
            if done.is_err() {
                // A part of an export looks like a whole one.
                let _ = fs::remove_file(path);
            }
            done
        }
    };
    let Some(summary) = summary? else { return Ok(Verdict::Clean) };
    if let Some(path) = &asked.out {
        let shown = path.display();
        show::err(&format!("wrote {shown}: it holds personal data in clear, mode 0600\n"));
    }
    show::err(&show::findings::text(&summary.findings, false));
    Ok(Verdict::over(&summary.findings))
}

/// Who is meant. The command line lets only these through.
fn whose(asked: &User) -> Whose {
    match (&asked.key, &asked.user, &asked.hash) {
        (Some(key), Some(user), _) => {
            Whose::User { key: key.clone(), user: EndUser::Name(user.clone()) }
        }
        (Some(key), None, Some(hash)) => {
            Whose::User { key: key.clone(), user: EndUser::Hash(hash.clone()) }
        }
        (Some(key), None, None) => Whose::Key(key.clone()),
        (None, _, _) => Whose::Account(asked.account.clone().unwrap_or_default()),
    }
}

fn taken(path: &Path) -> Fault {
    Fault::new(format!("{} is there already", path.display()))
        .hint("an export never replaces a file: name another")
}

/// A new file that only its owner can read.
fn create(path: &Path) -> Result<File, Fault> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(path),
        _ => Fault::from(error).during(&format!("{} cannot be made", path.display())),
    })
}

/// Reads and writes; `None` where the reader went away.
async fn write<W: Write>(
    place: &Place,
    whose: &Whose,
    form: Paper,
    (out, head): (W, &Head),
) -> Result<Option<Summary>, Fault> {
    let data = place.data()?;
    let config = place.load()?.config;
    let vault = vault(&data, &config)?;
    let people = Sqlite::open(&data.database()).await?;
    let directory = Directory::load(&people, vault.clone()).await?;
    let office = Office {
        people: &people,
        directory: &directory,
        vault: &vault,
        clock: &Clock::System,
        config: &config,
    };
    let done = async {
        let mut paper = written(form, out, head)?;
        let summary = export(&office, &data, whose, &mut Page(&mut *paper)).await?;
        paper.finish(&summary)?;
        Ok(summary)
    };
    let done: Result<Summary, ExportError> = done.await;
    people.close().await;
    match done {
        Ok(summary) => Ok(Some(summary)),
        Err(ExportError::Sink(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// An export as what takes its items.
struct Page<'a>(&'a mut dyn Export);

impl surgewall_store::export::Sink for Page<'_> {
    fn take(&mut self, item: &surgewall_store::export::Item) -> io::Result<()> {
        self.0.take(item)
    }
}
