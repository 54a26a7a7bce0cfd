//! The tree on disk: tiles, checkpoint and proofs, and what becomes of them
//! when somebody or a crash takes something away.

use std::fs;
use std::path::PathBuf;

use surgewall_core::finding::Finding;
use surgewall_scan::ledger::{
    Means, NoteKey, ProofFault, Shown, Verification, check_proof, named_key, verify_with,
};
use surgewall_store::ledger::read::{ProofError, Which, consistency, prove};

use super::ledger_store::{
    Store, admitted, boundaries, changed, files, first_of, request, settled,
};

/// The records of [`several_tiles`]: sums, 320, sums and counters, 320.
const SIZE: u64 = 643;

/// A ledger with several full tiles and a partial one, in two segments.
async fn several_tiles() -> Store {
    with_requests(160).await
}

/// A ledger of two segments with so many requests in each.
async fn with_requests(count: u128) -> Store {
    let store = Store::new();
    for start in 0..2 {
        let (ledger, _) = store.open();
        for n in 0..count {
            ledger.append(admitted(start * 1_000 + n)).await.unwrap();
            ledger.append(settled(start * 1_000 + n, 20)).await.unwrap();
        }
        ledger.shutdown().await.unwrap();
    }
    store
}

/// What the verifier says with and without the key.
fn both(store: &Store) -> [Verification; 2] {
    [store.verify(), store.verify_blind()]
}

fn rule(finding: &Finding) -> &str {
    &finding.rule
}

fn log(store: &Store) -> PathBuf {
    store.directory.ledger().join("log")
}

fn key(store: &Store) -> NoteKey {
    let name = format!("surgewall/{}", store.directory.store_id());
    NoteKey::new(&name, store.vault.verifying_key())
}

fn against(store: &Store, checkpoint: &[u8]) -> Vec<Finding> {
    let kept = store.base.path().join("kept");
    fs::write(&kept, checkpoint).unwrap();
    let means = Means { vault: Some(&store.vault), against: Some(&kept), ..Means::default() };
    verify_with(&store.directory.ledger(), &means, &mut |_| {}).unwrap().findings
}

#[tokio::test]
async fn all_that_was_written_is_signed_and_lies_as_the_specification_says() {
    let store = several_tiles().await;
    let [verified, blind] = both(&store);
    assert_eq!((verified.findings.as_slice(), verified.notes.len()), ([].as_slice(), 0));
    assert_eq!((verified.size, verified.signed), (SIZE, Some(SIZE)));
    assert_eq!(verified.key, Some(key(&store).to_string()));
    assert_eq!((blind.head, blind.key), (verified.head, None));
    let mut laid: Vec<_> = files(&log(&store));
    laid.retain(|path| !path.to_string_lossy().contains(".p/"));
    laid.sort();
    let expected =
        ["checkpoint", "tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001"];
    assert_eq!(laid, expected.map(|name| log(&store).join(name)));
    for (name, bytes) in
        [("tile/0/001", 8_192), ("tile/0/002.p/131", 131 * 32), ("tile/1/000.p/2", 64)]
    {
        assert_eq!(fs::metadata(log(&store).join(name)).unwrap().len(), bytes, "{name}");
    }
}

#[tokio::test]
async fn a_record_that_was_made_anew_is_named_also_without_the_key() {
    let store = several_tiles().await;
    let path = store.segments().remove(0);
    let good = fs::read(&path).unwrap();
    for nth in [4, 100, 300] {
        // Another body, with the leaf and checksum that belong to it.
        let starts = boundaries(&good);
        let (start, end) = (starts[nth], starts[nth + 1]);
        let mut bad = good.clone();
        bad[start + 60] ^= 1;
        let leaf: Vec<u8> = sha256(&[&bad[start + 8..start + 10], &bad[start + 42..end]].concat());
        bad[start + 10..start + 42].copy_from_slice(&leaf);
        let crc =
            crc32c::crc32c_append(crc32c::crc32c(&bad[start..start + 4]), &bad[start + 8..end])
                ^ u32::try_from(nth + 1).unwrap();
        bad[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
        fs::write(&path, &bad).unwrap();
        let [verified, blind] = both(&store);
        let expected = format!("record {} at byte {start}", nth + 1);
        for (finding, rule) in
            [(&verified.findings[0], "ledger.seal"), (&blind.findings[0], "ledger.tree")]
        {
            assert_eq!(finding.rule, rule);
            assert_eq!(finding.subject, path.display().to_string());
            assert!(finding.evidence.starts_with(&expected), "{finding:?}");
        }
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

#[tokio::test]
async fn a_tile_that_was_changed_swapped_or_removed_is_named() {
    let store = several_tiles().await;
    let mut used = 0;
    for path in files(&log(&store)) {
        if path.ends_with("checkpoint") {
            continue;
        }
        let good = fs::read(&path).unwrap();
        let mut swapped = good.clone();
        swapped.rotate_left(good.len().min(35) - 1);
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            for bad in [&bad, &swapped, &good[..good.len() - 1].to_vec()] {
                fs::write(&path, bad).unwrap();
                for verification in both(&store) {
                    // Older partial tiles serve older checkpoints.
                    let Some(finding) = verification.findings.first() else { continue };
                    assert_eq!(finding.rule, "ledger.tile");
                    assert_eq!(finding.subject, path.display().to_string());
                    used += 1;
                }
            }
        }
        fs::remove_file(&path).unwrap();
        let found = store.verify().findings;
        assert!(found.iter().all(|finding| finding.rule == "ledger.tile"), "{found:?}");
        fs::write(&path, &good).unwrap();
    }
    // Seven tiles that the checkpoint needs, each with nine changes, seen twice.
    assert!(used >= 7 * 9 * 2 - 2 * 3, "{used}");
    assert_eq!(store.verify().findings, []);
}

#[tokio::test]
async fn every_changed_byte_of_the_checkpoint_is_found() {
    let store = with_requests(2).await;
    let good = fs::read(store.checkpoint()).unwrap();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            fs::write(store.checkpoint(), &bad).unwrap();
            let found = store.verify().findings;
            assert!(!found.is_empty(), "byte {at}, bit {bit}: {:?}", String::from_utf8_lossy(&bad));
        }
    }
    for cut in 0..good.len() {
        fs::write(store.checkpoint(), &good[..cut]).unwrap();
        assert!(!store.verify().findings.is_empty(), "{cut}");
    }
    // Another store's key is not this one's.
    let other = with_requests(2).await;
    fs::write(store.checkpoint(), fs::read(other.checkpoint()).unwrap()).unwrap();
    assert!(store.verify().findings.iter().any(|finding| rule(finding) == "ledger.signature"));
}

#[tokio::test]
async fn records_that_were_signed_and_cut_off_are_missed() {
    let store = several_tiles().await;
    let path = store.segments().pop().unwrap();
    let good = fs::read(&path).unwrap();
    let starts = boundaries(&good);
    let first = first_of(&path);
    for kept in [2, 7, starts.len() - 2] {
        fs::write(&path, &good[..starts[kept]]).unwrap();
        for verification in both(&store) {
            let finding = &verification.findings[0];
            assert_eq!(finding.rule, "ledger.cut");
            let expected =
                format!("record {}: it and all up to record {SIZE}", first + kept as u64);
            assert!(finding.evidence.starts_with(&expected), "{finding:?}");
        }
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(store.verify().findings[0].rule, "ledger.cut");

    // A door that starts there goes on after what was signed, and the loss shows for ever.
    let (ledger, _) = store.open();
    ledger.append(changed("after")).await.unwrap();
    assert_eq!(ledger.health().segment, SIZE + 1);
    ledger.shutdown().await.unwrap();
    let verification = store.verify();
    assert_eq!(verification.findings.len(), 1, "{:?}", verification.findings);
    assert_eq!(verification.findings[0].rule, "ledger.gap");
    assert!(verification.findings[0].evidence.starts_with(&format!("record {first} ")));
    assert!(verification.signed > Some(SIZE));
}

#[tokio::test]
async fn a_history_that_was_kept_elsewhere_shows_a_rollback_and_a_fork() {
    let store = several_tiles().await;
    let data = store.directory.ledger();
    let snapshot: Vec<_> =
        files(&data).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let old = fs::read(store.checkpoint()).unwrap();
    let (ledger, _) = store.open();
    ledger.append(changed("one")).await.unwrap();
    ledger.shutdown().await.unwrap();
    let newer = fs::read(store.checkpoint()).unwrap();
    assert_eq!((against(&store, &old), against(&store, &newer)), (vec![], vec![]));

    // All is put back as it was: nothing in the directory can tell.
    let back = || {
        fs::remove_dir_all(&data).unwrap();
        for (bytes, path) in &snapshot {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    };
    back();
    assert_eq!((store.verify().findings, against(&store, &old)), (vec![], vec![]));
    let found = against(&store, &newer);
    assert_eq!((found.len(), rule(&found[0])), (1, "ledger.rollback"));
    assert!(found[0].evidence.starts_with(&format!("record {}: ", SIZE + 1)), "{found:?}");

    // Another history, which the store signs too.
    let (ledger, _) = store.open();
    ledger.append(changed("two")).await.unwrap();
    ledger.append(changed("three")).await.unwrap();
    ledger.shutdown().await.unwrap();
    assert_eq!((store.verify().findings, against(&store, &old)), (vec![], vec![]));
    let found = against(&store, &newer);
    assert_eq!((found.len(), rule(&found[0])), (1, "ledger.fork"));

    // What was kept must itself be genuine.
    let forged = String::from_utf8(newer).unwrap().replacen("\n64", "\n63", 1);
    let found = against(&store, forged.as_bytes());
    assert!(found.iter().any(|finding| rule(finding) == "ledger.signature"), "{found:?}");
}

#[tokio::test]
async fn the_log_is_made_anew_from_the_segments_and_signs_the_same_tree() {
    let store = several_tiles().await;
    let before = store.verify();
    let kept = fs::read(store.checkpoint()).unwrap();
    let damage: [&dyn Fn(); 4] = [
        &|| store.forget_log(),
        &|| fs::remove_file(store.checkpoint()).unwrap(),
        &|| fs::write(store.checkpoint(), "no checkpoint").unwrap(),
        // A tile at the edge: the tree cannot go on from it.
        &|| {
            fs::write(log(&store).join(format!("tile/0/002.p/{}", store.signed() % 256)), "x")
                .unwrap()
        },
    ];
    for damage in damage {
        damage();
        let (ledger, _) = store.open();
        ledger.shutdown().await.unwrap();
        let verification = store.verify();
        assert_eq!((verification.findings, verification.notes), (vec![], vec![]));
        assert_eq!(verification.signed, Some(verification.size));
        assert_eq!(against(&store, &kept), []);
    }
    assert!(store.verify().size > before.size);
}

#[tokio::test]
async fn the_log_holds_what_retention_removed() {
    let mut store = several_tiles().await;
    store.options.bytes_max = 1;
    let old = prove(&store.directory, &store.vault, Which::Record(5)).unwrap();
    let kept = fs::read(store.checkpoint()).unwrap();
    let (ledger, _) = store.open();
    ledger.append(changed("later")).await.unwrap();
    ledger.shutdown().await.unwrap();
    assert_eq!(store.segments().len(), 1);
    for verification in both(&store) {
        assert_eq!(verification.findings, []);
        assert!(verification.notes[0].contains(&format!("begins at record {}", SIZE + 1)));
        assert_eq!(verification.signed, Some(verification.size));
    }
    assert_eq!(against(&store, &kept), []);
    let old = serde_json::to_string(&old).unwrap();
    assert!(check_proof(&old, &key(&store), None).is_ok());
    let gone = prove(&store.directory, &store.vault, Which::Record(5));
    assert!(matches!(gone, Err(ProofError::NotFound)), "{gone:?}");
    // A tile of what is gone is the only copy of its leaves.
    fs::remove_file(log(&store).join("tile/entries/001")).unwrap();
    for verification in both(&store) {
        let finding = &verification.findings[0];
        assert_eq!(finding.rule, "ledger.tile");
        assert!(finding.evidence.starts_with("record 257: "), "{finding:?}");
    }
}

#[tokio::test]
async fn records_are_proven_to_somebody_who_has_only_the_key() {
    let store = several_tiles().await;
    let key = key(&store);
    for record in [1, 2, 255, 256, 257, 321, 322, 512, SIZE - 1, SIZE] {
        let proof = prove(&store.directory, &store.vault, Which::Record(record)).unwrap();
        let text = serde_json::to_string(&proof).unwrap();
        assert_eq!(named_key(&text).unwrap(), key);
        let shown = check_proof(&text, &key, None).unwrap();
        let Shown::Inclusion { size, records, .. } = shown else { panic!("{shown:?}") };
        assert_eq!((size, records), (SIZE, vec![record]));
    }
    let text = serde_json::to_string(
        &prove(&store.directory, &store.vault, Which::Request(request(7))).unwrap(),
    );
    let text = text.unwrap();
    let Shown::Inclusion { records, .. } = check_proof(&text, &key, None).unwrap() else {
        panic!("no inclusion")
    };
    assert_eq!(records, [16, 17]);
    // Any digit of it counts.
    let start = text.find("\"checkpoint\"").unwrap();
    for (at, byte) in text.bytes().enumerate().skip(start) {
        let other = match byte {
            b'0'..=b'8' | b'a'..=b'e' | b'A'..=b'Y' => byte + 1,
            b'9' => b'0',
            _ => continue,
        };
        let mut bad = text.clone().into_bytes();
        bad[at] = other;
        let checked = check_proof(&String::from_utf8(bad).unwrap(), &key, None);
        assert!(checked.is_err(), "byte {at}: {checked:?}");
    }
    let stranger = NoteKey::new("surgewall/other", [7; 32]);
    assert_eq!(check_proof(&text, &stranger, None), Err(ProofFault::Unsigned));
    let unknown = prove(&store.directory, &store.vault, Which::Request(request(99_999)));
    assert!(matches!(unknown, Err(ProofError::NotFound)), "{unknown:?}");
    for record in [0, SIZE + 1] {
        let young = prove(&store.directory, &store.vault, Which::Record(record));
        assert!(matches!(young, Err(ProofError::NotCovered { .. })), "{young:?}");
    }
}

#[tokio::test]
async fn a_ledger_that_only_grew_proves_it() {
    let store = Store::new();
    let mut kept = Vec::new();
    for start in 0..6 {
        let (ledger, _) = store.open();
        for n in 0..start * 40 {
            ledger.append(admitted(start * 1_000 + n)).await.unwrap();
        }
        ledger.shutdown().await.unwrap();
        kept.push((store.signed(), fs::read_to_string(store.checkpoint()).unwrap()));
    }
    let key = key(&store);
    for (from, old) in &kept {
        let proof = consistency(&store.directory, &store.vault, *from).unwrap();
        let text = serde_json::to_string(&proof).unwrap();
        let shown = check_proof(&text, &key, Some(old)).unwrap();
        let size = store.signed();
        assert!(
            matches!(shown, Shown::Consistency { from: f, size: s, .. } if (f, s) == (*from, size))
        );
        assert!(check_proof(&text, &key, None).is_err());
        for (other, note) in kept.iter().filter(|(other, _)| other != from) {
            let refused = check_proof(&text, &key, Some(note));
            assert_eq!(refused, Err(ProofFault::OtherCheckpoint(*from)), "{other}");
        }
        for n in 0..proof.path.len() {
            let mut bad = proof.clone();
            let other = if bad.path[n].starts_with('0') { "1" } else { "0" };
            bad.path[n].replace_range(0..1, other);
            let bad = serde_json::to_string(&bad).unwrap();
            assert_eq!(check_proof(&bad, &key, Some(old)), Err(ProofFault::Inconsistent));
        }
    }
    assert!(consistency(&store.directory, &store.vault, 0).is_err());
    assert!(consistency(&store.directory, &store.vault, store.signed() + 1).is_err());
}
