//! A queue that is full, a disk that refuses, and what the file says of both.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::Value;
use surgewall_core::clock::{ManualClock, Timestamp};
use surgewall_core::decision::{Changed, Refused, Who};
use surgewall_core::files::read_text;
use surgewall_core::id::{AccountId, GroupId, KeyId, PublicId};
use surgewall_core::principal::{Class, Network};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Says when it is asked for a name, and waits until it may answer.
struct Slow {
    asked: Sender<()>,
    go_on: Receiver<()>,
}

impl Names for Slow {
    fn account(&mut self, _: AccountId) -> Option<PublicId> {
        None
    }
    fn key(&mut self, _: KeyId) -> Option<PublicId> {
        self.asked.send(()).unwrap();
        self.go_on.recv().unwrap();
        Some(PublicId::from_stored("key_a".to_owned()))
    }
    fn group(&mut self, _: GroupId) -> Option<PublicId> {
        None
    }
}

fn changed(action: &str) -> Record {
    Record::Changed(Changed { at: NOW, action: action.to_owned(), subject: None, detail: None })
}

fn refused() -> Record {
    let network = Network::of([127, 0, 0, 1].into());
    let key = Some(KeyId::from_u128(7));
    let who = Who { class: Class::New, key, account: None, group: None, user: None, network };
    Record::Refused(Box::new(Refused {
        request_id: None,
        at: NOW,
        who: Some(who),
        network: Some(network),
        code: "quota".to_owned(),
        rule: None,
        count: 1,
    }))
}

fn events(path: &Path) -> Vec<Value> {
    let text = read_text(path, 1 << 20).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn codes(path: &Path) -> Vec<String> {
    let code = |event: &Value| event["metadata"]["event_code"].as_str().unwrap().to_owned();
    events(path).iter().map(code).collect()
}

fn fates(export: &Export) -> Fates {
    export.fates().next().unwrap().1
}

#[tokio::test]
async fn a_full_queue_loses_events_and_says_so_and_makes_nobody_wait() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("events");
    let ((asked, was_asked), (go, go_on)) = (channel(), channel());
    let (names, clock) = (Box::new(Slow { asked, go_on }), Clock::Manual(ManualClock::new(NOW)));
    let sink = Sink::File(Lines::open(&path, Bounds::default()).unwrap());
    let export = Export::default().begin(sink, 2, names, clock).unwrap();
    export.written(1, &refused(), None);
    was_asked.recv().unwrap();
    // The thread is busy with the first: two wait, at the limit, and the next two are lost.
    for sequence in 2..=5 {
        export.written(sequence, &changed("key.create"), None);
    }
    assert_eq!(fates(&export), Fates { written: 0, lost: 2 });
    go.send(()).unwrap();
    export.close().await;
    assert_eq!(codes(&path), ["refused", "events_lost", "changed", "changed"]);
    let lost = &events(&path)[1];
    assert_eq!((&lost["unmapped"]["events"], &lost["time"]), (&2.into(), &NOW.millis().into()));
    assert_eq!(fates(&export), Fates { written: 3, lost: 2 });
    export.written(6, &changed("key.create"), None);
    assert_eq!(fates(&export), Fates { written: 3, lost: 2 }, "it is closed");
}

#[test]
fn what_a_disk_refused_is_counted_and_said_once_when_it_takes_events_again() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("events");
    let open = || Lines::open(&path, Bounds::default()).unwrap();
    let ((_sender, queue), (asked, _), (_, go_on)) = (sync_channel(1), channel(), channel());
    let mut writer = Writer {
        name: "file",
        queue,
        sink: Sink::File(open().broken()),
        names: Box::new(Slow { asked, go_on }),
        clock: Clock::Manual(ManualClock::new(NOW)),
        counts: Arc::default(),
        said: 0,
    };
    let source = |action: &str| Source::Record {
        sequence: 1,
        record: Box::new(changed(action)),
        admitted: None,
    };
    let counts = writer.counts.clone();
    let count = || (counts.written.load(Ordering::Relaxed), counts.lost.load(Ordering::Relaxed));
    writer.write(&[source("key.create"), source("key.create")]).unwrap_err();
    writer.write(&[source("key.create")]).unwrap_err();
    assert_eq!(count(), (0, 3));
    writer.sink = Sink::File(open());
    writer.write(&[source("key.revoke")]).unwrap();
    writer.write(&[source("door.stop")]).unwrap();
    assert_eq!(count(), (2, 3));
    assert_eq!(codes(&path), ["events_lost", "changed", "changed"]);
    assert_eq!(events(&path)[0]["unmapped"]["events"], 3);
}

#[tokio::test]
async fn checkpoints_and_the_ledgers_own_word_on_findings_are_no_events() {
    let base = tempfile::tempdir().unwrap();
    let path: PathBuf = base.path().join("events");
    let ((asked, _), (_, go_on)) = (channel(), channel());
    let (names, clock) = (Box::new(Slow { asked, go_on }), Clock::Manual(ManualClock::new(NOW)));
    let sink = Sink::File(Lines::open(&path, Bounds::default()).unwrap());
    let export = Export::default().begin(sink, 1, names, clock).unwrap();
    for _ in 0..3 {
        export.written(1, &Record::Progress { at: NOW, requests: Vec::new() }, None);
    }
    export.close().await;
    assert_eq!((codes(&path).len(), fates(&export)), (0, Fates::default()));
}
