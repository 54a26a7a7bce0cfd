//! The operator's work on the vault: erasing with a receipt, and the master key.

use surgewall_core::decision::Erased;
use surgewall_core::subject::Subject;
use surgewall_store::admin::{EndUser, ErasureView, KeyCreate, Reply, Request, VaultErase, Whose};
use surgewall_store::people::sealed::delegated_user;
use surgewall_store::people::{People as _, Pick};
use surgewall_store::vault::{Content, VaultError, is_signed};

use crate::accounts::{Desk, START, key_named};

async fn erase(desk: &Desk, whose: Whose) -> ErasureView {
    match desk.ask(Request::VaultErase(VaultErase { whose })).await.unwrap() {
        Reply::Erased(view) => view,
        other => panic!("{other:?}"),
    }
}

fn seal(desk: &Desk, subject: Subject) -> Vec<u8> {
    desk.vault.seal_for(Content::Record, subject, START, "x", b"y").unwrap()
}

fn is_erased(desk: &Desk, subject: Subject, sealed: &[u8]) -> bool {
    match desk.vault.open_for(Content::Record, subject, "x", sealed) {
        Ok(_) => false,
        Err(VaultError::Erased) => true,
        Err(error) => panic!("{error}"),
    }
}

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    let digits: Vec<_> = hex.chars().map(|c| c.to_digit(16).unwrap()).collect();
    let bytes: Vec<_> =
        digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect();
    bytes.try_into().unwrap()
}

/// Whether a receipt holds, as anybody with the public key can tell.
fn holds(view: &ErasureView) -> bool {
    let text = view.receipt.signed_text(&view.store);
    let (key, signature) = (bytes(&view.verifying_key), bytes(&view.receipt.signature));
    is_signed(&key, Erased::PURPOSE, text.as_bytes(), &signature)
}

#[tokio::test]
async fn everybody_can_be_erased_by_the_name_an_operator_knows() {
    let desk = Desk::new().await;
    let ada = desk.user("ada@example.org").await;
    let (app, _) = desk.key(KeyCreate { delegates: true, ..key_named("app") }).await;
    let account = desk.people.accounts(&Pick::PublicId(ada.clone())).await.unwrap().remove(0).id;
    let key = desk.people.keys(&Pick::PublicId(app.clone())).await.unwrap().remove(0).id;
    let alice = delegated_user(&desk.vault, key, "alice");
    let bert = delegated_user(&desk.vault, key, "bert");
    let user = |user| Whose::User { key: "app".to_owned(), user };
    let cases = [
        (Whose::Account("Ada@Example.org".to_owned()), Subject::Account(account), ada),
        (Whose::Key("app".to_owned()), Subject::Key(key), app),
        (user(EndUser::Name("alice".to_owned())), Subject::Delegated(alice), alice.to_string()),
        (user(EndUser::Hash(bert.to_string())), Subject::Delegated(bert), bert.to_string()),
        (Whose::Strangers, Subject::Strangers, "strangers".to_owned()),
    ];
    let sealed: Vec<_> = cases.iter().map(|(_, subject, _)| seal(&desk, *subject)).collect();
    for (at, (whose, subject, shown)) in cases.iter().enumerate() {
        assert!(!is_erased(&desk, *subject, &sealed[at]));
        let view = erase(&desk, whose.clone()).await;
        assert_eq!((&view.receipt.subject, view.receipt.keys), (shown, 1));
        assert!(holds(&view) && is_erased(&desk, *subject, &sealed[at]));
        let again = erase(&desk, whose.clone()).await;
        assert!(again.receipt.keys == 0 && holds(&again), "a second time is no error");
        let forged = Erased { keys: 9, ..view.receipt.clone() };
        assert!(!holds(&ErasureView { receipt: forged, ..view }));
    }
    let receipts = desk.book.receipts.lock().unwrap().clone();
    assert_eq!(receipts.iter().map(|r| r.keys).collect::<Vec<_>>(), [1, 0].repeat(5));
    let actions: Vec<_> = desk.records().into_iter().map(|(action, ..)| action).collect();
    assert_eq!(actions.iter().filter(|action| *action == "vault.erase").count(), 10);
}

#[tokio::test]
async fn what_cannot_be_meant_or_recorded_destroys_nothing() {
    let desk = Desk::new().await;
    let ada = desk.user("ada@example.org").await;
    let account = desk.people.accounts(&Pick::PublicId(ada.clone())).await.unwrap().remove(0).id;
    let own = KeyCreate { account: Some(ada.clone()), ..key_named("laptop") };
    desk.key(own).await;
    let sealed = seal(&desk, Subject::Account(account));
    let refused = |whose| desk.refused(Request::VaultErase(VaultErase { whose }));
    let unknown = refused(Whose::Account("bob@example.org".to_owned())).await;
    assert!(unknown.contains("there is no user `bob@example.org`"), "{unknown}");
    let of_account = refused(Whose::Key("laptop".to_owned())).await;
    assert!(
        of_account.contains("belongs to an account") && of_account.contains("name the account")
    );
    *desk.book.full.lock().unwrap() = true;
    let unrecorded = refused(Whose::Account(ada)).await;
    assert!(unrecorded.contains("nothing was changed"), "{unrecorded}");
    assert!(desk.refused(Request::VaultRotate).await.contains("nothing was changed"));
    *desk.book.full.lock().unwrap() = false;
    assert!(!is_erased(&desk, Subject::Account(account), &sealed));
}

#[tokio::test]
async fn the_master_key_is_replaced_while_the_door_works() {
    let desk = Desk::new().await;
    let ada = desk.user("ada@example.org").await;
    let sealed = seal(&desk, Subject::Strangers);
    let status = || async {
        match desk.ask(Request::VaultStatus).await.unwrap() {
            Reply::Vault(view) => view,
            other => panic!("{other:?}"),
        }
    };
    let before = status().await;
    assert_eq!((before.keys, before.subjects, before.rotated_at), (1, 1, None));
    let old = std::fs::read(&before.key_file).unwrap();
    match desk.ask(Request::VaultRotate).await.unwrap() {
        Reply::Rotated(view) => assert_eq!((view.keys, view.lost), (1, 0)),
        other => panic!("{other:?}"),
    }
    let after = status().await;
    assert_eq!(after.rotated_at, Some(START));
    assert_eq!(after.verifying_key, before.verifying_key);
    assert_ne!(std::fs::read(&after.key_file).unwrap(), old);
    assert!(!is_erased(&desk, Subject::Strangers, &sealed));
    let actions: Vec<_> = desk.records().into_iter().map(|(action, ..)| action).collect();
    assert!(actions.ends_with(&["vault.rotate".to_owned(), "vault.rotate.done".to_owned()]));
    let desk = desk.restart().await;
    assert!(!is_erased(&desk, Subject::Strangers, &sealed));
    assert_eq!(desk.people.accounts(&Pick::PublicId(ada)).await.unwrap().len(), 1);
}
