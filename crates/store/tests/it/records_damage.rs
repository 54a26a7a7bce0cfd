//! What somebody who writes in `records.sqlite` changes is found against the
//! ledger, with the master key and without it, and named.

use std::fs;
use std::path::Path;

use sqlx::{ConnectOptions as _, Connection as _};
use surgewall_core::finding::Finding;
use surgewall_scan::ledger::{Means, Verification, verify_all};
use surgewall_store::vault::Vault;

use super::records::{START, Store, account, clock, close, event, record, record_all};

/// Three batches: of one block, of three blocks, of one.
async fn three_batches() -> Store {
    let store = Store::new(&clock());
    let (records, ledger) = store.open().await;
    record(&records, event(1, START, account(1), "one")).await;
    record_all(&records, (1..=3).map(|n| event(10 + n, START, account(n), "two"))).await;
    record(&records, event(20, START, account(2), "three")).await;
    close(records, ledger).await;
    store
}

async fn check(store: &Store, vault: Option<&Vault>) -> Verification {
    let means = Means { vault, ..Means::default() };
    let (ledger, records) = (store.directory.ledger(), store.directory.records());
    verify_all(&ledger, &records, &means, &mut |_| {}).await.unwrap()
}

async fn alter(path: &Path, sql: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
    assert!(done.unwrap().rows_affected() > 0, "{sql}");
    connection.close().await.unwrap();
}

/// The one finding, which `rule` made and whose evidence begins so.
fn one(findings: &[Finding], rule: &str, begins: &str, case: &str) {
    let [finding] = findings else { panic!("{case}: {findings:?}") };
    assert_eq!(finding.rule, rule, "{case}: {finding:?}");
    assert!(finding.evidence.starts_with(begins), "{case}: {}", finding.evidence);
    assert!(finding.counts() && finding.subject.ends_with("records.sqlite"), "{case}");
}

#[tokio::test]
async fn records_that_nobody_touched_fit_with_and_without_the_key_and_beside_the_writer() {
    let store = three_batches().await;
    for vault in [Some(&store.vault), None] {
        let verification = check(&store, vault).await;
        assert_eq!((verification.findings, verification.batches), (vec![], Some(3)));
    }
    let files = |folder: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files(store.directory.path());
    check(&store, None).await;
    assert_eq!(files(store.directory.path()), before, "nothing is made beside a copy");
    let (records, ledger) = store.open().await;
    record(&records, event(30, START, account(1), "four")).await;
    for vault in [Some(&store.vault), None] {
        let verification = check(&store, vault).await;
        assert_eq!((verification.findings, verification.batches), (vec![], Some(4)));
    }
    close(records, ledger).await;
}

#[tokio::test]
async fn an_erased_subject_is_no_damage() {
    let store = three_batches().await;
    assert_eq!(store.vault.erase(account(2)).unwrap().keys, 1);
    let verification = check(&store, Some(&store.vault)).await;
    assert_eq!((verification.findings, verification.batches), (vec![], Some(3)));
    let erased = |note: &String| note.starts_with("2 blocks of the records were erased");
    assert!(verification.notes.iter().any(erased), "{:?}", verification.notes);
}

#[tokio::test]
async fn every_change_of_a_block_is_found_and_the_block_named() {
    // {b} is block 0 of batch 2; blocks 1 and 2 follow it.
    let unsure = "of the 3 blocks of batch 2 one or more were changed";
    let row = "batch 2 is not the one that the ledger has";
    for (change, blind, open) in [
        (
            "UPDATE blocks SET sealed = CAST(substr(sealed, 1, 40) || x'00000000' || substr(sealed, 45) AS BLOB) WHERE id = {b} + 1",
            Some(unsure),
            "block 1 of batch 2 was changed",
        ),
        (
            "UPDATE blocks SET sealed = x'' WHERE id = {b} + 2",
            Some(unsure),
            "block 2 of batch 2 was changed",
        ),
        (
            "UPDATE blocks SET sealed = (SELECT sealed FROM blocks WHERE id = 1048576) WHERE id = {b}",
            Some(unsure),
            "block 0 of batch 2 was changed or exchanged",
        ),
        ("DELETE FROM blocks WHERE id = {b} + 1", Some("block 1 of batch 2 is missing"), ""),
        ("DELETE FROM blocks WHERE id = {b} + 2", Some("block 2 of batch 2 is missing"), ""),
        (
            "CREATE TEMP TABLE seals AS SELECT id, sealed FROM blocks; UPDATE blocks SET sealed = (SELECT seals.sealed FROM seals WHERE seals.id = 2 * {b} + 2 - blocks.id) WHERE id IN ({b}, {b} + 2)",
            Some("blocks 0 and 2 of batch 2 changed places"),
            "",
        ),
        (
            "UPDATE blocks SET id = id + 5 WHERE id = {b} + 2",
            Some("block 2 of batch 2 is missing"),
            "",
        ),
        (
            "INSERT INTO blocks SELECT id + 3, org_id, subject, region, first_at, last_at, events, sealed FROM blocks WHERE id = {b}",
            Some("block 3 of batch 2 does not belong there"),
            "",
        ),
        ("UPDATE batches SET events = events + 1 WHERE batch = 2", Some(row), ""),
        ("UPDATE batches SET at = at + 1 WHERE batch = 2", Some(row), ""),
        ("UPDATE batches SET root = zeroblob(32) WHERE batch = 2", Some("batch 2: its root"), ""),
        // Only who has the keys can tell what stands in clear beside a block.
        (
            "UPDATE blocks SET region = 'us' WHERE id = {b} + 1",
            None,
            "block 1 of batch 2 does not open",
        ),
        (
            "UPDATE blocks SET first_at = first_at - 1 WHERE id = {b}",
            None,
            "block 0 of batch 2 does not open",
        ),
        (
            "UPDATE blocks SET subject = (SELECT subject FROM blocks WHERE id = {b} + 1) WHERE id = {b}",
            None,
            "block 0 of batch 2 does not open",
        ),
    ] {
        let store = three_batches().await;
        alter(&store.directory.records(), &change.replace("{b}", "2097152")).await;
        let seen = check(&store, None).await;
        match blind {
            Some(blind) => one(&seen.findings, "records.batch", blind, change),
            None => assert_eq!(seen.findings, [], "{change}"),
        }
        assert_eq!(seen.batches, Some(if blind.is_some() { 2 } else { 3 }), "{change}");
        let seen = check(&store, Some(&store.vault)).await;
        let open = if open.is_empty() { blind.unwrap() } else { open };
        one(&seen.findings, "records.batch", open, change);
        assert_eq!(seen.batches, Some(2), "{change}");
    }
}

#[tokio::test]
async fn a_batch_that_is_gone_is_named_where_retention_did_not_take_it() {
    let both = "DELETE FROM blocks WHERE id >> 20 = {n}; DELETE FROM batches WHERE batch = {n};";
    for (change, begins, why) in [
        (both.replace("{n}", "2"), "batch 2 is in the ledger and not here", "retention did not"),
        (both.replace("{n}", "1"), "batch 1 is in the ledger and not here", "retention did not"),
        (both.replace("{n}", "3"), "batch 3 is in the ledger and not here", "retention did not"),
        (
            format!(
                "{} {} UPDATE sqlite_sequence SET seq = 1",
                both.replace("{n}", "2"),
                both.replace("{n}", "3")
            ),
            "each of the batches 2 to 3 is in the ledger and not here",
            "cut off",
        ),
    ] {
        let store = three_batches().await;
        alter(&store.directory.records(), &change).await;
        for vault in [Some(&store.vault), None] {
            let seen = check(&store, vault).await;
            one(&seen.findings, "records.missing", begins, &change);
            assert!(seen.findings[0].evidence.contains(why), "{change}: {:?}", seen.findings);
        }
    }
    let store = three_batches().await;
    fs::remove_file(store.directory.records()).unwrap();
    let seen = check(&store, None).await;
    one(&seen.findings, "records.missing", "each of the batches 1 to 3", "the file");
}

#[tokio::test]
async fn blocks_without_their_batch_and_a_file_of_another_kind_are_found() {
    let store = three_batches().await;
    alter(&store.directory.records(), "DELETE FROM batches WHERE batch = 2").await;
    let rules: Vec<_> = check(&store, None).await.findings;
    let rules: Vec<_> = rules.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["records.batch", "records.missing"]);
    for (sql, begins) in [
        ("PRAGMA application_id = 7", "it is no file"),
        ("DROP TABLE blocks", "SQLite cannot read it"),
    ] {
        let store = three_batches().await;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store.directory.records());
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        one(&check(&store, None).await.findings, "records.file", begins, sql);
    }
    let store = three_batches().await;
    fs::write(store.directory.records(), [7; 9_000]).unwrap();
    one(&check(&store, None).await.findings, "records.file", "SQLite cannot read it", "garbage");
}

#[tokio::test]
async fn records_that_were_put_back_and_written_on_are_found() {
    let store = three_batches().await;
    let path = store.directory.records();
    let old = fs::read(&path).unwrap();
    let (records, ledger) = store.open().await;
    record(&records, event(40, START, account(1), "four")).await;
    close(records, ledger).await;
    fs::write(&path, old).unwrap();
    let seen = check(&store, None).await;
    one(&seen.findings, "records.missing", "batch 4 is in the ledger and not here", "put back");
    let (records, ledger) = store.open().await;
    assert_eq!(record(&records, event(41, START, account(1), "another four")).await, 4);
    close(records, ledger).await;
    for vault in [Some(&store.vault), None] {
        let findings = check(&store, vault).await.findings;
        let fork = findings.iter().find(|finding| finding.rule == "records.fork");
        assert!(fork.unwrap().evidence.starts_with("batch 4 stands in the ledger twice"));
    }
}
