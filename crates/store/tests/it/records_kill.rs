//! `kill -9` at random while events come in: what was acknowledged is there.
//! `RECORDS_KILLS` says how often; `tests/faults/records.sh` does it a hundred times.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _, stdout};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use surgewall_core::clock::Clock;
use surgewall_core::random;
use surgewall_store::records::Records;

use super::records::{SECRET, Store, account, close, event};

/// Where the child keeps its store.
const BASE: &str = "RECORDS_KILL_BASE";
/// How often it is killed.
const KILLS: &str = "RECORDS_KILLS";
const KILLS_DEFAULT: u32 = 10;
/// Events that are under way in the child at once.
const TASKS: u128 = 32;
const ACCOUNTS: u128 = 7;

/// The child: records events and prints the ids that were acknowledged, until it
/// is killed. Run as a test, without the variable, it has nothing to do.
#[tokio::test]
async fn the_child_records_until_it_is_killed() {
    let Ok(base) = env::var(BASE) else { return };
    let store = Store::at(Path::new(&base));
    let (records, _ledger) = store.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    let run = u128::from_be_bytes(random::bytes()) << 32;
    for task in 0..TASKS {
        tasks.spawn(ingest(records.clone(), run + task));
    }
    tasks.join_all().await;
}

async fn ingest(records: Records, first: u128) {
    for n in (first..).step_by(TASKS as usize) {
        let text = format!("{n} {SECRET} {}", "word ".repeat((n % 600) as usize));
        let event = event(n, Clock::System.now(), account(n % ACCOUNTS), &text);
        let room = records.room(event.bytes()).await.unwrap();
        records.append(room, event).await.unwrap();
        let mut out = stdout().lock();
        writeln!(out, "acknowledged {n}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_however_often_the_door_is_killed() {
    let kills = env::var(KILLS).map_or(KILLS_DEFAULT, |kills| kills.parse().unwrap());
    let base = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for kill in 0..kills {
        let before = acknowledged.len();
        acknowledged.extend(one_life(base.path()));
        assert!(acknowledged.len() > before, "life {kill} acknowledged nothing");
        let store = Store::at(base.path());
        // The next start notes what the last one could not.
        let (records, ledger) = store.open().await;
        close(records, ledger).await;
        check(&store, &acknowledged).await;
    }
}

/// Runs the child for a random while; what it acknowledged.
fn one_life(base: &Path) -> Vec<u128> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "records_kill::the_child_records_until_it_is_killed", "--nocapture"])
        .env(BASE, base)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let mut note = |line: String| {
        // The harness may begin the line.
        let id = line.split_once("acknowledged ").and_then(|(_, id)| id.parse::<u128>().ok());
        let is_first = acknowledged.is_empty() && id.is_some();
        acknowledged.extend(id);
        is_first
    };
    for line in lines {
        if note(line.unwrap()) {
            let [a, b] = random::bytes();
            std::thread::sleep(Duration::from_micros(u64::from(u16::from_be_bytes([a, b]))));
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    acknowledged
}

async fn check(store: &Store, acknowledged: &BTreeSet<u128>) {
    let mut found = BTreeSet::new();
    for n in 0..ACCOUNTS {
        for event in store.events(account(n)).await {
            let id = event.request_id.as_u128();
            assert!(found.insert(id), "{id} is there twice");
            assert!(event.request.text.starts_with(&format!("{id} [secret] ")));
            assert!(!event.answer.text.contains(SECRET));
        }
    }
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "{} of {} are lost", lost.len(), acknowledged.len());
    let (mut reader, roots) = (store.reader().await, store.roots());
    assert_eq!(reader.batches().await.unwrap(), roots.keys().copied().collect::<Vec<_>>());
    for (batch, root) in roots {
        assert_eq!(reader.root(batch).await.unwrap(), root, "batch {batch}");
    }
}
