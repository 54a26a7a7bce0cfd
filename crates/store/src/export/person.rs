//! Who an export is about, and the facts that are kept about them.

use std::collections::HashSet;

use surgewall_core::decision::Who;
use surgewall_core::id::{AccountId, KeyId};
use surgewall_core::principal::DelegatedUser;
use surgewall_core::subject::Subject;

use super::{ExportError, Item, Sink};
use crate::admin::{
    AdminError, Audit, AuditError, EndUser, KeyList, Named, Office, Reply, Request, UserLimit,
    Whose, execute, subject_of,
};
use crate::ledger::read::Names;
use crate::people::{PAGE_ROWS_MAX, People, Pick};

/// The person, and by which ids the ledger names them.
pub(super) struct Person {
    /// As it is shown: a public id, or the keyed hash of an end user.
    pub(super) shown: String,
    /// Whose content it is.
    pub(super) subject: Subject,
    /// The account, if it is one.
    pub(super) account: Option<AccountId>,
    /// The key, of an end user or of the operator's own.
    pub(super) key: Option<KeyId>,
    /// The end user of that key.
    pub(super) user: Option<DelegatedUser>,
    /// Public ids of the account and its keys: what changes name.
    pub(super) public_ids: HashSet<String>,
    /// Public ids for inner ones.
    pub(super) names: Names,
}

impl Person {
    /// Whether a decision is about this person.
    pub(super) fn is(&self, who: &Who) -> bool {
        match (self.account, self.user) {
            (Some(account), _) => who.account == Some(account),
            (None, Some(user)) => who.key == self.key && who.user == Some(user),
            (None, None) => who.key == self.key && who.user.is_none(),
        }
    }
}

/// For requests that change nothing, and so record nothing.
struct NoAudit;

impl Audit for NoAudit {
    async fn record(&self, _: surgewall_core::decision::Record) -> Result<(), AuditError> {
        Err(AuditError("this is no reading".to_owned()))
    }
}

pub(super) async fn find<P: People>(
    office: &Office<'_, P>,
    whose: &Whose,
) -> Result<Person, ExportError> {
    let (subject, shown) = subject_of(office, whose).await?;
    let mut person = Person {
        shown: shown.clone(),
        subject,
        account: None,
        key: None,
        user: None,
        public_ids: HashSet::new(),
        names: Names::new(),
    };
    match subject {
        Subject::Account(account) => {
            person.account = Some(account);
            person.names.insert(format!("{account:?}"), shown.clone());
            person.public_ids.insert(shown);
            let mut id = 0;
            loop {
                let pick = Pick::Of { owner: account.as_u128(), id, rows_max: PAGE_ROWS_MAX };
                let keys = office.people.keys(&pick).await?;
                let Some(last) = keys.last() else { break };
                id = last.id.as_u128();
                keys.iter().for_each(|key| {
                    person.names.insert(format!("{:?}", key.id), key.public_id.to_string());
                    person.public_ids.insert(key.public_id.to_string());
                });
            }
        }
        Subject::Key(_) | Subject::Delegated(_) => {
            let (Whose::Key(name) | Whose::User { key: name, .. }) = whose else {
                return Err(nobody().into());
            };
            let Reply::Key(view) = ask(office, Request::KeyShow(named(name))).await? else {
                return Err(nobody().into());
            };
            let pick = Pick::PublicId(view.id.to_string());
            let row = office.people.keys(&pick).await?.into_iter().next();
            let row = row.ok_or_else(nobody)?;
            person.key = Some(row.id);
            person.names.insert(format!("{:?}", row.id), view.id.to_string());
            if let Subject::Delegated(user) = subject {
                person.user = Some(user);
            } else {
                person.public_ids.insert(view.id.to_string());
            }
        }
        Subject::Strangers => return Err(nobody().into()),
    }
    groups(office, &mut person.names).await?;
    Ok(person)
}

fn nobody() -> AdminError {
    AdminError::invalid(
        "strangers are nobody in particular: nothing can be told apart for one of them",
    )
}

/// Groups that decisions may name; a group's public id tells nothing of its members.
async fn groups<P: People>(office: &Office<'_, P>, names: &mut Names) -> Result<(), ExportError> {
    let mut id = 0;
    loop {
        let rows = office.people.groups(&Pick::After { id, rows_max: PAGE_ROWS_MAX }).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        id = last.id.as_u128();
        names.extend(rows.iter().map(|row| (format!("{:?}", row.id), row.public_id.to_string())));
    }
}

/// Hands out the facts: the account or end user, its group, its keys.
pub(super) async fn facts<P: People>(
    office: &Office<'_, P>,
    person: &Person,
    sink: &mut dyn Sink,
) -> Result<(), ExportError> {
    if let Some(user) = person.user {
        return end_user(office, person, user, sink).await;
    }
    if person.account.is_none() {
        if let Reply::Key(key) = ask(office, Request::KeyShow(named(&person.shown))).await? {
            sink.take(&Item::Key(Box::new(key)))?;
        }
        return Ok(());
    }
    let Reply::User(user) = ask(office, Request::UserShow(named(&person.shown))).await? else {
        return Ok(());
    };
    let group = user.group.clone();
    sink.take(&Item::Account(Box::new(user)))?;
    if let Some(group) = group
        && let Reply::Group(group) = ask(office, Request::GroupShow(named(&group))).await?
    {
        sink.take(&Item::Group(Box::new(group)))?;
    }
    let mut after = None;
    loop {
        let list = KeyList { account: Some(person.shown.clone()), after, rows_max: 0 };
        let Reply::Keys(page) = ask(office, Request::KeyList(list)).await? else { return Ok(()) };
        for key in page.rows {
            sink.take(&Item::Key(Box::new(key)))?;
        }
        match page.next {
            Some(next) => after = Some(next.to_string()),
            None => return Ok(()),
        }
    }
}

async fn end_user<P: People>(
    office: &Office<'_, P>,
    person: &Person,
    user: DelegatedUser,
    sink: &mut dyn Sink,
) -> Result<(), ExportError> {
    let key = person.key.map(|key| format!("{key:?}"));
    let key = key.and_then(|key| person.names.get(&key).cloned()).unwrap_or_default();
    let asked = UserLimit { key, user: EndUser::Hash(user.to_string()), limits: None };
    if let Reply::Delegated(user) = ask(office, Request::UserLimit(asked)).await? {
        sink.take(&Item::EndUser(Box::new(user)))?;
    }
    Ok(())
}

fn named(name: &str) -> Named {
    Named { name: name.to_owned() }
}

async fn ask<P: People>(office: &Office<'_, P>, request: Request) -> Result<Reply, AdminError> {
    execute(office, &NoAudit, request).await
}
