//! Every change to a ledger's files is found, and a torn end is not taken for one.

use std::fs;
use std::path::Path;

use surgewall_store::ledger::Ledger;
use surgewall_store::ledger::LedgerError;

use super::ledger_store::{Store, admitted, boundaries, changed, settled};

/// A ledger of two small segments.
async fn two_segments() -> Store {
    let store = Store::new();
    for start in 0..2 {
        let (ledger, _) = store.open();
        for n in 0..2 {
            ledger.append(admitted(start * 10 + n)).await.unwrap();
            ledger.append_detached(settled(start * 10 + n, 20));
        }
        ledger.append(changed("end")).await.unwrap();
        ledger.shutdown().await.unwrap();
    }
    assert_eq!(store.verify().findings, []);
    store
}

/// The sequence and offset that a finding names.
fn named(evidence: &str) -> (u64, usize) {
    let mut numbers = evidence
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().unwrap());
    (numbers.next().unwrap(), usize::try_from(numbers.next().unwrap()).unwrap())
}

#[tokio::test]
async fn every_flipped_byte_is_found_at_its_record() {
    let store = two_segments().await;
    for path in store.segments() {
        let good = fs::read(&path).unwrap();
        let starts = boundaries(&good);
        let first: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, &bad).unwrap();
            let record = starts.iter().rposition(|start| *start <= at);
            let expected = record.map_or((first, 0), |r| (first + r as u64, starts[r]));
            for verification in [store.verify(), store.verify_blind()] {
                let Some(finding) = verification.findings.first() else {
                    panic!("byte {at} passed")
                };
                assert_eq!(named(&finding.evidence), expected, "byte {at}: {finding:?}");
                assert_eq!(finding.subject, path.display().to_string());
                assert!(finding.counts());
            }
        }
        fs::write(&path, &good).unwrap();
    }
}

#[tokio::test]
async fn a_cut_at_any_byte_tears_the_last_record_only() {
    let store = two_segments().await;
    let path = store.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let starts = boundaries(&whole);
    let opening = usize::from(whole[34]);
    let all = store.verify().records;
    for cut in 0..whole.len() {
        // Nothing was signed yet: what is signed is safe on disk before.
        store.forget_log();
        fs::write(&path, &whole[..cut]).unwrap();
        for verification in [store.verify(), store.verify_blind()] {
            let kept = starts.iter().filter(|start| **start <= cut).count();
            let torn = verification.notes.iter().any(|note| note.contains("torn"));
            if cut < starts[opening] {
                // The header and the opening are put in place whole: no crash does this.
                assert_eq!(verification.findings.len(), 1, "{cut}");
                continue;
            }
            assert_eq!(verification.findings, [], "{cut}");
            assert_eq!(torn, starts[kept - 1] != cut, "{cut}");
            assert_eq!(verification.records, all - (starts.len() - kept) as u64, "{cut}");
        }
        // A start reads as a check does; every byte would only take longer.
        if cut % 7 != 0 && !starts.contains(&cut) {
            continue;
        }
        let opened = Ledger::open(&store.directory, &store.vault, store.options.clone());
        match opened {
            Err(LedgerError::Damaged { .. }) => assert!(cut < starts[opening]),
            Err(error) => panic!("{cut}: {error}"),
            Ok((ledger, _)) => {
                assert!(cut >= starts[opening]);
                // The torn end stays, in a segment that is not the last any more.
                store.crash(ledger);
                let verification = store.verify();
                assert_eq!(verification.findings, [], "{cut}");
                assert_eq!(verification.open, Some(0));
                fs::remove_file(store.segments().pop().unwrap()).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn pages_that_were_never_written_are_a_torn_end() {
    let store = two_segments().await;
    let path = store.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let last = boundaries(&whole)[boundaries(&whole).len() - 2];
    store.forget_log();
    // The last record begins before a page and ends after it, and the page is zero.
    let torn = |zeros_from: usize| {
        let mut bytes = whole.clone();
        bytes[zeros_from..].fill(0);
        bytes
    };
    fs::write(&path, torn(last)).unwrap();
    assert_eq!(store.verify().findings, []);
    assert!(store.verify().notes[0].contains("torn"));
    // Zeros from the middle of a page on are somebody's work.
    let len = whole.len();
    let middle = (len - 60..len - 4).find(|at| (at - 1) / 4_096 == (len - 1) / 4_096).unwrap();
    fs::write(&path, torn(middle)).unwrap();
    assert_eq!(store.verify().findings.len(), 1);
}

#[tokio::test]
async fn a_length_that_reaches_past_the_end_does_not_hide_what_follows() {
    let store = two_segments().await;
    let path = store.segments().pop().unwrap();
    let good = fs::read(&path).unwrap();
    for start in &boundaries(&good)[1..boundaries(&good).len() - 1] {
        let mut bad = good.clone();
        bad[start + 2] ^= 0x08;
        fs::write(&path, &bad).unwrap();
        for verification in [store.verify(), store.verify_blind()] {
            assert_eq!(named(&verification.findings[0].evidence).1, *start);
        }
        let opened = Ledger::open(&store.directory, &store.vault, store.options.clone());
        assert!(matches!(opened, Err(LedgerError::Damaged { .. })));
    }
}

#[tokio::test]
async fn lost_moved_and_repeated_records_are_found() {
    let store = two_segments().await;
    for path in store.segments() {
        let good = fs::read(&path).unwrap();
        let starts = boundaries(&good);
        let part = |r: usize| &good[starts[r]..starts[r + 1]];
        let head = &good[..starts[2]];
        let rest = &good[starts[4]..];
        let cases = [
            ("lost", [head, part(3), rest].concat()),
            ("swapped", [head, part(3), part(2), rest].concat()),
            ("repeated", [head, part(2), part(2), part(3), rest].concat()),
        ];
        for (case, bytes) in cases {
            fs::write(&path, bytes).unwrap();
            for verification in [store.verify(), store.verify_blind()] {
                assert!(!verification.findings.is_empty(), "{case}");
                let at = named(&verification.findings[0].evidence).1;
                assert!([starts[2], starts[3]].contains(&at), "{case}: {at}");
            }
        }
        fs::write(&path, &good).unwrap();
    }
}

#[tokio::test]
async fn records_cut_off_before_another_segment_are_missed() {
    let store = two_segments().await;
    let path = store.segments().remove(0);
    let good = fs::read(&path).unwrap();
    let starts = boundaries(&good);
    let last = starts.len() - 2;
    for cut in [starts[last], starts[last] + 9, starts[2]] {
        fs::write(&path, &good[..cut]).unwrap();
        for verification in [store.verify(), store.verify_blind()] {
            let finding = &verification.findings[0];
            assert_eq!(
                (finding.rule.as_str(), &finding.subject),
                ("ledger.gap", &path.display().to_string())
            );
            assert!(finding.evidence.contains("missing"), "{finding:?}");
        }
    }
}

#[tokio::test]
async fn missing_and_forked_segments_are_found() {
    let store = two_segments().await;
    let paths_before = store.segments();
    let copy = fs::read(&paths_before[1]).unwrap();
    let (ledger, _) = store.open();
    ledger.append(changed("a")).await.unwrap();
    ledger.shutdown().await.unwrap();
    let paths = store.segments();

    // The one in the middle is gone.
    fs::remove_file(&paths[1]).unwrap();
    expect(&store, "ledger.gap", &paths[0]);
    fs::write(&paths[1], &copy).unwrap();
    assert_eq!(store.verify().findings, []);

    // The oldest is gone: that is what retention does.
    let oldest = fs::read(&paths[0]).unwrap();
    fs::remove_file(&paths[0]).unwrap();
    assert_eq!(store.verify().findings, []);
    fs::write(&paths[0], &oldest).unwrap();

    // Another history of the same ledger, from the second segment on.
    let last = fs::read(&paths[2]).unwrap();
    fs::remove_file(&paths[2]).unwrap();
    store.forget_log();
    let (ledger, _) = store.open();
    ledger.append(changed("b")).await.unwrap();
    ledger.append(changed("c")).await.unwrap();
    ledger.shutdown().await.unwrap();
    let (ledger, _) = store.open();
    ledger.shutdown().await.unwrap();
    assert_eq!(store.verify().findings, []);
    fs::write(&paths[2], &last).unwrap();
    expect(&store, "ledger.tree", &paths[2]);

    // The segment of another store.
    let other = two_segments().await;
    fs::copy(&other.segments()[1], &paths[1]).unwrap();
    let findings = store.verify().findings;
    assert!(findings.iter().any(|f| f.rule == "ledger.header"), "{findings:?}");
}

fn expect(store: &Store, rule: &str, path: &Path) {
    for verification in [store.verify(), store.verify_blind()] {
        let finding = &verification.findings[0];
        assert_eq!((finding.rule.as_str(), &finding.subject), (rule, &path.display().to_string()));
    }
}

#[tokio::test]
async fn another_version_is_refused_not_called_damaged() {
    let store = two_segments().await;
    let path = store.segments().pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] += 1;
    let header = boundaries(&bytes)[0] - 4;
    let crc = crc32c::crc32c(&bytes[..header]).to_le_bytes();
    bytes[header..header + 4].copy_from_slice(&crc);
    fs::write(&path, &bytes).unwrap();
    let refused = |word: &str| {
        let error = surgewall_scan::ledger::verify(&store.directory.ledger(), None).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        let opened = Ledger::open(&store.directory, &store.vault, store.options.clone());
        let error = opened.unwrap_err();
        assert!(matches!(error, LedgerError::Version(_)), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    };
    refused("newer Surgewall");
    // The header of a version from before the first release: a chain's value stood in it.
    let mut old = [&bytes[..34], &[7; 32], &bytes[34..header]].concat();
    let peaks =
        32 * usize::try_from((super::ledger_store::first_of(&path) - 1).count_ones()).unwrap();
    old.truncate(old.len() - peaks);
    old[8] = 2;
    old.extend_from_slice(&crc32c::crc32c(&old).to_le_bytes());
    fs::write(&path, &old).unwrap();
    refused("before its first release");
}
