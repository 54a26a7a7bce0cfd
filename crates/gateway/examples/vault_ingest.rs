//! Events through redaction, sealing, ledger and proofs, each acknowledged after
//! its batch's fdatasync; then one account of a fifth of them is erased. For
//! `benches/vault_ingest.sh`.
//!
//! ```text
//! vault_ingest lines EVENTS                  the events as lines of JSON, for a peer
//! vault_ingest store FOLDER EVENTS [SECONDS] records them in FOLDER; stops after so many seconds
//! ```
#![expect(clippy::print_stdout, reason = "its results are for a script")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and its own counters")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufWriter, Write as _, stdout};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::config::schema;
use surgewall_core::decision::{Outcome, Record};
use surgewall_core::id::{AccountId, RequestId};
use surgewall_core::subject::Subject;
use surgewall_gateway::recording::redaction;
use surgewall_guard::rules::RuleSet;
use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::read::export;
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::records::{
    Cursor, Event, Records, RecordsError, RecordsOptions, RecordsReader, Said,
};
use surgewall_store::vault::Vault;

type Failed = Box<dyn Error>;

/// One event as a line of JSON, its line end aside.
const LINE_BYTES: usize = 556;
/// Different pairs of texts; more would not fit in memory beside the rest.
const TEXTS: usize = 100_000;
/// Accounts besides the one that has a fifth of all events.
const ACCOUNTS: u64 = 1_000;
/// One text in so many holds a secret.
const SECRET_EVERY: usize = 100;
const START_MS: u64 = 1_790_000_000_000;

fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lines", events] => lines(events.parse()?),
        ["store", folder, events] => store(Path::new(folder), events.parse()?, None),
        ["store", folder, events, seconds] => {
            let seconds = Duration::from_secs(seconds.parse()?);
            store(Path::new(folder), events.parse()?, Some(seconds))
        }
        _ => Err("lines EVENTS, or store FOLDER EVENTS [SECONDS]".into()),
    }
}

fn lines(events: u64) -> Result<(), Failed> {
    let mut out = BufWriter::new(stdout().lock());
    let mut events_made = Events::new();
    for _ in 0..events {
        writeln!(out, "{}", line(&events_made.next()))?;
    }
    Ok(out.flush()?)
}

fn store(folder: &Path, events: u64, seconds: Option<Duration>) -> Result<(), Failed> {
    let directory = DataDir::open_or_create(&folder.join("data"))?;
    let vault = Vault::open_or_create(&directory, Some(&folder.join("key")))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut made = Events::new();
    runtime.block_on(async {
        let options = LedgerOptions::new(&schema::Ledger::default(), Clock::System);
        let (ledger, _) = Ledger::open(&directory, &vault, options)?;
        let mut config = schema::Vault::default();
        if seconds.is_none() {
            config.record_bytes_max = u64::MAX;
        }
        let options = RecordsOptions::new(&config, Clock::System);
        let redact = Arc::new(redaction(&vault, Arc::new(RuleSet::builtin()?))?);
        let records = Records::open(&directory, &vault, ledger.clone(), redact, options).await?;
        let (cpu, wall) = (cpu_s(), Instant::now());
        let count = ingest(&records, &mut made, events, seconds).await?;
        let (cpu, wall) = (cpu_s() - cpu, wall.elapsed().as_secs_f64());
        records.shutdown().await?;
        ledger.shutdown().await?;
        let bytes = bytes_of(folder)?;
        let mut reader =
            RecordsReader::open(&directory, &vault).await?.ok_or("nothing was recorded")?;
        let (batches, proved) = prove(&mut reader, &directory, &vault).await?;
        let (found, leaked) = read(&mut reader, &made).await?;
        let (erase_cpu, erase_wall) = (cpu_s(), Instant::now());
        let erased_keys = vault.erase(large())?.keys;
        let (erase_cpu, erase_wall) = (cpu_s() - erase_cpu, erase_wall.elapsed().as_secs_f64());
        let mut cursor = Cursor::default();
        let erased = reader.next(large(), &mut cursor).await?.is_some_and(|f| f.events.is_err());
        println!(
            "{{\"events\":{count},\"cpu_us_per_event\":{:.3},\"wall_s\":{wall:.2},\"events_per_s\":{:.0},\
             \"bytes\":{bytes},\"batches\":{batches},\"batches_proved\":{proved},\"large_account_events\":{found},\"secrets_planted\":{},\"secrets_leaked\":{leaked},\
             \"erase_cpu_s\":{erase_cpu:.3},\"erase_wall_s\":{erase_wall:.5},\"erased_is_unreadable\":{erased},\"erased_keys\":{erased_keys},\
             \"peak_memory_kib\":{}}}",
            cpu * 1e6 / count as f64,
            count as f64 / wall,
            made.planted,
            peak_memory_kib(),
        );
        Ok(())
    })
}

/// Records events until there are enough, or time is up; how many. Batches are
/// written in order: the last event's answer is all events' answer.
async fn ingest(
    records: &Records,
    made: &mut Events,
    events: u64,
    seconds: Option<Duration>,
) -> Result<u64, Failed> {
    let started = Instant::now();
    for count in 1..=events {
        let event = made.next();
        // On a machine that is busy with other things the disk may take its time.
        let room = loop {
            match records.room(event.bytes()).await {
                Err(RecordsError::Busy) => {}
                room => break room?,
            }
        };
        let is_last = count == events
            || (count % 1_024 == 0 && seconds.is_some_and(|most| started.elapsed() >= most));
        if is_last {
            records.append(room, event).await?;
            return Ok(count);
        }
        records.append_detached(room, event);
    }
    Ok(0)
}

/// How many batches there are, and of how many the sealed blocks give the root that
/// the ledger has.
async fn prove(
    reader: &mut RecordsReader,
    directory: &DataDir,
    vault: &Vault,
) -> Result<(usize, usize), Failed> {
    let mut roots = BTreeMap::new();
    let damage = export(&directory.ledger(), vault, |_, record| {
        if let Record::Stored(stored) = record {
            roots.insert(stored.batch, stored.root);
        }
    })?;
    if !damage.is_empty() {
        return Err("the ledger does not verify".into());
    }
    let (batches, mut proved) = (reader.batches().await?, 0);
    for batch in &batches {
        proved += usize::from(roots.get(batch) == Some(&reader.root(*batch).await?));
    }
    Ok((batches.len(), proved))
}

/// The events of the account that is erased later, and how many of them hold a
/// secret that was planted.
async fn read(reader: &mut RecordsReader, made: &Events) -> Result<(u64, u64), Failed> {
    let (mut found, mut leaked, mut cursor) = (0, 0, Cursor::default());
    while let Some(block) = reader.next(large(), &mut cursor).await? {
        for event in block.events? {
            found += 1;
            let holds = |text: &str| made.secrets.iter().any(|secret| text.contains(secret));
            leaked += u64::from(event.request.text.contains("hold ") && holds(&event.request.text));
        }
    }
    Ok((found, leaked))
}

fn large() -> Subject {
    Subject::Account(AccountId::from_u128(0))
}

/// Seeded events: the handbook's words, drawn by how often they stand there.
struct Events {
    random: Random,
    texts: Vec<(String, String)>,
    secrets: Vec<String>,
    nth: u64,
    planted: u64,
}

impl Events {
    fn new() -> Self {
        const PAGES: [&str; 4] = [
            include_str!("../../../docs/admission.md"),
            include_str!("../../../docs/keys.md"),
            include_str!("../../../docs/operations.md"),
            include_str!("../../../docs/threat-model.md"),
        ];
        let words: Vec<&str> =
            PAGES.iter().flat_map(|page| page.split_ascii_whitespace()).collect();
        let words: Vec<String> = words.iter().map(|word| word.replace(['"', '\\'], "")).collect();
        let mut random = Random(1);
        let mut secrets = Vec::new();
        let mut text = |bytes: usize, secret: Option<String>| {
            let mut text = secret.map_or(String::new(), |secret| format!("hold {secret} "));
            while text.len() < bytes {
                text.push_str(&words[random.below(words.len())]);
                text.push(' ');
            }
            let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
            // A character that was cut off leaves room.
            text + &" ".repeat(bytes - end)
        };
        let mut keys = Random(2);
        let room = LINE_BYTES - line(&event(0, 0, (String::new(), String::new()))).len();
        let texts = (0..TEXTS).map(|nth| {
            let secret = nth.is_multiple_of(SECRET_EVERY).then(|| keys.secret());
            secrets.extend(secret.clone());
            (text(room / 3, secret), text(room - room / 3, None))
        });
        let texts = texts.collect();
        Self { random: Random(3), texts, secrets, nth: 0, planted: 0 }
    }

    fn next(&mut self) -> Event {
        let account = if self.random.below(5) == 0 { 0 } else { 1 + self.random.next() % ACCOUNTS };
        let text = self.random.below(TEXTS);
        self.planted += u64::from(text.is_multiple_of(SECRET_EVERY));
        self.nth += 1;
        event(self.nth, account, self.texts[text].clone())
    }
}

fn event(nth: u64, account: u64, (request, answer): (String, String)) -> Event {
    Event {
        // Ids are random: they do not compress.
        request_id: RequestId::from_u128(
            u128::from(Random(nth).next()) << 64 | u128::from(Random(!nth).next()),
        ),
        at: Timestamp::from_millis(START_MS + nth / 50),
        subject: Subject::Account(AccountId::from_u128(account.into())),
        region: "eu".to_owned(),
        model: "deepseek-chat".to_owned(),
        dialect: "openai".to_owned(),
        outcome: Outcome::Completed,
        input_tokens: 40,
        output_tokens: 60,
        request: Said { text: request, cut: false },
        answer: Said { text: answer, cut: false },
    }
}

/// The event as a peer is given it; all lines are equally long.
fn line(event: &Event) -> String {
    let Subject::Account(account) = event.subject else { return String::new() };
    format!(
        "{{\"at\":{},\"request_id\":\"{:032x}\",\"account\":\"user{:06}\",\"model\":\"{}\",\"dialect\":\"{}\",\
         \"outcome\":\"{}\",\"input_tokens\":{},\"output_tokens\":{},\"request\":\"{}\",\"answer\":\"{}\"}}",
        event.at.millis(),
        event.request_id.as_u128(),
        account.as_u128(),
        event.model,
        event.dialect,
        event.outcome.as_str(),
        event.input_tokens,
        event.output_tokens,
        event.request.text,
        event.answer.text,
    )
}

/// A generator that is the same on every machine (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }

    /// A secret of one of the well-known forms.
    fn secret(&mut self) -> String {
        const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let (prefix, alphabet, len) = [
            ("AKIA", UPPER, 16),
            ("ghp_", MIXED, 36),
            ("sk-ant-api03-", MIXED, 93),
            ("glpat-", MIXED, 20),
            ("npm_", MIXED, 36),
        ][self.below(5)];
        let mut digit = || char::from(alphabet[self.below(alphabet.len())]);
        let tail: String = (0..len).map(|_| digit()).collect();
        format!("{prefix}{tail}")
    }
}

/// Processor seconds of this process, all threads, user and system.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    // USER_HZ is 100 on every Linux that is supported.
    ticks / 100.0
}

fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Bytes of all files below `folder`.
fn bytes_of(folder: &Path) -> Result<u64, Failed> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let (path, metadata) = entry.map(|entry| (entry.path(), entry.metadata()))?;
        let metadata = metadata?;
        bytes += if metadata.is_dir() { bytes_of(&path)? } else { metadata.len() };
    }
    Ok(bytes)
}
