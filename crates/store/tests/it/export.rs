//! An export holds everything of one person and nothing of others.

use std::io;
use std::sync::Arc;

use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, TestRunner};
use surgewall_core::clock::Clock;
use surgewall_core::config::schema::{self, Durability};
use surgewall_core::decision::{
    Admitted, Changed, Outcome, Progress, Record, Refused, Settled, Who,
};
use surgewall_core::flow::{Carried, Went};
use surgewall_core::id::{AccountId, KeyId, RequestId};
use surgewall_core::principal::{Class, DelegatedUser, Network};
use surgewall_core::quota::Amounts;
use surgewall_core::subject::Subject;
use surgewall_core::usage::{Source, Usage};
use surgewall_store::admin::{EndUser, GroupCreate, KeyCreate, Request, UserCreate, Whose};
use surgewall_store::conversations::{
    Attachment, Body, Checkpoint, ConversationId, MessageId, NewConversation, NewMessage, Role,
    State, Tombstone, write_checkpoints,
};
use surgewall_store::datadir::DataDir;
use surgewall_store::export::{ExportError, Item, Sink, Summary, export};
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::people::sealed::delegated_user;
use surgewall_store::people::{People as _, Pick};
use surgewall_store::records::{Event, Records, RecordsOptions, Said};

use crate::accounts::{Desk, key_named};
use crate::conversations::own;
use crate::records::NoSecrets;

/// Everything that was handed out, each item as JSON on a line.
#[derive(Default)]
struct Lines(String);

impl Sink for Lines {
    fn take(&mut self, item: &Item) -> io::Result<()> {
        let json = match item {
            Item::Account(account) => serde_json::to_string(account),
            Item::EndUser(user) => serde_json::to_string(user),
            Item::Group(group) => serde_json::to_string(group),
            Item::Key(key) => serde_json::to_string(key),
            Item::Conversation(chat) => serde_json::to_string(chat),
            Item::Message(message, attached) => serde_json::to_string(&(message, attached)),
            Item::Draft(draft) => serde_json::to_string(draft),
            Item::Answer(answer) => serde_json::to_string(answer),
            Item::Share(share) => serde_json::to_string(share),
            Item::Record(record) => serde_json::to_string(record),
            Item::Decision(decision) => serde_json::to_string(decision),
        };
        self.0.push_str(&json?);
        self.0.push('\n');
        Ok(())
    }
}

/// Somebody about whom things are held, and how to know them again.
struct Person {
    name: &'static str,
    whose: Whose,
    account: Option<AccountId>,
    key: KeyId,
    key_id: String,
    user: Option<DelegatedUser>,
    network: Network,
    chats: Vec<ConversationId>,
    /// What must be in the export.
    planted: Vec<String>,
}

impl Person {
    fn who(&self) -> Who {
        Who {
            class: Class::New,
            key: Some(self.key),
            account: self.account,
            group: None,
            user: self.user,
            network: self.network,
        }
    }

    /// A text that is in nobody else's export.
    fn plant(&mut self) -> String {
        let marker = format!("marker-{}-{:04}", self.name, self.planted.len());
        self.planted.push(marker.clone());
        marker
    }
}

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Step {
    Chat,
    Message,
    Draft,
    Answer,
    Share,
    Request { settled: bool },
    Refused { counted: bool },
    Change,
    Key,
    Record,
}

struct World {
    desk: Desk,
    data: DataDir,
    ledger: Ledger,
    records: Records,
    people: Vec<Person>,
    requests: u128,
}

async fn account(desk: &Desk, name: &'static str, third: u8) -> Person {
    let group = GroupCreate { name: format!("group-{name}"), limits: Vec::new() };
    desk.ask(Request::GroupCreate(group)).await.unwrap();
    let email = format!("email-{name}@example.org");
    let user = UserCreate {
        email: email.clone(),
        group: Some(format!("group-{name}")),
        ..UserCreate::default()
    };
    desk.ask(Request::UserCreate(user)).await.unwrap();
    let key = KeyCreate { account: Some(email.clone()), ..key_named(&format!("key-{name}")) };
    let (key_id, _) = desk.key(key).await;
    let row = desk.people.keys(&Pick::PublicId(key_id.clone())).await.unwrap().remove(0);
    let planted =
        vec![email.clone(), key_id.clone(), format!("group-{name}"), format!("key-{name}")];
    Person {
        name,
        whose: Whose::Account(email),
        account: row.account,
        key: row.id,
        key_id,
        user: None,
        network: Network::of([10, 0, third, 1].into()),
        chats: Vec::new(),
        planted,
    }
}

async fn end_user(desk: &Desk, key_id: &str, name: &'static str, third: u8) -> Person {
    let row = desk.people.keys(&Pick::PublicId(key_id.to_owned())).await.unwrap().remove(0);
    let user = delegated_user(&desk.vault, row.id, name);
    Person {
        name,
        whose: Whose::User { key: key_id.to_owned(), user: EndUser::Name(name.to_owned()) },
        account: None,
        key: row.id,
        key_id: key_id.to_owned(),
        user: Some(user),
        network: Network::of([10, 0, third, 1].into()),
        chats: Vec::new(),
        planted: vec![user.to_string()],
    }
}

impl World {
    async fn new() -> Self {
        let desk = Desk::new().await;
        let data = DataDir::open(&desk.base.path().join("data")).unwrap();
        let options = LedgerOptions {
            durability: Durability::Process,
            bytes_max: 1 << 30,
            retention_days: 400,
            // Small: reservations go from segment to segment.
            segment_bytes_max: 8 << 10,
            clock: Clock::Manual(desk.time.clone()),
            tap: None,
        };
        let (ledger, _) = Ledger::open(&data, &desk.vault, options).unwrap();
        let options =
            RecordsOptions::new(&schema::Vault::default(), Clock::Manual(desk.time.clone()));
        let redact = Arc::new(NoSecrets);
        let records =
            Records::open(&data, &desk.vault, ledger.clone(), redact, options).await.unwrap();
        let app = KeyCreate { delegates: true, ..key_named("app") };
        let (app, _) = desk.key(app).await;
        let people = vec![
            account(&desk, "ada", 1).await,
            account(&desk, "bob", 2).await,
            end_user(&desk, &app, "eve", 3).await,
            end_user(&desk, &app, "dan", 4).await,
        ];
        Self { desk, data, ledger, records, people, requests: 0 }
    }

    async fn step(&mut self, at: usize, step: Step) {
        self.desk.pass(1);
        let at = at % self.people.len();
        match step {
            Step::Request { settled } => self.request(at, settled).await,
            Step::Refused { counted } => self.refused(at, counted).await,
            Step::Change => self.changed(at).await,
            Step::Record => self.record(at).await,
            _ if self.people[at].account.is_none() => self.changed(at).await,
            Step::Key => self.key(at).await,
            content => self.content(at, content).await,
        }
    }

    async fn request(&mut self, at: usize, settled: bool) {
        self.requests += 1;
        let person = &mut self.people[at];
        let request_id = RequestId::from_u128(self.requests);
        person.planted.push(request_id.to_string());
        let model = person.plant();
        let admitted = Admitted {
            request_id,
            at: self.desk.now(),
            who: person.who(),
            route: "chat".to_owned(),
            dialect: "openai".to_owned(),
            model,
            reserved: Amounts { input: 5, output: 5, money: 0 },
            charges: Vec::new(),
            carried: Carried::default(),
            config: "0123456789abcdef".to_owned(),
        };
        let reserved = admitted.reserved;
        self.ledger.append(Record::Admitted(Box::new(admitted))).await.unwrap();
        let used = Progress { request_id, used: reserved, topped_up: Amounts::default() };
        let progress = Record::Progress { at: self.desk.now(), requests: vec![used] };
        self.ledger.append_detached(progress);
        if !settled {
            return;
        }
        let settled = Settled {
            request_id,
            at: self.desk.now(),
            outcome: Outcome::Completed,
            why: None,
            usage: Usage { input: 5, output: 5, ..Usage::default() },
            source: Source::Upstream,
            cost: 0,
            reserved,
            topped_up: Amounts::default(),
            settled: reserved,
            refunded: Amounts::default(),
            upstream: Some(self.people[at].plant()),
            went: Went::default(),
            attempts: 1,
            status: 200,
            first_byte_ms: None,
            duration_ms: 1,
        };
        self.ledger.append(Record::Settled(Box::new(settled))).await.unwrap();
    }

    async fn record(&mut self, at: usize) {
        self.requests += 1;
        let person = &mut self.people[at];
        let account = person.account.map(Subject::Account);
        let subject = account.or(person.user.map(Subject::Delegated)).unwrap();
        let request_id = RequestId::from_u128(self.requests);
        person.planted.push(request_id.to_string());
        let event = Event {
            request_id,
            at: self.desk.now(),
            subject,
            region: String::new(),
            model: person.plant(),
            dialect: "openai".to_owned(),
            outcome: Outcome::Completed,
            input_tokens: 1,
            output_tokens: 1,
            request: Said { text: person.plant(), cut: false },
            answer: Said { text: person.plant(), cut: true },
        };
        let room = self.records.room(event.bytes()).await.unwrap();
        self.records.append(room, event).await.unwrap();
    }

    async fn refused(&mut self, at: usize, counted: bool) {
        self.requests += 1;
        let person = &mut self.people[at];
        let request_id = RequestId::from_u128(self.requests);
        let refused = Refused {
            request_id: (!counted).then_some(request_id),
            at: self.desk.now(),
            who: Some(person.who()),
            network: Some(person.network),
            code: person.plant(),
            rule: None,
            count: if counted { 7 } else { 1 },
        };
        if !counted {
            person.planted.push(request_id.to_string());
        }
        self.ledger.append(Record::Refused(Box::new(refused))).await.unwrap();
        let nobody = Refused {
            request_id: None,
            at: self.desk.now(),
            who: None,
            network: None,
            code: "marker-nobody".to_owned(),
            rule: None,
            count: 3,
        };
        self.ledger.append(Record::Refused(Box::new(nobody))).await.unwrap();
    }

    async fn changed(&mut self, at: usize) {
        let person = &mut self.people[at];
        let marker = person.plant();
        let detail = match person.user {
            Some(user) => format!("user={user} limits={marker}"),
            None => format!("limits={marker}"),
        };
        let changed = Changed {
            at: self.desk.now(),
            action: "key.set".to_owned(),
            subject: Some(person.key_id.clone()),
            detail: Some(detail),
        };
        self.ledger.append(Record::Changed(changed)).await.unwrap();
    }

    async fn key(&mut self, at: usize) {
        let person = &mut self.people[at];
        let Whose::Account(email) = &person.whose else { return };
        let account = Some(email.clone());
        let name = person.plant();
        let (id, _) = self.desk.key(KeyCreate { account, ..key_named(&name) }).await;
        person.planted.push(id);
    }

    async fn content(&mut self, at: usize, step: Step) {
        let (desk, person) = (&self.desk, &mut self.people[at]);
        let Some(account) = person.account else { return };
        let own = own(desk, account);
        let now = desk.now();
        let first = person.chats.is_empty();
        if first || matches!(step, Step::Chat) {
            let (title, prompt) = (person.plant(), person.plant());
            let temporary = person.chats.len() % 3 == 2;
            let new = NewConversation { title, system_prompt: Some(prompt), temporary };
            let chat = own.create(new, now).await.unwrap();
            person.planted.push(chat.public_id.to_string());
            person.chats.push(chat.id);
        }
        let chat = person.chats[person.planted.len() % person.chats.len()];
        let mut body = || Body {
            text: person.plant(),
            thinking: person.plant(),
            model: Some(person.plant()),
            request_id: None,
            withheld: vec![Tombstone {
                at: 1,
                rule: person.plant(),
                reason: person.plant(),
                advice: person.plant(),
            }],
        };
        let (said, begun) = (body(), body());
        let attachments = vec![Attachment { name: person.plant(), text: person.plant() }];
        let id = MessageId::random();
        let (role, state) = (Role::User, State::Complete);
        let message = NewMessage { id, parent: 0, role, state, body: said, attachments };
        let number = own.append(chat, message, now).await.unwrap();
        match step {
            Step::Draft => {
                // It takes the place of the one before: only the last is held.
                let text = format!("draft-{}", person.name);
                person.planted.push(text.clone());
                own.save_draft(chat, text, now).await.unwrap();
            }
            Step::Share => {
                let (share, _) = own.share(chat, number, 9, now).await.unwrap();
                person.planted.push(share.id.to_string());
            }
            _ => {}
        }
        let answer = MessageId::random();
        own.begin_answer(chat, number, answer, now).await.unwrap();
        if matches!(step, Step::Answer) && own.answers().await.unwrap().len() < 16 {
            let batch = vec![Checkpoint { account, conversation: chat, id: answer, body: begun }];
            write_checkpoints(&desk.people, &desk.vault, batch, now).await.unwrap();
        } else {
            own.finish_answer(chat, answer, State::Partial, begun, now).await.unwrap();
        }
    }

    /// All that was written is in the files.
    async fn close(&self) {
        self.records.clone().shutdown().await.unwrap();
        self.ledger.clone().shutdown().await.unwrap();
    }

    async fn export(&self, whose: &Whose) -> Result<(String, Summary), ExportError> {
        let mut lines = Lines::default();
        let office = self.desk.office(&self.desk.people);
        let summary = export(&office, &self.data, whose, &mut lines).await?;
        let json = serde_json::to_string(&summary).unwrap();
        Ok((lines.0 + &json, summary))
    }
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = proptest::sample::select(vec![
        Step::Chat,
        Step::Message,
        Step::Draft,
        Step::Answer,
        Step::Share,
        Step::Request { settled: true },
        Step::Request { settled: false },
        Step::Refused { counted: true },
        Step::Refused { counted: false },
        Step::Change,
        Step::Key,
        Step::Record,
    ]);
    proptest::collection::vec((any::<usize>(), step), 1..40)
}

#[test]
fn all_of_one_person_and_nothing_of_others() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let outcome = runner.run(&steps(), |steps| {
        runtime.block_on(async {
            let mut world = World::new().await;
            for (at, step) in steps {
                world.step(at, step).await;
            }
            world.close().await;
            for person in &world.people {
                let (held, summary) = world.export(&person.whose).await.unwrap();
                assert!(summary.findings.is_empty());
                for marker in &person.planted {
                    assert!(held.contains(marker), "{} lacks {marker}", person.name);
                }
                for other in world.people.iter().filter(|other| other.name != person.name) {
                    let network = other.network.to_string();
                    // Two end users of one key share it.
                    let theirs = other.planted.iter().chain([&network]);
                    for marker in theirs.filter(|marker| !person.planted.contains(marker)) {
                        let found = held.contains(&format!("\"{marker}\""))
                            || held.contains(&format!("marker-{}", other.name))
                            || held.contains(&format!("{marker}\\n"));
                        assert!(!found, "{} has {marker} of {}", person.name, other.name);
                    }
                }
                assert!(!held.contains("marker-nobody"));
            }
        });
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn numbers_accesses_and_erasures_are_told() {
    let mut world = World::new().await;
    for step in [
        Step::Chat,
        Step::Request { settled: true },
        Step::Request { settled: false },
        Step::Refused { counted: true },
        Step::Record,
    ] {
        world.step(0, step).await;
        world.step(1, step).await;
    }
    let ada = world.people[0].account.unwrap();
    let rows = world.desk.people.accounts(&Pick::Ids(vec![ada.as_u128()])).await.unwrap();
    let user = rows[0].public_id.to_string();
    for (action, detail) in [
        ("user.create", "class=new"),
        ("user.set", "suspended=false"),
        ("user.class", "earned class=established"),
        ("user.export", "by=operator"),
    ] {
        let changed = Changed {
            at: world.desk.now(),
            action: action.to_owned(),
            subject: Some(user.clone()),
            detail: Some(detail.to_owned()),
        };
        world.ledger.append(Record::Changed(changed)).await.unwrap();
    }
    world.close().await;
    let whose = world.people[0].whose.clone();
    let (held, summary) = world.export(&whose).await.unwrap();
    assert_eq!(summary.subject, user);
    let counts = summary.counts;
    assert_eq!((counts.admitted, counts.settled, counts.refused, counts.changes), (2, 1, 7, 4));
    assert_eq!((counts.input_tokens, counts.output_tokens), (5, 5));
    assert_eq!((counts.conversations, counts.conversations_erased, counts.records), (1, 0, 1));
    let actions: Vec<_> = summary.class_history.iter().map(|c| c.action.as_str()).collect();
    assert_eq!(actions, ["user.create", "user.class"]);
    assert!(summary.accesses.len() == 1 && summary.notes.is_empty());
    assert!(held.contains("marker-ada-"));

    let subject = Subject::Account(ada);
    let _ = world.desk.vault.erase(subject).unwrap();
    let (held, summary) = world.export(&whose).await.unwrap();
    assert_eq!((summary.counts.conversations_erased, summary.counts.records), (1, 0));
    assert!(summary.notes.iter().any(|note| note.contains("1 blocks of records were erased")));
    assert!(summary.notes[0].contains("the text of 1 of 1 conversations was erased"));
    assert!(held.contains("\"title\":null") && held.contains("email-ada@example.org"));
    let (bobs, summary) = world.export(&world.people[1].whose).await.unwrap();
    assert!(summary.counts.conversations_erased == 0 && bobs.contains("marker-bob-"));
    for nobody in [Whose::Strangers, Whose::Account("nobody@example.org".to_owned())] {
        assert!(matches!(world.export(&nobody).await, Err(ExportError::Admin(_))));
    }
}
