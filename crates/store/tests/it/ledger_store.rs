//! What the ledger's tests share: a store with a ledger, records, and a crash.

use std::fs;
use std::path::{Path, PathBuf};

use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::config::schema::Durability;
use surgewall_core::decision::{Admitted, Changed, Outcome, Progress, Record, Settled, Who};
use surgewall_core::flow::{Carried, Went};
use surgewall_core::id::{AccountId, GroupId, KeyId, RequestId};
use surgewall_core::principal::{Class, DelegatedUser, Network};
use surgewall_core::quota::{Amounts, Charge, Meter, Subject};
use surgewall_core::usage::{Source, Usage};
use surgewall_scan::ledger::{Verification, verify};
use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::read::export;
use surgewall_store::ledger::{Ledger, LedgerOptions, Recovered};
use surgewall_store::vault::Vault;
use tempfile::TempDir;

/// When the tests happen.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// The window of the counters that requests are charged to.
pub(crate) const WINDOW_S: u64 = 3_600;

/// A data directory with a vault, and the options its ledger is opened with.
pub(crate) struct Store {
    pub(crate) base: TempDir,
    pub(crate) directory: DataDir,
    pub(crate) vault: Vault,
    pub(crate) options: LedgerOptions,
    pub(crate) clock: ManualClock,
}

impl Store {
    pub(crate) fn new() -> Self {
        let base = scratch();
        let directory = DataDir::open_or_create(&base.path().join("data")).unwrap();
        let vault = Vault::open_or_create(&directory, Some(&base.path().join("key"))).unwrap();
        let clock = ManualClock::new(START);
        let options = LedgerOptions {
            durability: Durability::Process,
            bytes_max: 1 << 30,
            retention_days: 400,
            segment_bytes_max: 64 << 20,
            clock: Clock::Manual(clock.clone()),
            tap: None,
        };
        Self { base, directory, vault, options, clock }
    }

    pub(crate) fn open(&self) -> (Ledger, Recovered) {
        Ledger::open(&self.directory, &self.vault, self.options.clone()).unwrap()
    }

    /// The door dies now: what is in the files (as the kernel holds them) is
    /// what the next start finds, whatever this process still writes.
    pub(crate) fn crash(&self, ledger: Ledger) {
        let kept = self.snapshot();
        drop(ledger);
        fs::remove_dir_all(self.directory.ledger()).unwrap();
        for (path, bytes) in kept {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// All files of the ledger, as they are at one moment between two checkpoints.
    fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        loop {
            let checkpoint = fs::read(self.checkpoint()).ok();
            let mut files = files(&self.directory.ledger());
            files.retain(|path| path.extension().is_none_or(|end| end != "new"));
            let kept: Vec<_> = files.into_iter().map(|p| (p.clone(), fs::read(p))).collect();
            let whole = kept.iter().all(|(_, read)| read.is_ok());
            if whole && fs::read(self.checkpoint()).ok() == checkpoint {
                return kept.into_iter().map(|(path, read)| (path, read.unwrap())).collect();
            }
        }
    }

    /// The last segment loses its end: of what follows its opening and was not
    /// signed yet, `kept` of 256 parts stay.
    pub(crate) fn cut(&self, kept: u8) {
        let path = self.segments().pop().unwrap();
        let bytes = fs::read(&path).unwrap();
        let safe = (self.signed() + 1).saturating_sub(first_of(&path));
        let safe = boundaries(&bytes)[usize::try_from(safe).unwrap()].max(opening_bytes(&bytes));
        let stays = safe + (bytes.len() - safe) * usize::from(kept) / 256;
        fs::write(path, &bytes[..stays]).unwrap();
    }

    /// The checkpoint's file.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.directory.ledger().join("log/checkpoint")
    }

    /// The log was never written.
    pub(crate) fn forget_log(&self) {
        fs::remove_dir_all(self.directory.ledger().join("log")).ok();
    }

    /// How many records the checkpoint covers.
    pub(crate) fn signed(&self) -> u64 {
        let note = fs::read_to_string(self.checkpoint()).unwrap_or_default();
        note.lines().nth(1).map_or(0, |size| size.parse().unwrap())
    }

    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> =
            fs::read_dir(self.directory.ledger()).unwrap().map(|e| e.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "seg"));
        paths.sort();
        paths
    }

    pub(crate) fn verify(&self) -> Verification {
        verify(&self.directory.ledger(), Some(&self.vault)).unwrap()
    }

    pub(crate) fn verify_blind(&self) -> Verification {
        verify(&self.directory.ledger(), None).unwrap()
    }

    pub(crate) fn records(&self) -> Vec<(u64, Record)> {
        let mut records = Vec::new();
        let findings = export(&self.directory.ledger(), &self.vault, |n, r| records.push((n, r)));
        assert_eq!(findings.unwrap(), []);
        records
    }

    /// All requests that ended, how, in order.
    pub(crate) fn settlements(&self) -> Vec<Settled> {
        let records = self.records().into_iter();
        let settled = records.filter_map(|(_, record)| match record {
            Record::Settled(settled) => Some(*settled),
            _ => None,
        });
        settled.collect()
    }
}

/// All files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            _ => found.push(entry.path()),
        }
    }
    found
}

/// The number of the first record in the segment at `path`.
pub(crate) fn first_of(path: &Path) -> u64 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

/// The length of a segment's header.
pub(crate) fn header_bytes(segment: &[u8]) -> usize {
    let wrapped = usize::from(u16::from_le_bytes([segment[38], segment[39]]));
    let first = u64::from_le_bytes(*segment[26..].first_chunk().unwrap());
    40 + wrapped + 32 * usize::try_from((first - 1).count_ones()).unwrap() + 4
}

/// Where the records of a segment begin, and its end.
pub(crate) fn boundaries(segment: &[u8]) -> Vec<usize> {
    let mut at = header_bytes(segment);
    let mut starts = vec![at];
    while at < segment.len() {
        let Some(length) = segment[at..].first_chunk::<4>() else { break };
        at += 8 + usize::try_from(u32::from_le_bytes(*length)).unwrap();
        starts.push(at);
    }
    starts
}

/// The length of a segment's header and opening records.
pub(crate) fn opening_bytes(segment: &[u8]) -> usize {
    boundaries(segment)[usize::from(segment[34])]
}

/// A directory in memory where there is one: these tests sync thousands of times.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn request(n: u128) -> RequestId {
    RequestId::from_u128(n)
}

pub(crate) fn amounts(input: u64, output: u64) -> Amounts {
    Amounts { input, output, money: input + 2 * output }
}

/// Who request `n` belongs to: one of three keys, accounts and users.
pub(crate) fn who(n: u128) -> Who {
    let id = 1 + n % 3;
    Who {
        class: Class::Verified,
        key: Some(KeyId::from_u128(id)),
        account: Some(AccountId::from_u128(10 + id)),
        group: Some(GroupId::from_u128(20)),
        user: Some(DelegatedUser(id)),
        network: Network::of("192.0.2.1".parse().unwrap()),
    }
}

pub(crate) fn charges(n: u128, reserved: Amounts) -> Vec<Charge> {
    let subject = Subject::Key(KeyId::from_u128(1 + n % 3));
    let charge = |meter, counter, window_s| Charge {
        subject,
        counter,
        meter,
        window_s,
        slot_ms: START.millis(),
        amount: reserved.on(meter),
    };
    vec![
        charge(Meter::Requests, 1, WINDOW_S),
        charge(Meter::TotalTokens, 2, WINDOW_S),
        charge(Meter::Money, 3, WINDOW_S),
        charge(Meter::Concurrency, 4, 0),
    ]
}

/// Admission of request `n`, which reserves 10 input and 90 output tokens.
pub(crate) fn admitted(n: u128) -> Record {
    let reserved = amounts(10, 90);
    Record::Admitted(Box::new(Admitted {
        request_id: request(n),
        at: START,
        who: who(n),
        route: "chat".into(),
        dialect: "openai".into(),
        model: "tiny-model".into(),
        reserved,
        charges: charges(n, reserved),
        carried: Carried::default(),
        config: "0123456789abcdef".into(),
    }))
}

pub(crate) fn progress(n: u128, output: u64, topped_up: u64) -> Record {
    let requests = vec![Progress {
        request_id: request(n),
        used: amounts(10, output),
        topped_up: amounts(0, topped_up),
    }];
    Record::Progress { at: START, requests }
}

/// The end of request `n` after `output` tokens.
pub(crate) fn settled(n: u128, output: u64) -> Record {
    let (reserved, used) = (amounts(10, 90), amounts(10, output));
    let topped_up = used.beyond(&reserved);
    Record::Settled(Box::new(Settled {
        request_id: request(n),
        at: START,
        outcome: Outcome::Completed,
        why: None,
        usage: Usage { input: 10, output, ..Usage::default() },
        source: Source::Upstream,
        cost: used.money,
        reserved,
        topped_up,
        settled: used,
        refunded: reserved.plus(&topped_up).beyond(&used),
        upstream: Some("secret-upstream".into()),
        went: Went::default(),
        attempts: 1,
        status: 200,
        first_byte_ms: Some(3),
        duration_ms: 5,
    }))
}

pub(crate) fn changed(action: &str) -> Record {
    Record::Changed(Changed { at: START, action: action.into(), subject: None, detail: None })
}
