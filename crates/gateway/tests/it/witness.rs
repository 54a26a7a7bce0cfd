//! A witness of the ledger: what it is asked, what it says, and what the door makes
//! of that. Its double holds every proof against the verifier of `check ledger`.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use surgewall_core::config::witness::{Witness, WitnessKey};
use surgewall_core::finding::State;
use surgewall_gateway::witness::Asking;
use surgewall_scan::ledger::{Means, NoteKey, WitnessKey as ScanKey, check_proof, verify_with};
use surgewall_store::admin::KeyCreate;
use surgewall_store::findings::{FindingView, InboxReply, InboxRequest};
use surgewall_store::ledger::read::CONSISTENCY_FORMAT;
use surgewall_store::ledger::read::witness::seen;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::TestDoor;

const NAME: &str = "witness.example/w1";
/// When the double says that it saw a checkpoint, in seconds since the epoch.
const AT: u64 = 1_790_000_000;
/// A door signs a checkpoint every five seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the double saw, and what it does wrong.
#[derive(Default)]
struct Memory {
    /// The key of the log that it knows.
    log: Option<NoteKey>,
    /// The last checkpoint that it countersigned, and its size.
    note: Option<String>,
    size: u64,
    /// The hashes of each proof that held.
    proofs: Vec<usize>,
    asked: u32,
    signs_by_another_key: bool,
    is_away: bool,
}

#[derive(Clone)]
struct Double {
    url: String,
    memory: Arc<Mutex<Memory>>,
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

/// Key id, and the key as the witness publishes it.
fn published(pair: &Ed25519KeyPair) -> ([u8; 4], String) {
    let typed = [&[4], pair.public_key().as_ref()].concat();
    let named = [NAME.as_bytes(), b"\n", &typed].concat();
    let id: [u8; 4] = digest(&SHA256, &named).as_ref()[..4].try_into().unwrap();
    (id, format!("{NAME}+{:08x}+{}", u32::from_be_bytes(id), STANDARD.encode(typed)))
}

impl Double {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/w1", listener.local_addr().unwrap());
        let double = Self { url, memory: Arc::default() };
        let serves = double.clone();
        #[expect(clippy::disallowed_methods, reason = "nobody drains a double")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serves.serve(stream).await;
            }
        });
        double
    }

    fn remembers<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> T {
        look(&mut self.memory.lock().unwrap())
    }

    fn key() -> String {
        published(&pair(1)).1
    }

    fn witness(&self) -> Witness {
        let key = WitnessKey::try_from(Self::key()).unwrap();
        Witness { url: self.url.clone(), key }
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let (head, body) = loop {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse::<usize>().unwrap() {
                break (head.to_owned(), body.to_owned());
            }
        };
        assert!(head.starts_with("POST /w1/add-checkpoint HTTP/1.1"), "{head}");
        let (status, kind, text) = self.remembers(|memory| memory.answer(&body));
        let answer = format!(
            "HTTP/1.1 {status} So\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
            text.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

impl Memory {
    /// As the specification says: <https://c2sp.org/tlog-witness>.
    fn answer(&mut self, body: &str) -> (u16, &'static str, String) {
        const PLAIN: &str = "text/plain";
        self.asked += 1;
        if self.is_away {
            return (503, PLAIN, String::new());
        }
        let (first, note) = body.split_once("\n\n").unwrap();
        let mut lines = first.lines();
        let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
        let path: Vec<Vec<u8>> = lines.map(|line| STANDARD.decode(line).unwrap()).collect();
        if old != self.size {
            return (409, "text/x.tlog.size", format!("{}\n", self.size));
        }
        let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
        if let Some(before) = &self.note {
            let hex = |hash: &Vec<u8>| hash.iter().map(|byte| format!("{byte:02x}")).collect();
            let path: Vec<String> = path.iter().map(hex).collect();
            let log = self.log.as_ref().unwrap();
            let proof = json!({
                "format": CONSISTENCY_FORMAT, "key": log.to_string(), "from": old,
                "checkpoint": note, "path": path,
            });
            if check_proof(&proof.to_string(), log, Some(before)).is_err() {
                return (422, PLAIN, String::new());
            }
        }
        self.proofs.push(path.len());
        (self.note, self.size) = (Some(note.to_owned()), size);
        let (text, _) = note.rsplit_once("\n\n").unwrap();
        let signed = format!("cosignature/v1\ntime {AT}\n{text}\n");
        let signer = pair(if self.signs_by_another_key { 2 } else { 1 });
        let (id, _) = published(&pair(1));
        let signature = signer.sign(signed.as_bytes());
        let line = [id.as_slice(), &AT.to_be_bytes(), signature.as_ref()].concat();
        (200, PLAIN, format!("\u{2014} {NAME} {}\n", STANDARD.encode(line)))
    }
}

/// A door that nobody asks to ask: its own configuration names no witness.
async fn begin() -> (TestDoor, Double, Asking) {
    let (door, double) = (TestDoor::start("").await, Double::start().await);
    let vault = &door.door().vault;
    let log = NoteKey::new(&format!("surgewall/{}", vault.store_id()), vault.verifying_key());
    double.remembers(|memory| memory.log = Some(log));
    let asking = Asking::new(double.witness()).unwrap();
    (door, double, asking)
}

/// Something that the ledger has.
async fn something_happens(door: &TestDoor) {
    let name = surgewall_core::random::base62(8);
    door.key(KeyCreate { name, ..KeyCreate::default() }).await;
}

/// Asks until the witness saw more than `before`.
async fn ask_past(before: u64, door: &TestDoor, double: &Double, asking: &mut Asking) -> u64 {
    let asks = async {
        loop {
            asking.ask(door.door()).await;
            let size = double.remembers(|memory| memory.size);
            if size > before {
                return size;
            }
            something_happens(door).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asks).await.expect("the witness is asked")
}

async fn inbox(door: &TestDoor) -> Vec<FindingView> {
    let door = door.door();
    let request = InboxRequest::List { states: vec![State::Open], after: None };
    match door.findings.ask(None, &door.rules, request, door.clock.now()).await.unwrap() {
        InboxReply::Page(page) => page.rows,
        InboxReply::One(_) => panic!("one"),
    }
}

async fn rules(door: &TestDoor) -> Vec<String> {
    inbox(door).await.into_iter().map(|view| view.finding.rule).collect()
}

#[tokio::test]
async fn each_checkpoint_is_proven_to_continue_the_last_and_its_countersignature_is_kept() {
    let (door, double, mut asking) = begin().await;
    let first = ask_past(0, &door, &double, &mut asking).await;
    let second = ask_past(first, &door, &double, &mut asking).await;
    double.remembers(|memory| {
        assert_eq!(memory.proofs.len(), 2);
        assert!(memory.proofs[0] == 0 && memory.proofs[1] > 0, "{:?}", memory.proofs);
    });
    let vault = door.door().vault.clone();
    let known = |key: &WitnessKey| seen(vault.directory(), &vault, key);
    assert_eq!(known(&double.witness().key), second);
    // Who begins anew goes on where it was.
    let mut again = Asking::new(double.witness()).unwrap();
    again.ask(door.door()).await;
    // Who forgot it is told.
    let kept = vault.directory().ledger().join("log/witnessed");
    let older = kept.with_extension("old");
    fs::copy(&kept, &older).unwrap();
    fs::remove_file(&kept).unwrap();
    let mut forgetful = Asking::new(double.witness()).unwrap();
    let third = ask_past(second, &door, &double, &mut forgetful).await;
    assert_eq!(known(&double.witness().key), third);
    assert!(rules(&door).await.is_empty());
    // And who checks the ledger sees it.
    let (data, witness) = (vault.directory().ledger(), Double::key().parse::<ScanKey>().unwrap());
    let means = Means { vault: Some(&vault), witness: Some(&witness), ..Means::default() };
    let check = || verify_with(&data, &means, &mut |_| {}).unwrap();
    let whole = check();
    assert_eq!((whole.witnessed, whole.findings), (Some(third), Vec::new()));
    assert!(whole.trust.contains("2026-09-21T14:13:20.000Z"), "{}", whole.trust);
    fs::rename(&older, &kept).unwrap();
    assert_eq!(check().witnessed, Some(second), "an older one is true as well");
    fs::copy(data.join("log/checkpoint"), &kept).unwrap();
    let unseen = check();
    assert_eq!((unseen.witnessed, unseen.findings[0].rule.as_str()), (None, "ledger.witness"));
    fs::remove_file(&kept).unwrap();
    assert_eq!(check().findings[0].rule, "ledger.witness");
    door.stop().await;
}

#[tokio::test]
async fn a_ledger_that_was_put_back_or_rewritten_is_a_critical_finding() {
    let (door, double, mut asking) = begin().await;
    let size = ask_past(0, &door, &double, &mut asking).await;
    let note = double.remembers(|memory| {
        memory.size += 1_000_000;
        memory.note.clone().unwrap()
    });
    // Nothing is asked before there is something new.
    let until = async |asking: &mut Asking, rule: &str| {
        let asks = async {
            while !rules(&door).await.iter().any(|found| found == rule) {
                something_happens(&door).await;
                asking.ask(door.door()).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asks).await.unwrap_or_else(|_| panic!("{rule}"));
    };
    until(&mut asking, "ledger.rollback").await;
    // The witness saw as many, and others.
    let (text, signature) = note.rsplit_once("\n\n").unwrap();
    let root = text.lines().nth(2).unwrap();
    let other = text.replace(root, &STANDARD.encode([7; 32]));
    double.remembers(|memory| {
        (memory.size, memory.note) = (size, Some(format!("{other}\n\n{signature}")));
    });
    until(&mut asking, "ledger.fork").await;
    assert_eq!(rules(&door).await, ["ledger.fork"], "what is no longer so is fixed");
    // All is well again.
    double.remembers(|memory| memory.note = Some(note));
    ask_past(size, &door, &double, &mut asking).await;
    assert!(rules(&door).await.is_empty());
    door.stop().await;
}

#[tokio::test]
async fn what_is_not_signed_by_its_key_is_not_kept_and_silence_is_told_after_a_while() {
    let (door, double, mut asking) = begin().await;
    double.remembers(|memory| memory.signs_by_another_key = true);
    ask_past(0, &door, &double, &mut asking).await;
    let vault = door.door().vault.clone();
    assert!(!vault.directory().ledger().join("log/witnessed").exists());
    double.remembers(|memory| (memory.is_away, memory.signs_by_another_key) = (true, false));
    for _ in 0..8 {
        assert!(rules(&door).await.is_empty());
        asking.ask(door.door()).await;
    }
    asking.ask(door.door()).await;
    assert_eq!(rules(&door).await, ["ledger.witness"]);
    let asked = double.remembers(|memory| {
        memory.is_away = false;
        memory.size = 0;
        memory.note = None;
        memory.asked
    });
    assert_eq!(asked, 10);
    ask_past(0, &door, &double, &mut asking).await;
    assert!(rules(&door).await.is_empty());
    door.stop().await;
}

#[tokio::test]
async fn the_configured_witness_is_asked_by_itself() {
    let door = TestDoor::start("").await;
    something_happens(&door).await;
    let double = Double::start().await;
    let text = format!("[ledger]\nwitness={{url=\"{}\",key=\"{}\"}}\n", double.url, Double::key());
    let door = door.restart(&text, |_| {}).await;
    let asked = async {
        while double.remembers(|memory| memory.asked) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("it is asked");
    door.stop().await;
}
