//! No content is stored unsealed: every column of the database has a decision,
//! and none of 1,000 planted values is found in any file, in any usual form.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use surgewall_core::gate::GateStep;
use surgewall_core::id::{AccountId, PublicId, SessionId};
use surgewall_core::principal::Network;
use surgewall_core::secret::SecretString;
use surgewall_store::admin::{GroupCreate, KeyCreate, Request, Signed};
use surgewall_store::conversations::{
    Attachment, Body, Checkpoint, MessageId, NewConversation, NewMessage, Role, State, Tombstone,
    write_checkpoints,
};
use surgewall_store::datadir::DataDir;
use surgewall_store::gate::{Desk as Gate, GateReply, GateRequest};
use surgewall_store::identity::{
    About, Factors, Flow, FlowKind, Identity as _, Session, SessionListener, begin_flow,
    session_row, token_hash,
};
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::people::sealed::keep_config;
use surgewall_store::subscribers::{Asked, SubscriberKind, Subscribers};
use surgewall_store::vault::Vault;

use crate::accounts::{Desk, key_named};
use crate::conversations::{account, own, says};

/// What a column that could hold text holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holds {
    /// Bytes that the vault sealed.
    Sealed,
    /// A keyed hash.
    Hashed,
    /// Our own random or counted ids.
    Id,
    /// One of a few words of ours.
    Word,
}
use Holds::{Hashed, Id, Sealed, Word};

/// Every TEXT and BLOB column of door.sqlite. A new one fails the test until it
/// stands here: decide what it holds, and seal it unless it is nobody's.
const COLUMNS: &[(&str, &str, Holds)] = &[
    ("accounts", "class", Word),
    ("accounts", "class_given", Word),
    ("accounts", "class_why", Word),
    ("accounts", "email_hash", Hashed),
    ("accounts", "email_sealed", Sealed),
    ("accounts", "external_hash", Hashed),
    ("accounts", "external_sealed", Sealed),
    ("accounts", "group_id", Id),
    ("accounts", "id", Id),
    ("accounts", "public_id", Id),
    ("accounts", "role", Word),
    ("account_uses", "account_id", Id),
    ("answers", "account_id", Id),
    ("answers", "content_sealed", Sealed),
    ("answers", "conversation_id", Id),
    ("answers", "id", Id),
    ("attachments", "account_id", Id),
    ("attachments", "conversation_id", Id),
    ("attachments", "name_sealed", Sealed),
    ("attachments", "text_sealed", Sealed),
    ("configs", "hash", Hashed),
    ("configs", "id", Id),
    ("configs", "text_sealed", Sealed),
    ("conversations", "account_id", Id),
    ("conversations", "id", Id),
    ("conversations", "public_id", Id),
    ("conversations", "system_prompt_sealed", Sealed),
    ("conversations", "title_sealed", Sealed),
    ("delegated_users", "key_id", Id),
    ("delegated_users", "user_hash", Hashed),
    ("drafts", "account_id", Id),
    ("drafts", "conversation_id", Id),
    ("drafts", "text_sealed", Sealed),
    ("factors", "account_id", Id),
    ("factors", "body_sealed", Sealed),
    ("factors", "id", Id),
    ("factors", "kind", Word),
    ("factors", "label_sealed", Sealed),
    ("factors", "lookup_hash", Hashed),
    ("factors", "public_id", Id),
    ("findings", "body_sealed", Sealed),
    ("findings", "changed_by", Word),
    ("findings", "confidence", Word),
    ("findings", "finding_hash", Hashed),
    ("findings", "id", Id),
    ("findings", "note_sealed", Sealed),
    ("findings", "producer_hash", Hashed),
    ("findings", "public_id", Id),
    ("findings", "severity", Word),
    ("findings", "state", Word),
    ("findings", "subject_hash", Hashed),
    ("flows", "account_id", Id),
    ("flows", "body_sealed", Sealed),
    ("flows", "kind", Word),
    ("flows", "token_hash", Hashed),
    ("gate_guests", "account_id", Id),
    ("gate_guests", "invite_id", Id),
    ("gate_invites", "id", Id),
    ("gate_invites", "made_by", Id),
    ("gate_invites", "note_sealed", Sealed),
    ("gate_invites", "public_id", Id),
    ("gate_invites", "token_hash", Hashed),
    ("gate_places", "email_hash", Hashed),
    ("gate_places", "email_sealed", Sealed),
    ("gate_places", "network_hash", Hashed),
    ("gate_state", "base", Word),
    ("gate_state", "base_by", Word),
    ("gate_state", "moved_by", Word),
    ("gate_state", "reason_sealed", Sealed),
    ("gate_state", "step", Word),
    ("groups", "id", Id),
    ("groups", "name_hash", Hashed),
    ("groups", "name_sealed", Sealed),
    ("groups", "public_id", Id),
    ("key_uses", "key_id", Id),
    ("keys", "account_id", Id),
    ("keys", "bcrypt_sealed", Sealed),
    ("keys", "credential_hash", Hashed),
    ("keys", "group_id", Id),
    ("keys", "id", Id),
    ("keys", "kind", Word),
    ("keys", "last_four_sealed", Sealed),
    ("keys", "name_hash", Hashed),
    ("keys", "name_sealed", Sealed),
    ("keys", "prefix_hash", Hashed),
    ("keys", "public_id", Id),
    ("keys", "scopes_sealed", Sealed),
    ("limits", "limits_sealed", Sealed),
    ("limits", "subject_id", Id),
    ("limits", "subject_kind", Word),
    ("messages", "account_id", Id),
    ("messages", "content_sealed", Sealed),
    ("messages", "conversation_id", Id),
    ("messages", "id", Id),
    ("messages", "role", Word),
    ("messages", "state", Word),
    ("meta", "name", Word),
    ("meta", "value", Word),
    ("sessions", "about_sealed", Sealed),
    ("sessions", "account_id", Id),
    ("sessions", "id", Id),
    ("sessions", "listener", Word),
    ("sessions", "public_id", Id),
    ("sessions", "token_hash", Hashed),
    ("notices", "account_id", Id),
    ("notices", "public_id", Id),
    ("notices", "verdict", Word),
    ("rules", "body_sealed", Sealed),
    ("rules", "id", Id),
    ("rules", "public_id", Id),
    ("rules", "state", Word),
    ("shares", "account_id", Id),
    ("shares", "conversation_id", Id),
    ("shares", "public_id", Id),
    ("shares", "token_hash", Hashed),
    ("subscribers", "address_hash", Hashed),
    ("subscribers", "body_sealed", Sealed),
    ("subscribers", "id", Id),
    ("subscribers", "kind", Word),
    ("subscribers", "network_hash", Hashed),
];

/// The shortest sealed value: a version, a nonce and a tag.
const SEALED_BYTES_MIN: usize = 1 + 12 + 16;
/// It stands in every planted value, and nowhere else.
const CANARY: &str = "Kanarienvogel7Qd0";
/// Planted values.
const PLANTED: usize = 1_000;

/// A value with the canary in it.
fn plant(count: &mut usize) -> String {
    *count += 1;
    format!("{CANARY} {count}")
}

/// Plants a value everywhere where content goes.
async fn fill(desk: &Desk) -> usize {
    let mut planted = 0;
    let group = GroupCreate { name: plant(&mut planted), limits: Vec::new() };
    desk.ask(Request::GroupCreate(group)).await.unwrap();
    for number in 0..8 {
        let ada = account(desk, &format!("{CANARY}{number}@example.org")).await;
        planted += 1;
        let own = own(desk, ada);
        for _ in 0..8 {
            let new = NewConversation {
                title: plant(&mut planted),
                system_prompt: Some(plant(&mut planted)),
                temporary: number == 7,
            };
            let chat = own.create(new, desk.now()).await.unwrap();
            for parent in 0..2 {
                let body = Body {
                    text: plant(&mut planted),
                    thinking: plant(&mut planted),
                    model: Some(plant(&mut planted)),
                    request_id: None,
                    withheld: vec![Tombstone {
                        at: 1,
                        rule: plant(&mut planted),
                        reason: plant(&mut planted),
                        advice: plant(&mut planted),
                    }],
                };
                let (name, text) = (plant(&mut planted), plant(&mut planted));
                let attachments = vec![Attachment { name, text }];
                let message = NewMessage { body, attachments, ..says(parent, Role::User, "") };
                own.append(chat.id, message, desk.now()).await.unwrap();
            }
            let finished = MessageId::random();
            own.begin_answer(chat.id, 2, finished, desk.now()).await.unwrap();
            let body = Body::text(plant(&mut planted));
            own.finish_answer(chat.id, finished, State::Stopped, body, desk.now()).await.unwrap();
            own.save_draft(chat.id, plant(&mut planted), desk.now()).await.unwrap();
            own.share(chat.id, 2, 30, desk.now()).await.unwrap();
            own.rename(chat.id, plant(&mut planted), desk.now()).await.unwrap();
            let removed = NewConversation { title: plant(&mut planted), ..Default::default() };
            let removed = own.create(removed, desk.now()).await.unwrap();
            own.delete(&[removed.id]).await.unwrap();
            if number < 2 {
                let id = MessageId::random();
                own.begin_answer(chat.id, 1, id, desk.now()).await.unwrap();
                let body = Body::text(plant(&mut planted));
                let batch = vec![Checkpoint { account: ada, conversation: chat.id, id, body }];
                write_checkpoints(&desk.people, &desk.vault, batch, desk.now()).await.unwrap();
            }
        }
        let key = KeyCreate { account: None, ..key_named(&plant(&mut planted)) };
        desk.key(key).await;
    }
    fill_identity(desk, &mut planted).await;
    fill_gate(desk, &mut planted).await;
    fill_subscribers(desk, &mut planted).await;
    let text = plant(&mut planted);
    keep_config(&desk.people, &desk.vault, "0123456789abcdef", &text, desk.now()).await.unwrap();
    planted
}

/// Plants values in what accounts prove themselves with, in a session and a flow.
async fn fill_identity(desk: &Desk, planted: &mut usize) {
    let (store, vault, now) = (&desk.people, &desk.vault, desk.now());
    let ada = account(desk, "factors@example.org").await;
    let factors = Factors::of(store, vault, ada).await.unwrap();
    factors.set_password(&plant(planted), now).await.unwrap();
    factors.set_totp(&SecretString::new(plant(planted)), 1, now).await.unwrap();
    let (id, body, label) = (plant(planted), plant(planted), plant(planted));
    assert!(factors.add_passkey(id.as_bytes(), &body, &label, now).await.unwrap());
    factors.set_recovery_codes([plant(planted).as_str()], now).await.unwrap();
    let token = SecretString::new(plant(planted));
    let session = Session {
        id: SessionId::new(now),
        public_id: PublicId::random("session"),
        account: ada,
        token_hash: token_hash(vault, token.expose()),
        listener: SessionListener::Public,
        strong: false,
        created_at: now,
        authenticated_at: now,
        seen_at: now,
        about: About { browser: plant(planted), network: Network::from_u128(0) },
    };
    store.put_session(&session_row(vault, &session).unwrap(), &[]).await.unwrap();
    let flow = Flow {
        kind: FlowKind::SignUp,
        account: None,
        tries_max: 3,
        lasts: Duration::from_secs(60),
    };
    assert!(begin_flow(store, vault, (flow, &token), &plant(planted), now).await.unwrap());
}

/// The gate: why it stands where it does, invites, and who waits.
async fn fill_gate(desk: &Desk, planted: &mut usize) {
    let base = tempfile::tempdir().unwrap();
    let data = DataDir::open_or_create(&base.path().join("data")).unwrap();
    let options = LedgerOptions::new(&desk.config.ledger, desk.clock.clone());
    let vault = Vault::open_or_create(&data, Some(&base.path().join("master.key"))).unwrap();
    let (ledger, _) = Ledger::open(&data, &vault, options).unwrap();
    let people = Arc::new(desk.people.clone());
    let gate = Gate::new(people, desk.vault.clone(), (GateStep::Open, "x"), desk.now());
    let ask = async |request| {
        gate.ask(Some(Signed::machine(&ledger)), request, desk.now()).await.unwrap()
    };
    ask(GateRequest::Move { to: GateStep::Invite, reason: plant(planted) }).await;
    let by = Some(format!("{CANARY}0@example.org"));
    let invite = GateRequest::InviteCreate { uses: 2, days: 3, note: Some(plant(planted)), by };
    let GateReply::Invited(made) = ask(invite).await else { panic!() };
    let entry = gate.by_invite(made.token.0.expose(), desk.now()).await.unwrap().unwrap();
    assert!(gate.used(entry, AccountId::from_u128(7), desk.now()).await.unwrap());
    let network = Network::of(std::net::IpAddr::from([192, 0, 2, 1]));
    for number in 0..3 {
        let email = format!("{CANARY}{number}@example.org");
        gate.join(&email, network, desk.now()).await.unwrap();
    }
    ask(GateRequest::WaitingAdmit { count: 1, days: 1 }).await;
    ledger.shutdown().await.unwrap();
}

/// Who is told of what the status page tells.
async fn fill_subscribers(desk: &Desk, planted: &mut usize) {
    let subscribers = Subscribers::new(&desk.people, &desk.vault);
    let network = Network::of(std::net::IpAddr::from([192, 0, 2, 1]));
    for kind in SubscriberKind::ALL {
        let address = plant(planted);
        let asked = subscribers.ask(kind, &address, network, desk.now()).await.unwrap();
        let Asked::Confirm(subscriber) = asked else { panic!() };
        assert!(subscribers.confirm(subscriber.id, desk.now()).await.unwrap());
        let token = subscriber.token.expose();
        let known = subscribers.of_token(token, desk.now()).await.unwrap().unwrap();
        assert_eq!((known.address, known.is_confirmed), (address, true));
        let (head, last) = token.split_at(token.len() - 1);
        let other = format!("{head}{}", if last == "0" { "1" } else { "0" });
        assert!(subscribers.of_token(&other, desk.now()).await.unwrap().is_none());
    }
}

/// The forms in which a text may lie in a file.
fn forms(text: &str) -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    // At each of the three places in a group of three bytes, without the
    // characters that its neighbours have a part in.
    let encode = |engine: &base64::engine::GeneralPurpose| {
        (0..3)
            .map(|shift| {
                let padded = [&vec![0; shift][..], text.as_bytes()].concat();
                let encoded = engine.encode(padded);
                encoded.as_bytes()[shift + 1..encoded.len() - 2].to_vec()
            })
            .collect::<Vec<_>>()
    };
    BTreeMap::from([
        ("plain", vec![text.as_bytes().to_vec()]),
        ("hex", vec![hex.clone().into_bytes(), hex.to_uppercase().into_bytes()]),
        ("base64", encode(&STANDARD_NO_PAD)),
        ("base64url", encode(&URL_SAFE_NO_PAD)),
        (
            "utf-16",
            vec![
                text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            ],
        ),
    ])
}

/// Every file below `directory`.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Bytes as text, one character each: text is searched much faster.
fn as_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// In which file and form the canary stands.
fn found(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let lower = CANARY.to_lowercase();
    let needles: Vec<_> = [CANARY, &lower].into_iter().flat_map(forms).collect();
    for path in files(directory) {
        let held = as_text(&fs::read(&path).unwrap());
        for (form, texts) in &needles {
            if texts.iter().any(|text| held.contains(&as_text(text))) {
                found.push(format!("{} ({form})", path.display()));
            }
        }
    }
    found
}

/// Table, column and declared type of every column of the database.
async fn columns(database: &mut SqliteConnection) -> Vec<(String, String, String)> {
    let sql = "SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY 1, 2";
    let rows = sqlx::raw_sql(sql).fetch_all(database).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

async fn database(desk: &Desk) -> SqliteConnection {
    let path = desk.base.path().join("data/door.sqlite");
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

#[tokio::test]
async fn every_column_that_could_hold_text_has_a_decision() {
    let desk = Desk::new().await;
    fill(&desk).await;
    let mut database = database(&desk).await;
    let columns = columns(&mut database).await;
    let texts: Vec<_> = columns
        .iter()
        .filter(|(_, _, kind)| kind != "INTEGER")
        .map(|(table, column, _)| (table.as_str(), column.as_str()))
        .collect();
    let decided: Vec<_> = COLUMNS.iter().map(|(table, column, _)| (*table, *column)).collect();
    for column in &texts {
        assert!(decided.contains(column), "{column:?} has no decision in COLUMNS");
    }
    for column in &decided {
        assert!(texts.contains(column), "{column:?} is gone: remove it from COLUMNS");
    }
    for (table, column, holds) in COLUMNS {
        let sql = format!("SELECT CAST({column} AS BLOB) FROM {table} WHERE {column} IS NOT NULL");
        let values = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(&mut database).await;
        for row in values.unwrap() {
            let value: Vec<u8> = row.get(0);
            let fits = match holds {
                Sealed => value.len() >= SEALED_BYTES_MIN && matches!(value[0], 1 | 2),
                Hashed => [16, 32].contains(&value.len()),
                Id => value.len() <= 32,
                Word => value.len() <= 32 && value.is_ascii(),
            };
            assert!(fits, "{table}.{column} does not look {holds:?}: {} bytes", value.len());
        }
    }
}

#[tokio::test]
async fn none_of_the_planted_values_is_in_any_file() {
    let desk = Desk::new().await;
    let planted = fill(&desk).await;
    assert!(planted >= PLANTED, "{planted}");
    let directory = desk.base.path().join("data");
    assert!(files(&directory).iter().any(|path| path.ends_with("door.sqlite-wal")));
    assert_eq!(found(&directory), Vec::<String>::new(), "while it is open");
    let desk = desk.restart().await;
    assert_eq!(found(&directory), Vec::<String>::new(), "after it was closed");
    // The search itself can find each form.
    for (form, texts) in forms(CANARY) {
        for text in texts {
            let planted = [b"before", text.as_slice(), b"after"].concat();
            fs::write(directory.join("planted"), planted).unwrap();
            assert!(!found(&directory).is_empty(), "{form}");
        }
    }
    drop(desk);
}
