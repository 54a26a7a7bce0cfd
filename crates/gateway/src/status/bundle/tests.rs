//! Copies: written, read, changed, somebody else's.

use std::sync::Arc;

use surgewall_store::datadir::DataDir;
use surgewall_store::vault::Vault;

use super::*;
use crate::status::component::State;
use crate::status::view::samples;

struct Place {
    base: tempfile::TempDir,
    vault: Vault,
}

impl Place {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let directory = DataDir::open_or_create(&base.path().join("data")).unwrap();
        let key = base.path().join("key");
        let vault = Vault::open_or_create(&directory, Some(&key)).unwrap();
        Self { base, vault }
    }

    fn dir(&self) -> PathBuf {
        self.base.path().join("copy")
    }

    fn snapshot(&self, state: State) -> Snapshot {
        let mut view = samples::view(vec![samples::component("API", Some(state))]);
        view.key = hex(&self.vault.verifying_key());
        Snapshot::new(view, Arc::new(|day| Some(Bytes::from(format!("minutes of {day}\n")))))
    }

    fn write(&self, writer: &mut Writer, state: State) {
        let sign = |purpose: &str, message: &[u8]| self.vault.sign(purpose, message);
        writer.write(&self.snapshot(state), Timestamp::from_millis(7), sign).unwrap();
    }

    fn read(&self) -> Result<Copy, CopyError> {
        Copy::read(&self.dir(), Some(self.vault.verifying_key()), None)
    }
}

#[test]
fn a_copy_is_read_as_it_was_written_and_counts_on_over_a_restart() {
    let place = Place::new();
    let mut writer = Writer::open(&place.dir()).unwrap();
    place.write(&mut writer, State::Operational);
    let copy = place.read().unwrap();
    assert_eq!((copy.sequence, copy.made_at), (1, Timestamp::from_millis(7)));
    assert_eq!(copy.view, *place.snapshot(State::Operational).view());
    assert_eq!(copy.minutes(20_089).unwrap(), "minutes of 20089\n");
    assert_eq!(copy.minutes(20_090), None);
    let mut writer = Writer::open(&place.dir()).unwrap();
    place.write(&mut writer, State::Major);
    let later = Copy::read(&place.dir(), None, Some(&copy)).unwrap();
    assert_eq!((later.sequence, later.view.components[0].state), (2, Some(State::Major)));
    assert_eq!(later.key, place.vault.verifying_key());
    let older = Copy { sequence: 3, ..later };
    let refused = Copy::read(&place.dir(), None, Some(&older));
    assert!(matches!(refused, Err(CopyError::Older { found: 2, seen: 3 })));
}

#[test]
fn a_copy_in_which_any_byte_was_changed_is_refused() {
    let place = Place::new();
    place.write(&mut Writer::open(&place.dir()).unwrap(), State::Operational);
    for name in
        ["manifest", "view.json", "index.html", "api/v2/status.json", "probes/2025-01-01.csv"]
    {
        let path = place.dir().join(name);
        let good = read_bounded(&path, 1 << 20).unwrap();
        for at in (0..good.len()).step_by(good.len() / 16 + 1) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(place.read().is_err(), "{name}, byte {at}");
        }
        for bad in [&good[..good.len() - 1], &[&good[..], b"x"].concat(), b""] {
            fs::write(&path, bad).unwrap();
            assert!(place.read().is_err(), "{name}");
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(place.read(), Err(CopyError::Io { .. })), "{name}");
        fs::write(&path, &good).unwrap();
        place.read().unwrap();
    }
}

#[test]
fn a_copy_of_somebody_elses_is_refused() {
    let (place, other) = (Place::new(), Place::new());
    place.write(&mut Writer::open(&place.dir()).unwrap(), State::Operational);
    let refused = Copy::read(&place.dir(), Some(other.vault.verifying_key()), None);
    assert!(matches!(refused, Err(CopyError::Signature)));
    let sign = |_: &str, message: &[u8]| place.vault.sign("another purpose", message);
    let mut writer = Writer::open(&place.dir()).unwrap();
    writer.write(&place.snapshot(State::Major), Timestamp::default(), sign).unwrap();
    assert!(matches!(place.read(), Err(CopyError::Signature)), "signed for something else");
}

#[test]
fn days_that_are_gone_leave_the_copy() {
    let place = Place::new();
    let mut writer = Writer::open(&place.dir()).unwrap();
    place.write(&mut writer, State::Operational);
    let sign = |purpose: &str, message: &[u8]| place.vault.sign(purpose, message);
    let snapshot = place.snapshot(State::Operational);
    let view = View { recorded_days: vec![20_089], ..snapshot.view().clone() };
    let fewer = Snapshot::new(view, Arc::new(|_| Some(Bytes::new())));
    writer.write(&fewer, Timestamp::default(), sign).unwrap();
    assert!(!place.dir().join("probes/2024-12-31.csv").exists());
    assert_eq!(place.read().unwrap().minutes(20_088), None);
}

#[test]
fn hex_is_read_or_refused() {
    assert_eq!(unhex::<2>("0aFf"), Some([10, 255]));
    for bad in ["0aF", "0aFfF", "0aFg", "+aFf", ""] {
        assert_eq!(unhex::<2>(bad), None, "{bad}");
    }
}
