//! `surgewall admin`: what was typed becomes a request, the reply becomes text.

mod finding;
mod gate;
mod import;
mod ledger;
mod rule;
mod show;
mod status;
mod vault;

use surgewall_core::id::PublicId;
use surgewall_gateway::pages::links::set_up_link;
use surgewall_store::admin::{
    Assign, EndUser, Foreign, GroupCreate, GroupSet, KeyCreate, KeyList, KeySet, List, Named, Page,
    Reply, Request, UserCreate, UserLimit, UserRecover, UserSet,
};

use self::show::{Listing, one};
use super::office::{operate, unexpected};
use crate::cli::{Shape, admin as typed};
use crate::fault::{Fault, Verdict};
use crate::place::Place;
use crate::show::{err, out};

/// Carries out an operation on people, keys, the ledger or findings.
///
/// # Errors
/// Why it was not carried out.
pub(crate) async fn admin(place: &Place, asked: typed::Admin) -> Result<Verdict, Fault> {
    match asked {
        typed::Admin::User(asked) => user(place, asked).await?,
        typed::Admin::Group(asked) => group(place, asked).await?,
        typed::Admin::Key(asked) => key(place, asked).await?,
        typed::Admin::Import(asked) => import::import(place, asked).await?,
        typed::Admin::Gate(asked) => gate::gate(place, asked).await?,
        typed::Admin::Vault(asked) => vault::vault(place, asked).await?,
        typed::Admin::Status(asked) => status::status(place, asked).await?,
        typed::Admin::Ledger(asked) => return ledger::ledger(place, &asked).await,
        typed::Admin::Finding(asked) => return finding::finding(place, asked).await,
        typed::Admin::Rule(asked) => return rule::rule(place, asked).await,
    }
    Ok(Verdict::Clean)
}

async fn user(place: &Place, asked: typed::User) -> Result<(), Fault> {
    let (request, format) = match asked {
        typed::User::List(asked) => return list(place, Listing::Users, None, asked.format).await,
        typed::User::Show(asked) => (Request::UserShow(Named { name: asked.name }), asked.format),
        typed::User::Create(asked) => {
            let typed::UserCreate { email, class, group, limits } = asked;
            let create = UserCreate { email, class, group, limits: limits.limits };
            (Request::UserCreate(create), Shape::Text)
        }
        typed::User::Set(asked) => {
            let group = asked.group.map(Assign::To).or(asked.no_group.then_some(Assign::Nothing));
            let suspended = asked.suspend.then_some(true).or(asked.resume.then_some(false));
            let limits = asked.limits.into_limits();
            let typed::UserSet { user, class, by_rule, role, .. } = asked;
            let set = UserSet { user, class, by_rule, group, suspended, role, limits };
            (Request::UserSet(set), Shape::Text)
        }
        typed::User::Recover(asked) => return recover(place, asked.user).await,
        typed::User::Close(asked) => return vault::close(place, asked).await,
        typed::User::Limit(asked) => {
            let user = asked.hash.map(EndUser::Hash);
            let user = user.unwrap_or_else(|| EndUser::Name(asked.user.unwrap_or_default()));
            let limits = asked.limits.into_limits();
            (Request::UserLimit(UserLimit { key: asked.key, user, limits }), asked.format)
        }
    };
    one(operate(place, request).await?, format)
}

/// Prints the link, alone, on stdout: the owner's leads to the admin listener.
async fn recover(place: &Place, user: Option<String>) -> Result<(), Fault> {
    let owner = user.is_none();
    let listen = place.load()?.config.listen;
    let Reply::Link { token } = operate(place, Request::UserRecover(UserRecover { user })).await?
    else {
        return Err(unexpected());
    };
    err("good once, for an hour\n");
    out(&format!("{}\n", set_up_link(&listen, owner, token.0.expose())));
    Ok(())
}

async fn group(place: &Place, asked: typed::Group) -> Result<(), Fault> {
    let (request, format) = match asked {
        typed::Group::List(asked) => return list(place, Listing::Groups, None, asked.format).await,
        typed::Group::Show(asked) => (Request::GroupShow(Named { name: asked.name }), asked.format),
        typed::Group::Create(asked) => {
            let create = GroupCreate { name: asked.name, limits: asked.limits.limits };
            return match operate(place, Request::GroupCreate(create)).await? {
                Reply::Group(group) => {
                    out(&format!("{}\n", group.id));
                    Ok(())
                }
                _ => Err(unexpected()),
            };
        }
        typed::Group::Set(asked) => {
            let limits = asked.limits.into_limits();
            let set = GroupSet { group: asked.group, name: asked.name, limits };
            (Request::GroupSet(set), Shape::Text)
        }
    };
    one(operate(place, request).await?, format)
}

async fn key(place: &Place, asked: typed::Key) -> Result<(), Fault> {
    let (request, format) = match asked {
        typed::Key::List(asked) => {
            return list(place, Listing::Keys, asked.account, asked.format).await;
        }
        typed::Key::Create(asked) => return create_key(place, asked).await,
        typed::Key::Import(asked) => return import::own_keys(place, asked.file).await,
        typed::Key::Show(asked) => (Request::KeyShow(Named { name: asked.name }), asked.format),
        typed::Key::Revoke(asked) => (Request::KeyRevoke(Named { name: asked.name }), asked.format),
        typed::Key::Set(asked) => {
            let scopes = asked.scopes.into();
            let open = scopes == surgewall_core::principal::Scopes::default();
            let scopes = (!open || asked.no_scopes).then_some(scopes);
            let (delegates, limits) = (asked.delegates, asked.limits.into_limits());
            (Request::KeySet(KeySet { key: asked.key, scopes, delegates, limits }), Shape::Text)
        }
    };
    one(operate(place, request).await?, format)
}

async fn create_key(place: &Place, asked: typed::KeyCreate) -> Result<(), Fault> {
    let sha256 = asked.sha256.map(Foreign::Sha256);
    let bcrypt = asked.bcrypt.zip(asked.prefix);
    let foreign = sha256.or(bcrypt.map(|(hash, prefix)| Foreign::Bcrypt { hash, prefix }));
    let create = KeyCreate {
        name: asked.name,
        account: asked.account,
        group: asked.group,
        scopes: asked.scopes.into(),
        delegates: asked.delegates,
        expires_in: asked.expires,
        limits: asked.limits.limits,
        foreign,
        own: false,
    };
    match operate(place, Request::KeyCreate(create)).await? {
        Reply::KeyCreated { id, key: Some(key) } => {
            err(&format!("made key {id}; it is shown only this once\n"));
            out(&format!("{}\n", key.0.expose()));
        }
        Reply::KeyCreated { id, key: None } => {
            err("the other system's key is accepted from now on\n");
            out(&format!("{id}\n"));
        }
        _ => return Err(unexpected()),
    }
    Ok(())
}

/// Prints a whole listing, page by page.
async fn list(
    place: &Place,
    what: Listing,
    account: Option<String>,
    format: Shape,
) -> Result<(), Fault> {
    let mut rows = show::Rows::default();
    let mut after = None;
    loop {
        let page = |after| List { after, rows_max: 0 };
        let request = match what {
            Listing::Users => Request::UserList(page(after)),
            Listing::Groups => Request::GroupList(page(after)),
            Listing::Keys => {
                Request::KeyList(KeyList { account: account.clone(), after, rows_max: 0 })
            }
        };
        let next = match operate(place, request).await? {
            Reply::Users(page) => take(&mut rows.users, page),
            Reply::Groups(page) => take(&mut rows.groups, page),
            Reply::Keys(page) => take(&mut rows.keys, page),
            _ => return Err(unexpected()),
        };
        match next {
            Some(next) => after = Some(next.to_string()),
            None => return rows.print(what, format),
        }
    }
}

fn take<T>(rows: &mut Vec<T>, page: Page<T>) -> Option<PublicId> {
    rows.extend(page.rows);
    page.next
}
