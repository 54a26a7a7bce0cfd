//! What only the engine can show: its plans, its limits within a transaction,
//! and that nothing changes or stays behind.

use sqlx::Row as _;
use surgewall_core::id::PublicId;
use surgewall_core::principal::{Class, ClassReason};

use super::super::write::begin;
use super::*;
use crate::conversations::{MessageId, Role, State};
use crate::people::{AccountRow, Change, People as _};

const OWNER: AccountId = AccountId::from_u128(7);
const CHAT: ConversationId = ConversationId::from_u128(9);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn account() -> AccountRow {
    AccountRow {
        id: OWNER,
        public_id: PublicId::random("user"),
        email: None,
        external: None,
        class: Class::New,
        class_since: at(1),
        class_why: ClassReason::Default,
        class_given: Class::New,
        known_since: at(1),
        days_brought: 0,
        days_counted: 0,
        group: None,
        group_granted: false,
        role_granted: false,
        suspended: false,
        role: surgewall_core::role::Role::User,
        limits: None,
        created_at: at(1),
    }
}

fn chat(id: u128) -> ConversationRow {
    ConversationRow {
        id: ConversationId::from_u128(id),
        public_id: PublicId::random("chat"),
        account: OWNER,
        title: vec![1],
        system_prompt: None,
        temporary: false,
        archived: false,
        created_at: at(1),
        updated_at: at(1),
        messages: 0,
        active: 0,
        bytes: 0,
    }
}

fn message(id: u128, parent: u32, content: &[u8]) -> NewMessageRow {
    let message = MessageRow {
        account: OWNER,
        conversation: CHAT,
        id: MessageId::from_u128(id),
        number: 0,
        parent,
        role: Role::User,
        state: State::Complete,
        attachments: 0,
        created_at: at(2),
        content: content.to_vec(),
    };
    NewMessageRow { message, attachments: Vec::new() }
}

fn answer(id: u128) -> AnswerRow {
    AnswerRow {
        account: OWNER,
        conversation: CHAT,
        id: MessageId::from_u128(id),
        parent: 0,
        offset_bytes: 0,
        started_at: at(2),
        updated_at: at(2),
        content: vec![1; 4],
    }
}

async fn store() -> (Sqlite, tempfile::TempDir) {
    let base = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&base.path().join("t.db")).await.unwrap();
    store.write(&[Change::Account(account())]).await.unwrap();
    store.create(&[chat(9)]).await.unwrap();
    (store, base)
}

#[tokio::test]
async fn every_statement_goes_straight_to_its_rows() {
    let (store, _base) = store().await;
    for (sql, expected) in [
        (read::BY_PUBLIC_ID, "conversations_public_id (org_id=? AND account_id=? AND public_id=?)"),
        (
            read::RECENT,
            "conversations_recent (org_id=? AND account_id=? AND temporary=? AND archived=?",
        ),
        (read::BEFORE, "(org_id=? AND account_id=? AND id<?)"),
        (read::PATH, "(org_id=? AND account_id=? AND conversation_id=? AND number=?)"),
        (read::LEADS_TO, "(org_id=? AND account_id=? AND conversation_id=? AND number=?)"),
        (read::MESSAGES, "(org_id=? AND account_id=? AND conversation_id=? AND number>?)"),
        (read::ATTACHMENTS, "(org_id=? AND account_id=? AND conversation_id=? AND message=?)"),
        (shares::BY_TOKEN, "shares_token (org_id=? AND token_hash=?)"),
    ] {
        let asked = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let steps = sqlx::raw_sql(asked).fetch_all(&store.readers).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
        assert!(steps.iter().any(|step| step.contains(expected)), "{sql}\n-> {steps:#?}");
        for step in steps {
            // A recursive table of ours is walked; a stored one is searched.
            let walks = step.starts_with("SCAN") && step != "SCAN path";
            assert!(!walks, "{sql}\n-> {step}");
        }
    }
}

#[tokio::test]
async fn a_message_and_its_attachments_never_change() {
    let (store, _base) = store().await;
    let mut row = message(1, 0, b"shown");
    row.attachments.push(AttachmentRow { name: vec![1], text: vec![2] });
    assert_eq!(store.append(&[row]).await.unwrap(), [1]);
    for sql in [
        "UPDATE messages SET content_sealed = x'00'",
        "UPDATE messages SET parent = 0",
        "UPDATE messages SET state = 'partial'",
        "UPDATE attachments SET text_sealed = x'00'",
    ] {
        let done = sqlx::raw_sql(sql).execute(&store.writer).await;
        let refused = done.is_err_and(|error| error.to_string().contains("never changes"));
        assert!(refused, "{sql}");
    }
    assert!(store.messages(OWNER, CHAT, 0).await.unwrap()[0].content == b"shown");
}

#[tokio::test]
async fn the_limits_hold_at_the_last_and_refuse_the_next() {
    let (store, _base) = store().await;
    let bounds = Bounds { conversations_max: 2, messages_max: 2, bytes_max: 20, answers_max: 2 };
    let full = |result: Result<(), ConversationError>| match result {
        Ok(()) => "none",
        Err(ConversationError::Full { what, .. }) => what,
        Err(_) => "another",
    };
    let create = async |id| full(write::create(&store.writer, &[chat(id)], bounds).await);
    assert_eq!((create(10).await, create(11).await), ("none", "conversations"));
    let append = async |id, len: usize| {
        let rows = [message(id, 0, &vec![1; len])];
        full(write::append(&store.writer, &rows, bounds).await.map(drop))
    };
    assert_eq!(append(1, 21).await, "bytes of content");
    assert_eq!((append(1, 16).await, append(2, 5).await), ("none", "bytes of content"));
    let begin = async |id| full(answers::begin_all(&store.writer, &[answer(id)], bounds).await);
    assert_eq!((begin(5).await, begin(6).await), ("none", "messages"), "room for one more");
    let more = Bounds { messages_max: 9, ..bounds };
    let begin = async |id| full(answers::begin_all(&store.writer, &[answer(id)], more).await);
    assert_eq!((begin(6).await, begin(7).await), ("none", "answers at once"));
    assert_eq!((append(2, 4).await, append(3, 0).await), ("none", "messages"));
    let draft = |len: usize| DraftRow {
        account: OWNER,
        conversation: CHAT,
        text: Some(vec![1; len]),
        updated_at: at(3),
    };
    let drafted = write::drafts(&store.writer, &[draft(1)], bounds).await;
    assert_eq!(full(drafted), "bytes of content", "drafts count");
    let prompt = [(CHAT, Edit::SystemPrompt(Some(vec![1])))];
    let edited = write::edit(&store.writer, OWNER, &prompt, at(3), bounds).await;
    assert_eq!(full(edited), "bytes of content", "prompts count");
    // What began may end.
    let finished = |id| FinishedRow {
        account: OWNER,
        conversation: CHAT,
        id: MessageId::from_u128(id),
        state: State::Complete,
        at: at(4),
        content: vec![1; 30],
    };
    assert_eq!(store.finish_answers(&[finished(5), finished(6)]).await.unwrap(), [3, 4]);
}

#[tokio::test]
async fn bytes_are_counted_as_they_come_and_go() {
    let (store, _base) = store().await;
    let bytes = async || {
        let pick = Pick::Before { id: None, rows_max: 9 };
        store.conversations(OWNER, &pick).await.unwrap()[0].bytes
    };
    let draft = |text: Option<Vec<u8>>| DraftRow {
        account: OWNER,
        conversation: CHAT,
        text,
        updated_at: at(3),
    };
    store.append(&[message(1, 0, &[1; 10])]).await.unwrap();
    assert_eq!(bytes().await, 10);
    for (text, sum) in [(Some(vec![1; 5]), 15), (Some(vec![1; 7]), 17), (None, 10), (None, 10)] {
        store.write_drafts(&[draft(text)]).await.unwrap();
        assert_eq!(bytes().await, sum);
    }
    for (prompt, sum) in [(Some(vec![1; 6]), 16), (Some(vec![1; 2]), 12), (None, 10)] {
        store.edit(OWNER, &[(CHAT, Edit::SystemPrompt(prompt))], at(5)).await.unwrap();
        assert_eq!(bytes().await, sum);
    }
}

#[tokio::test]
async fn what_is_deleted_is_nowhere_in_the_files() {
    let (store, base) = store().await;
    let marker = b"sealed bytes that stand for content".repeat(300);
    for id in 1..20_u32 {
        store.append(&[message(id.into(), id - 1, &marker)]).await.unwrap();
    }
    let holds = |what: &[u8]| {
        let files = std::fs::read_dir(base.path()).unwrap();
        files.map(|file| file.unwrap().path()).any(|path| {
            let bytes = surgewall_core::files::read_bounded(&path, 64 << 20).unwrap();
            bytes.windows(what.len()).any(|window| window == what)
        })
    };
    assert!(holds(&marker[..35]), "the search itself can find");
    assert_eq!(store.delete(OWNER, &[CHAT, ConversationId::from_u128(1)]).await.unwrap(), 1);
    assert!(!holds(&marker[..35]));
    for table in ["conversations", "messages", "attachments", "drafts", "answers", "shares"] {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&store.readers).await.unwrap();
        assert_eq!(count, 0, "{table}");
    }
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    let (store, _base) = store().await;
    let orphan = message(2, 9, b"b");
    let error = store.append(&[message(1, 0, b"a"), orphan]).await.unwrap_err();
    assert!(matches!(error, ConversationError::NotFound { what: "message" }), "{error}");
    assert!(store.messages(OWNER, CHAT, 0).await.unwrap().is_empty());
    let mut transaction = begin(&store.writer).await.unwrap();
    let row = message(1, 0, b"a");
    write::add(&mut transaction, &row, write::Look::Here, BOUNDS).await.unwrap();
    drop(transaction);
    assert!(store.messages(OWNER, CHAT, 0).await.unwrap().is_empty());
}
