//! A receipt says where one request went, is its own person's only, and holds for
//! whoever has nothing but the store's key.

use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::id::{AccountId, RequestId};
use surgewall_core::subject::Subject;
use surgewall_scan::ledger::NoteKey;
use surgewall_scan::receipt::{ReceiptFault, check_receipt};
use surgewall_store::people::sealed::keep_config;
use surgewall_store::receipt::{Hop, Receipt, ReceiptError, Wanted, of};
use surgewall_store::sqlite::Sqlite;
use surgewall_testkit::{Behaviour, Double};

use crate::calls::chat;
use crate::harness::{LISTEN, TestDoor, upstream};

const PATH: &str = "/v1/chat/completions";
const TERMS: &str = "provider=\"Lab\"\nlegal_entity=\"Lab B.V.\"\nregion=\"eu\"\nretention_days=30\n\
    trains_on_data=\"no\"\nterms_source=\"https://lab.example/terms\"\nterms_date=\"2026-11-01\"\n\
    fallback=[\"own\"]";
const SAID: &str = "[data]\ncontroller=\"Clinic\"\nregion=\"eu\"\n[[passport]]\nmodel=\"doub*\"\n\
    maker={ value=\"Maker\", status=\"claimed\", source=\"card\", date=\"2026-01-01\" }\n";

struct Given {
    door: TestDoor,
    people: Sqlite,
    id: RequestId,
    subject: Subject,
    key: NoteKey,
}

/// A request that a provider's server refused to take and an own one answered.
async fn given() -> Given {
    let down = Double::start(Behaviour::default());
    let url = down.url();
    drop(down);
    let own = Double::start(Behaviour::default());
    let config = upstream("lab", &url, TERMS) + &upstream("own", &own.url(), "weight=1") + SAID;
    let mut door = TestDoor::start(&config).await;
    let client = door.client().await;
    let mut id = None;
    // Whichever of the two it begins with, the own one answers.
    for _ in 0..4 {
        let answer = client.post(PATH, &chat("double", "to ada@example.org", false)).await.unwrap();
        assert_eq!(answer.status, 200);
        id = answer.header("x-request-id").map(|id| id.parse().unwrap());
    }
    door.settled().await;
    door.halt().await;
    let (data, vault) = door.store();
    let people = Sqlite::open(&data.database()).await.unwrap();
    let text = format!("{LISTEN}{config}");
    let hash = surgewall_core::digest::config_hash(&text);
    keep_config(&people, &vault, &hash, &text, Timestamp::from_millis(1)).await.unwrap();
    use surgewall_store::people::{People as _, Pick};
    let keys = people.keys(&Pick::After { id: 0, rows_max: 9 }).await.unwrap();
    let subject = Subject::Key(keys[0].id);
    let key = NoteKey::new(&format!("surgewall/{}", data.store_id()), vault.verifying_key());
    Given { door, people, id: id.unwrap(), subject, key }
}

impl Given {
    async fn receipt(&self, by: Option<Subject>) -> Result<Receipt, ReceiptError> {
        let (data, vault) = self.door.store();
        let wanted = Wanted { request: self.id, by, now: Clock::System.now() };
        of(&self.people, &vault, &data, wanted).await
    }
}

#[tokio::test]
async fn a_receipt_tells_the_way_and_holds_with_the_key_alone() {
    let given = given().await;
    let receipt = given.receipt(Some(given.subject)).await.unwrap();
    assert_eq!(receipt.carried.classes.to_string(), "email");
    assert!(receipt.whose.starts_with("key_"), "{}", receipt.whose);
    let known = receipt.model.passport.as_ref().unwrap();
    assert_eq!((&*receipt.model.id, known.maker.value.as_deref()), ("double", Some("Maker")));
    let [Hop::Door { controller, .. }, given_to @ ..] = &receipt.hops.as_ref().unwrap()[..] else {
        panic!("the door is first")
    };
    assert_eq!(controller.as_deref(), Some("Clinic"));
    // Nobody listened at the provider's address: it was given nothing.
    let [Hop::Upstream(own)] = given_to else { panic!("{given_to:?}") };
    assert_eq!((&*own.name, own.endpoints.len()), ("own", 0), "own machines are not named");
    let text = serde_json::to_string_pretty(&receipt).unwrap();
    assert!(!text.contains("ada@example.org"));
    let held = check_receipt(&text, &given.key).unwrap();
    assert_eq!((held.request_id, held.records.len()), (given.id.to_string(), 2));
    // Any other word of it, and it holds no more.
    for (word, other) in [
        ("\"email\"", "\"phone\""),
        ("Clinic", "Doctor"),
        ("\"own\"", "\"lab\""),
        ("\"media\": 0", "\"media\": 1"),
        ("\"whose\": \"key_", "\"whose\": \"user_"),
    ] {
        assert!(text.contains(word), "{word}");
        let changed = text.replacen(word, other, 1);
        assert_eq!(check_receipt(&changed, &given.key), Err(ReceiptFault::Unsigned), "{word}");
    }
    let twice = text.replacen("{", "{\"whose\":\"user_a\",", 1);
    assert!(matches!(check_receipt(&twice, &given.key), Err(ReceiptFault::Malformed(_))));
    let stranger = NoteKey::new("surgewall/other", [7; 32]);
    assert_eq!(check_receipt(&text, &stranger), Err(ReceiptFault::Unsigned));
}

#[tokio::test]
async fn a_receipt_is_its_own_persons_and_the_operators() {
    let given = given().await;
    let other = Subject::Account(AccountId::from_u128(7));
    for by in [other, Subject::Strangers] {
        let refused = given.receipt(Some(by)).await;
        assert!(matches!(refused, Err(ReceiptError::NotFound)), "{refused:?}");
    }
    assert!(given.receipt(None).await.is_ok());
    let gone = Given { id: RequestId::from_u128(1), ..given };
    assert!(matches!(gone.receipt(None).await, Err(ReceiptError::NotFound)));
}
