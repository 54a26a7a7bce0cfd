//! All segments in order: each record, the tree over them, and its tiles.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use surgewall_core::decision::Record;
use surgewall_store::ledger::OtherVersion;
use surgewall_store::ledger::read::Reading;
use surgewall_store::vault::Vault;

use super::VerifyError;
use super::records::Noted;
use super::report::Findings;
use super::seal::Opener;
use super::segment::{Entry, Fault, HeadFault, Segment, Step};
use super::tally::Tally;
use super::tiles::{TileFault, Tiles, WIDTH};
use super::tree::{Hash, Tree, of_leaf};

/// What one record takes in the log, in bytes: its entry and its leaf's hash.
const LOG_BYTES: u64 = 66;

/// The root of the tree at a size that somebody asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// The size.
    pub(super) size: u64,
    /// The root, where the tree was known at this size.
    pub(super) root: Option<Hash>,
}

/// A record whose leaf is not the log's: one of the two was changed.
pub(super) struct Differs {
    /// The record.
    pub(super) sequence: u64,
    /// Its segment and where it begins there; none where only the log has it.
    pub(super) segment: Option<(PathBuf, u64)>,
    /// The tile.
    pub(super) tile: PathBuf,
}

/// What the next segment must continue.
struct Expected {
    ledger: [u8; 16],
    next: u64,
    offset: u64,
    path: PathBuf,
}

/// A walk over the segments.
pub(super) struct Walk<'a> {
    vault: Option<&'a Vault>,
    watch: &'a mut dyn FnMut(Reading),
    reading: Reading,
    tiles: Option<Tiles>,
    begun: bool,
    expected: Option<Expected>,
    /// Whole records.
    pub(super) records: u64,
    /// The tree over all of them, and those before.
    pub(super) tree: Tree,
    /// The size at which the tree was last taken from a header, because the records
    /// before it do not lead there.
    pub(super) anchor: u64,
    /// The sizes at which the root is wanted.
    pub(super) marks: Vec<Mark>,
    /// The first record that differs from the log.
    pub(super) differs: Option<Differs>,
    /// Whether the last segment ended as segments end.
    pub(super) is_whole: bool,
    /// What the records add up to.
    pub(super) tally: Tally,
    /// What they say of the operator's records.
    pub(super) noted: Noted,
    /// Damage.
    pub(super) findings: Findings,
    /// Worth knowing.
    pub(super) notes: Vec<String>,
}

impl<'a> Walk<'a> {
    /// A walk that has not begun.
    pub(super) fn new(
        vault: Option<&'a Vault>,
        tiles: Option<Tiles>,
        marks: Vec<Mark>,
        watch: &'a mut dyn FnMut(Reading),
    ) -> Self {
        let mut walk = Self {
            vault,
            watch,
            reading: Reading::default(),
            tiles,
            begun: false,
            expected: None,
            records: 0,
            tree: Tree::default(),
            anchor: 0,
            marks,
            differs: None,
            is_whole: true,
            tally: Tally::default(),
            noted: Noted::default(),
            findings: Findings::default(),
            notes: Vec::new(),
        };
        walk.mark();
        walk
    }

    /// Reads all segments of `directory`.
    pub(super) fn read(&mut self, directory: &Path) -> Result<(), VerifyError> {
        let listed = segments(directory).map_err(|source| VerifyError::io(directory, source))?;
        let sizes = listed.iter().filter_map(|(_, path)| fs::metadata(path).ok());
        let before = listed.first().map_or(0, |(first, _)| first.saturating_sub(1));
        self.reading.total_bytes = sizes.map(|file| file.len()).sum();
        if self.tiles.as_ref().is_some_and(|tiles| tiles.size() >= before) {
            self.reading.total_bytes += before * LOG_BYTES;
        }
        for (first, path) in listed {
            match Segment::open(&path, first) {
                Ok(Ok(segment)) => self.segment(segment, path)?,
                Ok(Err(HeadFault::Newer(version))) => {
                    return Err(OtherVersion::Newer { path, version }.into());
                }
                Ok(Err(HeadFault::Older(version))) => {
                    return Err(OtherVersion::Older { path, version }.into());
                }
                Ok(Err(HeadFault::Damaged(what))) => self.lost(&path, &at_head(first, what)),
                // Retention removed it since it was listed: it goes from the oldest on.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.begun => {}
                Err(source) => return Err(VerifyError::io(&path, source)),
            }
        }
        Ok(())
    }

    fn segment(&mut self, mut segment: Segment, path: PathBuf) -> Result<(), VerifyError> {
        self.connect(&segment, &path);
        self.tally.segment(self.expected.is_none());
        self.begun = true;
        let opener = self.opener(&segment, &path);
        let fault = self.records(&mut segment, opener.as_ref(), &path)?;
        let (next, offset) = (segment.next_sequence(), segment.offset());
        self.expected = Some(Expected { ledger: segment.head().ledger, next, offset, path });
        self.is_whole = fault.is_none();
        if let Some((fault, path)) = fault {
            self.lost(&path, &fault);
        }
        Ok(())
    }

    /// Reads the records of one segment; what ended it before its end.
    fn records(
        &mut self,
        segment: &mut Segment,
        opener: Option<&Opener>,
        path: &Path,
    ) -> Result<Option<(Fault, PathBuf)>, VerifyError> {
        loop {
            let from = segment.offset();
            let bad = match segment.step().map_err(|source| VerifyError::io(path, source))? {
                Step::Record(entry) => self.record(entry, opener, path).err(),
                Step::End => return Ok(None),
                Step::Torn => {
                    self.notes.push(format!(
                        "{}: record {} at byte {from} is torn, as a crash in mid-write leaves it; nothing was acknowledged of it",
                        path.display(),
                        segment.next_sequence()
                    ));
                    return Ok(None);
                }
                Step::Bad(fault) => Some(fault),
            };
            if let Some(fault) = bad {
                return Ok(Some((fault, path.to_owned())));
            }
            self.step(segment.offset() - from);
        }
    }

    /// Takes in one record: its body, its sums, its leaf.
    fn record(
        &mut self,
        entry: Entry<'_>,
        opener: Option<&Opener>,
        path: &Path,
    ) -> Result<(), Fault> {
        let Entry { sequence, offset, kind, leaf, salt, sealed } = entry;
        let fault = |rule, what: &str| Fault { rule, sequence, offset, what: what.to_owned() };
        let claim = self.noted.entry(sequence, kind, &salt);
        if let Some(opener) = opener {
            let body = opener.open(sequence, kind, sealed).ok_or_else(|| {
                fault("ledger.seal", "its seal does not open here: it was changed or moved")
            })?;
            let record: Record = serde_json::from_slice(body).map_err(|_| {
                fault("ledger.record", "its body is no record that this version knows")
            })?;
            // A broken law is reported and reading goes on: the file itself is sound.
            if let Err(what) = self.tally.record(&record) {
                self.findings.record(path, &fault("ledger.sums", &what));
            }
            if claim.is_some_and(|claim| !claim.is_of(&record)) {
                let what = "its salt does not say of the operator's records what its body says";
                self.findings.record(path, &fault("ledger.salt", what));
            }
        }
        self.leaf(&leaf, Some((path, offset)));
        self.records += 1;
        Ok(())
    }

    /// Adds the next leaf to the tree and compares it with the log's.
    fn leaf(&mut self, leaf: &Hash, segment: Option<(&Path, u64)>) {
        let mut fault = None;
        if let (Some(tiles), Some(_)) = (&mut self.tiles, segment) {
            fault = tiles.entry(self.tree.size(), leaf).err();
        }
        let tiles = &mut self.tiles;
        self.tree.push(of_leaf(leaf), |height, index, hash| {
            if let Some(tiles) = tiles
                && let Err(differs) = tiles.node(height, index, hash)
            {
                fault.get_or_insert(differs);
            }
        });
        if let Some(fault) = fault {
            self.tile(fault, segment);
        }
        self.mark();
    }

    /// A tile is missing, or it is not what the records say.
    fn tile(&mut self, fault: TileFault, segment: Option<(&Path, u64)>) {
        let TileFault { path, leaf, is_missing } = fault;
        let sequence = leaf + 1;
        if is_missing {
            let what = "the tile over it is missing or cut, and the checkpoint covers it";
            self.findings.log(&path, "ledger.tile", Some(sequence), what);
        } else if self.differs.is_none() {
            // Whose fault it is shows when the whole tree is known.
            let segment = segment.map(|(path, offset)| (path.to_owned(), offset));
            self.differs = Some(Differs { sequence, segment, tile: path });
        }
    }

    /// Keeps the root where somebody asked for it.
    fn mark(&mut self) {
        let Self { marks, tree, .. } = self;
        for mark in marks.iter_mut().filter(|mark| mark.size == tree.size()) {
            mark.root.get_or_insert_with(|| tree.root());
        }
    }

    /// Holds the segment against what came before it.
    fn connect(&mut self, segment: &Segment, path: &Path) {
        let head = segment.head();
        if !self.begun && head.first > 1 {
            self.notes.push(format!(
                "the ledger begins at record {}: earlier segments are gone, as retention removes them",
                head.first
            ));
            self.before(head.first - 1);
        }
        let fault = |rule, what: &str| Fault { rule, ..at_head(head.first, what) };
        let found = match &self.expected {
            None => None,
            Some(expected) if head.ledger != expected.ledger => {
                Some((fault("ledger.header", "it belongs to another ledger"), path))
            }
            Some(Expected { next, offset, path, .. }) if head.first > *next => {
                let what = format!("records {next} to {} are missing after it", head.first - 1);
                let gap = Fault { rule: "ledger.gap", sequence: *next, offset: *offset, what };
                Some((gap, path.as_path()))
            }
            Some(Expected { next, .. }) if head.first < *next => {
                let what = format!(
                    "it begins again at record {}, the one before went on to {}",
                    head.first,
                    next - 1
                );
                Some((fault("ledger.fork", &what), path))
            }
            Some(_) => None,
        };
        let found = found.map(|(fault, path)| (fault, path.to_owned()));
        let is_known = self.expected.is_some() || !self.begun;
        if let Some((fault, path)) = found {
            self.lost(&path, &fault);
        } else if is_known && self.tree.size() + 1 == head.first && self.tree != head.before {
            let what = "it does not continue the tree of the records before it";
            self.lost(path, &fault("ledger.tree", what));
        }
        if self.tree != head.before {
            self.tree = head.before.clone();
            self.anchor = self.tree.size();
            self.mark();
        }
    }

    /// Takes the leaves of the first `size` records from the log: their segments
    /// are gone.
    fn before(&mut self, size: u64) {
        let Some(tiles) = &self.tiles else { return };
        if tiles.size() < size {
            return;
        }
        let mut bundle = 0;
        while self.tree.size() < size {
            let leaves = match self.tiles.as_ref().map(|tiles| tiles.leaves(bundle)) {
                Some(Ok(leaves)) => leaves,
                Some(Err(fault)) => return self.tile(fault, None),
                None => return,
            };
            for leaf in &leaves {
                if self.tree.size() < size {
                    self.leaf(leaf, None);
                }
            }
            self.step(WIDTH * LOG_BYTES);
            bundle += 1;
        }
    }

    /// What opens the bodies, if the master key is here and it is the right one.
    fn opener(&mut self, segment: &Segment, path: &Path) -> Option<Opener> {
        let opener = Opener::new(self.vault?, segment.head());
        if opener.is_none() {
            let what = "the segment's data key does not open: the header was changed, or it is another store's";
            self.findings.record(path, &at_head(segment.head().first, what));
        }
        opener
    }

    /// Damage after which nothing is continued.
    fn lost(&mut self, path: &Path, fault: &Fault) {
        self.findings.record(path, fault);
        self.expected = None;
        self.begun = true;
        self.is_whole = false;
    }

    fn step(&mut self, bytes: u64) {
        let Reading { read_bytes, total_bytes } = &mut self.reading;
        *read_bytes = (*read_bytes + bytes).min(*total_bytes);
        (self.watch)(self.reading);
    }
}

fn at_head(first: u64, what: &str) -> Fault {
    Fault { rule: "ledger.header", sequence: first, offset: 0, what: what.to_owned() }
}

/// The segments in `directory`: first record and path, ascending.
pub(super) fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_segment = path.extension().is_some_and(|end| end == "seg") && stem.len() == 20;
        if let (true, Ok(first)) = (is_segment, stem.parse()) {
            found.push((first, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}
