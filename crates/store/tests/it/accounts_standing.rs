//! What accounts earn: days of good use, classes by a rule, what an import
//! brings and what a suspension takes.

use surgewall_core::clock::{DAY_S, Timestamp};
use surgewall_core::digest::{hex, sha256};
use surgewall_core::id::AccountId;
use surgewall_core::principal::{Class, ClassReason};
use surgewall_store::admin::{
    AccountEnsure, Brought, Foreign, Judged, KeyCreate, KeyImport, Reply, Request, UserSet,
    UserView, judge_accounts,
};
use surgewall_store::people::{AccountRow, People, Pick};

use crate::accounts::{Desk, START, key_named, named};

async fn show(desk: &Desk, user: &str) -> UserView {
    match desk.ask(Request::UserShow(named(user))).await.unwrap() {
        Reply::User(view) => view,
        other => panic!("{other:?}"),
    }
}

async fn id(desk: &Desk, user: &str) -> AccountId {
    desk.people.accounts(&Pick::PublicId(user.to_owned())).await.unwrap()[0].id
}

/// One more day of good use of `account`, and the rule held against it.
async fn use_well(desk: &Desk, account: AccountId) -> usize {
    desk.pass(DAY_S);
    desk.directory.used_well(account, desk.now());
    let counted = desk.directory.write_touched(&desk.people).await.unwrap();
    assert_eq!(counted, [account]);
    judge(desk, &counted, three_days).await
}

async fn judge(
    desk: &Desk,
    accounts: &[AccountId],
    rule: impl Fn(&AccountRow) -> Option<Judged>,
) -> usize {
    let office = desk.office(&desk.people);
    judge_accounts(&office, &desk.book, accounts, rule).await.unwrap()
}

/// Three days of good use make an account `established`.
fn three_days(row: &AccountRow) -> Option<Judged> {
    let enough = row.good_days() >= 3 && row.class != Class::Established;
    enough.then(|| Judged {
        class: (Class::Established, ClassReason::Earned),
        detail: format!("{} days", row.good_days()),
    })
}

#[tokio::test]
async fn a_day_of_good_use_counts_once_and_an_older_one_never() {
    let desk = Desk::new().await;
    let user = desk.user("ann@example.org").await;
    let account = id(&desk, &user).await;
    let at = |days: u64, ms: u64| Timestamp::from_millis((20_000 + days) * DAY_S * 1_000 + ms);
    for (when, counted, days) in [
        (at(0, 0), 1, 1),
        (at(0, DAY_S * 1_000 - 1), 0, 1),
        (at(1, 0), 1, 2),
        (at(0, 5), 0, 2),
        (at(9, 5), 1, 3),
    ] {
        for _ in 0..100 {
            desk.directory.used_well(account, when);
        }
        let gained = desk.directory.write_touched(&desk.people).await.unwrap();
        assert_eq!(gained.len(), counted, "{when}");
        assert_eq!(show(&desk, &user).await.active_days, days, "{when}");
    }
    // An operator's change, read before the last batch or after it, takes none away.
    let set = UserSet { user: user.clone(), limits: Some(vec![]), ..UserSet::default() };
    desk.ask(Request::UserSet(set)).await.unwrap();
    let desk = desk.restart().await;
    assert_eq!(show(&desk, &user).await.active_days, 3);
}

#[tokio::test]
async fn a_class_that_is_earned_holds_at_once_is_recorded_and_is_lost_with_a_suspension() {
    let desk = Desk::new().await;
    let user = desk.user("ann@example.org").await;
    let account = id(&desk, &user).await;
    let key = KeyCreate { account: Some(user.clone()), ..key_named("k") };
    let (_, secret) = desk.key(key).await;
    for changed in [0, 0, 1, 0] {
        assert_eq!(use_well(&desk, account).await, changed);
    }
    let found = desk.find(&secret).await.unwrap().account.unwrap();
    assert_eq!((found.class, found.class_why), (Class::Established, ClassReason::Earned));
    let earned_at = START.plus(std::time::Duration::from_secs(3 * DAY_S));
    assert_eq!(show(&desk, &user).await.class_since, earned_at);
    let records = desk.records();
    let done = (String::from("user.class.done"), Some(user.clone()), None);
    let told = (String::from("user.class"), Some(user.clone()), Some("3 days".to_owned()));
    assert_eq!(records[records.len() - 2..], [told, done]);

    desk.pass(5);
    let suspend = |on| UserSet { user: user.clone(), suspended: Some(on), ..UserSet::default() };
    desk.ask(Request::UserSet(suspend(true))).await.unwrap();
    let said = desk.records().into_iter().rev().nth(1).unwrap().2;
    assert_eq!(said.as_deref(), Some("suspended=true class=new"));
    desk.ask(Request::UserSet(suspend(false))).await.unwrap();
    let view = show(&desk, &user).await;
    assert_eq!((view.class, view.class_why), (Class::New, ClassReason::Default));
    assert_eq!((view.known_since, view.active_days), (desk.now(), 0));
    for changed in [0, 0, 1] {
        assert_eq!(use_well(&desk, account).await, changed, "trust begins anew");
    }
}

#[tokio::test]
async fn what_a_suspension_takes_from_a_tokens_account_is_not_what_its_issuer_gave() {
    let desk = Desk::new().await;
    let ensure = AccountEnsure {
        issuer: "i".to_owned(),
        subject: "s".to_owned(),
        class: Class::Verified,
        claimed: None,
        group: None,
        granted: None,
        email: None,
    };
    let reply = desk.ask(Request::AccountEnsure(ensure)).await.unwrap();
    let Reply::UserCreated { id: user } = reply else { panic!("{reply:?}") };
    let account = id(&desk, user.as_str()).await;
    for _ in 0..3 {
        use_well(&desk, account).await;
    }
    assert_eq!(show(&desk, user.as_str()).await.class, Class::Established);
    let suspend = UserSet { user: user.to_string(), suspended: Some(true), ..UserSet::default() };
    desk.ask(Request::UserSet(suspend)).await.unwrap();
    let view = show(&desk, user.as_str()).await;
    assert_eq!((view.class, view.class_why), (Class::Verified, ClassReason::Issuer));
}

#[tokio::test]
async fn a_change_that_cannot_be_recorded_is_not_made() {
    let desk = Desk::new().await;
    let user = desk.user("ann@example.org").await;
    let account = id(&desk, &user).await;
    *desk.book.full.lock().unwrap() = true;
    let office = desk.office(&desk.people);
    let always = |_: &AccountRow| {
        let class = (Class::Established, ClassReason::Earned);
        Some(Judged { class, detail: String::new() })
    };
    assert!(judge_accounts(&office, &desk.book, &[account], always).await.is_err());
    assert_eq!(show(&desk, &user).await.class, Class::New);
    assert_eq!(judge(&desk, &[AccountId::from_u128(9)], always).await, 0, "nobody");
}

fn import(n: u32, history: &[(&str, Timestamp, u32)]) -> Request {
    let hash = hex(&sha256(format!("sk-{n}").as_bytes()));
    let account = Some("ann@example.org".to_owned());
    let foreign = Some(Foreign::Sha256(hash));
    let key = KeyCreate { account, foreign, ..key_named(&format!("k{n}")) };
    let brought = |&(account, first_seen, active_days): &(&str, Timestamp, u32)| Brought {
        account: account.to_owned(),
        first_seen,
        active_days,
    };
    let history = history.iter().map(brought).collect();
    Request::KeyImport(KeyImport { keys: vec![key], history, ..KeyImport::default() })
}

#[tokio::test]
async fn an_import_brings_history_once() {
    let desk = Desk::new().await;
    let user = desk.user("ann@example.org").await;
    let day = |before: u64| Timestamp::from_millis(START.millis() - before * DAY_S * 1_000);
    let ann = "ann@example.org";
    let lines = [(ann, day(400), 2), (user.as_str(), day(100), 1)];
    desk.ask(import(1, &lines)).await.unwrap();
    desk.ask(import(2, &lines)).await.unwrap();
    let told = desk.records().into_iter().rev().nth(1).unwrap();
    assert_eq!((told.0.as_str(), told.2.as_deref()), ("key.import", Some("keys=1 histories=1")));
    let view = show(&desk, &user).await;
    assert_eq!((view.known_since, view.active_days, view.created_at), (day(400), 2, START));
    let account = id(&desk, &user).await;
    assert!(!desk.directory.account(account).unwrap().is_young(400, desk.now()));
    assert_eq!(use_well(&desk, account).await, 1, "two that were brought and one here");

    let ahead = START.plus(std::time::Duration::from_secs(2 * DAY_S));
    for (wrong, said) in [
        ((ann, ahead, 0), "future"),
        ((ann, desk.now(), 2), "more `active_days`"),
        (("bob@example.org", START, 0), "no user"),
    ] {
        let text = desk.refused(import(3, &[wrong])).await;
        assert!(text.contains(said), "{text}");
    }
    assert_eq!(show(&desk, &user).await.known_since, day(400));
    desk.ask(import(3, &[(ann, desk.now(), 1)])).await.unwrap();
    assert_eq!(show(&desk, &user).await.known_since, day(400), "history only adds");
}
