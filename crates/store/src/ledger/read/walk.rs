//! All segments in order, and that each continues the one before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use surgewall_core::decision::Record;
use surgewall_core::finding::{Finding, Severity};

use super::ReadError;
use super::scan::{Damage, HeaderError, Raw, Scanner, Stop};
use crate::ledger::OtherVersion;
use crate::ledger::format::{LedgerId, parse_segment_name};
use crate::ledger::seal::{BodyKey, Place, key_purpose};
use crate::vault::Vault;

/// Findings of one walk: the first ones tell the story.
const FINDINGS_MAX: usize = 100;

/// What a walk meets.
pub(super) enum Event {
    /// A segment begins. `fresh`: nothing that was counted before is continued
    /// (it is the first one kept, or the one before is damaged).
    Segment {
        /// Whether to forget what was counted.
        fresh: bool,
    },
    /// A record, opened.
    Record {
        /// Its sequence.
        sequence: u64,
        /// The record.
        record: Record,
    },
}

/// What a walk concluded.
#[derive(Default)]
pub(super) struct Walked {
    /// Worth knowing: how far back the ledger goes, a torn end.
    pub(super) notes: Vec<String>,
    /// Damage.
    pub(super) findings: Vec<Finding>,
}

/// What the next segment must continue.
#[derive(Clone, Copy)]
struct Expected {
    ledger: LedgerId,
    next: u64,
    /// Where the segment before ends, in bytes.
    offset: u64,
}

/// The segments in `directory`, first sequence and path, ascending.
pub(crate) fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(first) = entry.file_name().to_str().and_then(parse_segment_name) {
            found.push((first, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// How far a walk has come, in bytes of all segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Read so far.
    pub read_bytes: u64,
    /// To be read, as it was when the walk began.
    pub total_bytes: u64,
}

/// Reads every segment in `directory`; each record is opened and given to `visit`.
/// What is damaged is left out, and the findings say so; whether the records are
/// those that were written is for `surgewall check ledger` to say.
pub(super) fn walk(
    directory: &Path,
    vault: &Vault,
    visit: &mut dyn FnMut(Event),
) -> Result<Vec<Finding>, ReadError> {
    walk_watched(directory, vault, visit, &mut |_| {}).map(|walked| walked.findings)
}

/// As [`walk`]; `watch` hears after each record how far it is.
pub(super) fn walk_watched(
    directory: &Path,
    vault: &Vault,
    visit: &mut dyn FnMut(Event),
    watch: &mut dyn FnMut(Reading),
) -> Result<Walked, ReadError> {
    let listed = segments(directory).map_err(|source| ReadError::io(directory, source))?;
    let bytes = listed.iter().filter_map(|(_, path)| fs::metadata(path).ok());
    let reading = Reading { read_bytes: 0, total_bytes: bytes.map(|file| file.len()).sum() };
    let (expected, previous, walked) = (None, None, Walked::default());
    let mut walk = Walk { vault, visit, watch, reading, walked, expected, previous, begun: false };
    for (first, path) in listed {
        match Scanner::open(&path, first) {
            Ok(Ok(scanner)) => walk.segment(scanner, path)?,
            Ok(Err(HeaderError::Newer(version))) => {
                return Err(OtherVersion::Newer { path, version }.into());
            }
            Ok(Err(HeaderError::Older(version))) => {
                return Err(OtherVersion::Older { path, version }.into());
            }
            Ok(Err(HeaderError::Damaged(damage))) => walk.lost(&path, &damage),
            // Retention removed it since it was listed: it goes from the oldest on.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !walk.begun => {}
            Err(source) => return Err(ReadError::io(&path, source)),
        }
    }
    Ok(walk.walked)
}

struct Walk<'a> {
    vault: &'a Vault,
    visit: &'a mut dyn FnMut(Event),
    watch: &'a mut dyn FnMut(Reading),
    reading: Reading,
    walked: Walked,
    expected: Option<Expected>,
    previous: Option<PathBuf>,
    begun: bool,
}

impl Walk<'_> {
    fn segment(&mut self, mut scanner: Scanner, path: PathBuf) -> Result<(), ReadError> {
        self.check_continuity(&scanner, &path);
        let fresh = self.expected.is_none();
        self.begun = true;
        (self.visit)(Event::Segment { fresh });
        let key = self.data_key(&scanner, &path);
        let stop = self.records(&mut scanner, key.as_ref(), &path)?;
        let ledger = scanner.header().ledger;
        let (next, offset) = (scanner.next_sequence(), scanner.offset());
        self.expected = Some(Expected { ledger, next, offset });
        match stop {
            Stop::Clean => {}
            Stop::Torn => self.walked.notes.push(format!(
                "{}: record {next} at byte {offset} is torn, as a crash in mid-write leaves it; nothing was acknowledged of it",
                path.display()
            )),
            Stop::Damaged(damage) => self.lost(&path, &damage),
        }
        self.previous = Some(path);
        Ok(())
    }

    /// All records of one segment.
    fn records(
        &mut self,
        scanner: &mut Scanner,
        key: Option<&BodyKey>,
        path: &Path,
    ) -> Result<Stop, ReadError> {
        let ledger = scanner.header().ledger;
        let mut buffer = Vec::new();
        loop {
            let from = scanner.offset();
            let read = scanner.next(buffer).map_err(|source| ReadError::io(path, source))?;
            self.reading.read_bytes += scanner.offset() - from;
            (self.watch)(self.reading);
            let mut raw = match read {
                Ok(raw) => raw,
                Err(end) => return Ok(end),
            };
            if let Some(key) = key
                && let Err(damage) = self.visit_record(key, &ledger, &mut raw)
            {
                return Ok(Stop::Damaged(damage));
            }
            buffer = raw.sealed;
        }
    }

    fn visit_record(
        &mut self,
        key: &BodyKey,
        ledger: &LedgerId,
        raw: &mut Raw,
    ) -> Result<(), Damage> {
        let (sequence, offset) = (raw.sequence, raw.offset);
        let record = open_record(key, ledger, raw).map_err(|(rule, what)| Damage {
            rule,
            sequence,
            offset,
            what,
        })?;
        (self.visit)(Event::Record { sequence, record });
        Ok(())
    }

    /// The segment's data key, if it opens.
    fn data_key(&mut self, scanner: &Scanner, path: &Path) -> Option<BodyKey> {
        let header = scanner.header();
        let purpose = key_purpose(&header.ledger, header.first);
        let key = self.vault.unwrap_key(&purpose, &header.wrapped).ok();
        if key.is_none() {
            let what = "the segment's data key does not open: the header was changed, or it is another store's".to_owned();
            let damage = Damage { rule: "ledger.header", sequence: header.first, offset: 0, what };
            self.report(path, &damage);
        }
        key.map(|key| BodyKey::new(key.expose()))
    }

    fn check_continuity(&mut self, scanner: &Scanner, path: &Path) {
        let header = scanner.header();
        let Some(expected) = self.expected else {
            if !self.begun && header.first > 1 {
                self.walked.notes.push(format!(
                    "the ledger begins at record {}: earlier segments are gone, as retention removes them",
                    header.first
                ));
            }
            return;
        };
        let damage = if header.ledger != expected.ledger {
            place_of(scanner, "ledger.header", "it belongs to another ledger".to_owned())
        } else if header.first > expected.next {
            let what =
                format!("records {} to {} are missing after it", expected.next, header.first - 1);
            Damage { rule: "ledger.gap", sequence: expected.next, offset: expected.offset, what }
        } else if header.first < expected.next {
            let what = format!(
                "it begins again at record {}, the one before went on to {}",
                header.first,
                expected.next - 1
            );
            place_of(scanner, "ledger.fork", what)
        } else {
            return;
        };
        let at = if damage.rule == "ledger.gap" { self.previous.clone() } else { None };
        self.lost(&at.unwrap_or_else(|| path.to_owned()), &damage);
    }

    /// Damage after which nothing is continued.
    fn lost(&mut self, path: &Path, damage: &Damage) {
        self.report(path, damage);
        self.expected = None;
        self.begun = true;
    }

    fn report(&mut self, path: &Path, damage: &Damage) {
        if self.walked.findings.len() < FINDINGS_MAX {
            self.walked.findings.push(finding(path, damage));
        }
    }
}

/// Opens and parses one record; `Err` is the rule and what is wrong.
pub(crate) fn open_record(
    key: &BodyKey,
    ledger: &LedgerId,
    raw: &mut Raw,
) -> Result<Record, (&'static str, String)> {
    let place = Place { ledger: *ledger, sequence: raw.sequence, kind: raw.kind };
    let Some(body) = key.open(&place, &mut raw.sealed) else {
        return Err((
            "ledger.seal",
            "its seal does not open here: it was changed or moved".to_owned(),
        ));
    };
    serde_json::from_slice(body)
        .map_err(|_| ("ledger.record", "its body is no record that this version knows".to_owned()))
}

fn place_of(scanner: &Scanner, rule: &'static str, what: String) -> Damage {
    Damage { rule, sequence: scanner.header().first, offset: 0, what }
}

/// What an operator reads about damage.
pub(crate) fn finding(path: &Path, damage: &Damage) -> Finding {
    Finding::new(Severity::Critical, damage.rule, path.display().to_string())
        .evidence(format!(
            "record {} at byte {}: {}",
            damage.sequence, damage.offset, damage.what
        ))
        .advice("The segment was changed after it was written, or its disk is failing: keep a copy as evidence, compare it with a backup, and trust nothing after this record.")
}
