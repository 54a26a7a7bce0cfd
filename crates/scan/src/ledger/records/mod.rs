//! The operator's records held against the ledger: each batch that is kept must
//! be the one that the ledger has, and what is gone must have been removed by
//! retention, which says so in the ledger first.
//!
//! It needs no key: the ledger says in the salts of its records which batches
//! there are and what their sealed blocks hash to. With the key each block is
//! opened too, which shows what was changed beside it in clear.

mod batch;
mod file;
mod noted;

use std::path::{Path, PathBuf};

use surgewall_store::ledger::OtherVersion;
use surgewall_store::vault::Vault;

use self::batch::{Lost, judge};
use self::file::{Opened, View, is_damage};
pub(super) use self::noted::Noted;
use super::VerifyError;
use super::report::Findings;

/// The file of records, and one view of it from before the ledger is read: what is
/// gone from it was removed before, so that the ledger has it.
pub(super) struct Held {
    path: PathBuf,
    opened: Result<Opened, sqlx::Error>,
}

/// What the comparison comes to.
#[derive(Default)]
pub(super) struct Compared {
    /// Batches that are there, and are those of the ledger.
    pub(super) fit: u64,
    /// Worth knowing.
    pub(super) notes: Vec<String>,
}

impl Held {
    /// The records at `path`, as they are now.
    pub(super) async fn open(path: &Path) -> Self {
        Self { path: path.to_owned(), opened: View::open(path).await }
    }

    /// Holds them against what the ledger says.
    ///
    /// # Errors
    /// The file cannot be read, or another Surgewall wrote it.
    pub(super) async fn compare(
        self,
        noted: &Noted,
        vault: Option<&Vault>,
        findings: &mut Findings,
    ) -> Result<Compared, VerifyError> {
        let Self { path, opened } = self;
        for (sequence, batch) in &noted.twice {
            let what = format!(
                "batch {batch} stands in the ledger twice, with other blocks: the records were put back to an older state, and written on from there"
            );
            findings.records(&path, "records.fork", *sequence, &what);
        }
        let mut view = match opened {
            Ok(Opened::View(view)) => Some(view),
            Ok(Opened::Nothing | Opened::Empty) => None,
            Ok(Opened::Newer(version)) => return Err(OtherVersion::Newer { path, version }.into()),
            Ok(Opened::NotOurs) => {
                let what = "it is no file of Surgewall's records";
                findings.records(&path, "records.file", 0, what);
                return Ok(Compared::default());
            }
            Err(error) => return damaged(&path, error, findings),
        };
        let mut comparison = Comparison {
            path: &path,
            noted,
            vault,
            findings,
            compared: Compared::default(),
            late: 0,
            early: 0,
            lost: Lost::default(),
        };
        match comparison.all(view.as_deref_mut()).await {
            Ok(()) => {}
            Err(error) => return damaged(&path, error, comparison.findings),
        }
        let Comparison { compared, late, early, lost, .. } = comparison;
        if let Some(view) = view {
            view.close().await;
        }
        Ok(noted_besides(compared, late, early, &lost))
    }
}

/// What SQLite says is damage, or a reason why nothing can be said.
fn damaged(
    path: &Path,
    error: sqlx::Error,
    findings: &mut Findings,
) -> Result<Compared, VerifyError> {
    if !is_damage(&error) {
        return Err(VerifyError::Records { path: path.to_owned(), source: Box::new(error) });
    }
    let what = format!("SQLite cannot read it: {error}");
    findings.records(path, "records.file", 0, &what);
    Ok(Compared::default())
}

/// The notes on what was not compared.
fn noted_besides(mut compared: Compared, late: u64, early: u64, lost: &Lost) -> Compared {
    let notes = &mut compared.notes;
    if late > 0 {
        notes.push(format!(
            "{late} newest batches of the records are not in the ledger yet: they are being written, or noted at the next start"
        ));
    }
    if early > 0 {
        notes.push(format!(
            "{early} batches of the records are older than the ledger, and were not compared"
        ));
    }
    if lost.erased > 0 {
        notes.push(format!(
            "{} blocks of the records were erased: their keys are gone, and they fit the ledger",
            lost.erased
        ));
    }
    if lost.keys > 0 {
        notes.push(format!(
            "the keys of {} blocks of the records are not in the accounts file, which may be older than they are: the blocks fit the ledger, and what stands beside them in clear was not checked",
            lost.keys
        ));
    }
    compared
}

/// One comparison.
struct Comparison<'a> {
    path: &'a Path,
    noted: &'a Noted,
    vault: Option<&'a Vault>,
    findings: &'a mut Findings,
    compared: Compared,
    /// Batches that the ledger does not have yet.
    late: u64,
    /// Batches from before the ledger's first.
    early: u64,
    lost: Lost,
}

impl Comparison<'_> {
    async fn all(&mut self, view: Option<&mut View>) -> Result<(), sqlx::Error> {
        let mut missing: Vec<u64> = Vec::new();
        let mut expected = self.noted.stored.keys().copied().peekable();
        let mut last = 0;
        if let Some(view) = view {
            last = view.last().await?;
            let mut after = 0;
            loop {
                let rows = view.batches(after).await?;
                let Some(end) = rows.last().map(|row| row.batch) else { break };
                after = end;
                for row in rows {
                    while let Some(gone) = expected.next_if(|batch| *batch < row.batch) {
                        missing.push(gone);
                    }
                    expected.next_if_eq(&row.batch);
                    let blocks = view.blocks(row.batch).await?;
                    self.batch(&row, &blocks);
                }
            }
            self.homeless(&view.homeless().await?);
        }
        missing.extend(expected);
        missing.retain(|batch| !self.noted.was_removed(*batch));
        self.missing(&missing, last).await
    }

    /// Holds one batch that is there against the ledger's.
    fn batch(&mut self, row: &file::Row, blocks: &[file::Block]) {
        let Some(known) = self.noted.stored.get(&row.batch) else {
            let (first, last) = (self.noted.stored.keys().next(), self.noted.stored.keys().last());
            match (first, last) {
                (Some(first), _) if row.batch < *first => self.early += 1,
                (_, Some(last)) if row.batch < *last => {
                    let what = format!("batch {} is not in the ledger: it was added", row.batch);
                    self.findings.records(self.path, "records.batch", 0, &what);
                }
                _ => self.late += 1,
            }
            return;
        };
        match judge(row, blocks, known, self.vault, &mut self.lost) {
            Ok(()) => self.compared.fit += 1,
            Err(what) => {
                self.findings.records(self.path, "records.batch", known.sequence, &what);
            }
        }
    }

    /// Blocks of batches that have no row.
    fn homeless(&mut self, batches: &[u64]) {
        for run in batches.chunk_by(|a, b| a + 1 == *b) {
            let what = format!("blocks of {} stand here, and the batch does not", named(run));
            self.findings.records(self.path, "records.batch", 0, &what);
        }
    }

    /// Batches that the ledger has and that are not here; `last` is the last number
    /// that was given in this view.
    async fn missing(&mut self, missing: &[u64], last: u64) -> Result<(), sqlx::Error> {
        if missing.is_empty() {
            return Ok(());
        }
        // What was written since this view began is in the file by now.
        let now = match View::open(self.path).await? {
            Opened::View(mut view) => {
                let now = view.last().await?;
                view.close().await;
                now
            }
            _ => last,
        };
        let gone: Vec<u64> =
            missing.iter().copied().filter(|batch| *batch <= last || *batch > now).collect();
        for run in gone.chunk_by(|a, b| a + 1 == *b) {
            let first = run.first().and_then(|batch| self.noted.stored.get(batch));
            let sequence = first.map_or(0, |known| known.sequence);
            let is_cut = run.first().is_some_and(|batch| *batch > now);
            let why = if is_cut {
                "the records were cut off or put back to an older state, or this is a copy that was made while the door wrote (copy the ledger first)"
            } else {
                "retention did not remove them, or it would say so in the ledger"
            };
            let what = format!("{} is in the ledger and not here: {why}", named(run));
            self.findings.records(self.path, "records.missing", sequence, &what);
        }
        Ok(())
    }
}

/// Batches in a row, as they are named to people.
fn named(run: &[u64]) -> String {
    match run {
        [] => "no batch".to_owned(),
        [one] => format!("batch {one}"),
        [first, .., last] => format!("each of the batches {first} to {last}"),
    }
}
