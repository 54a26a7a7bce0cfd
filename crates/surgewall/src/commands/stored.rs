//! What is stored in a data directory, held against the configuration.

use surgewall_core::config::Config;
use surgewall_core::config::validate::unpriced;
use surgewall_core::quota::LimitSpec;
use surgewall_store::admin::{self, KeyList, List, Named, Office, Reply, Request};
use surgewall_store::people::People;

use super::office::NoAudit;
use crate::fault::Fault;

/// A limit in money that no price stands behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unpriced {
    /// Whose limit it is, by public id.
    pub(crate) subject: String,
    /// The limit.
    pub(crate) limit: String,
    /// The model without a price.
    pub(crate) model: String,
}

/// The first money limit on a group, account, key or end user that counts a model
/// without a price.
///
/// # Errors
/// The store failed.
pub(crate) async fn first_unpriced<P: People>(
    office: &Office<'_, P>,
) -> Result<Option<Unpriced>, Fault> {
    let config = office.config;
    for kind in [Kind::Group, Kind::User, Kind::Key] {
        let mut after = None;
        loop {
            let (rows, next) = page(office, kind, after.take()).await?;
            let found = rows.iter().find_map(|(id, limits)| first(config, id, limits));
            if found.is_some() {
                return Ok(found);
            }
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    Ok(None)
}

#[derive(Clone, Copy)]
enum Kind {
    Group,
    User,
    Key,
}

/// One page of ids with their limits, and where the next begins.
type Rows = (Vec<(String, Vec<String>)>, Option<String>);

async fn page<P: People>(
    office: &Office<'_, P>,
    kind: Kind,
    after: Option<String>,
) -> Result<Rows, Fault> {
    let list = |after| List { after, rows_max: 0 };
    let request = match kind {
        Kind::Group => Request::GroupList(list(after)),
        Kind::User => Request::UserList(list(after)),
        Kind::Key => Request::KeyList(KeyList { account: None, after, rows_max: 0 }),
    };
    Ok(match admin::execute(office, &NoAudit, request).await? {
        Reply::Groups(page) => {
            let rows = page.rows.into_iter().map(|row| (row.id.to_string(), row.limits));
            (rows.collect(), page.next.map(|next| next.to_string()))
        }
        Reply::Users(page) => {
            let rows = page.rows.into_iter().map(|row| (row.id.to_string(), row.limits));
            (rows.collect(), page.next.map(|next| next.to_string()))
        }
        Reply::Keys(page) => {
            let mut rows = Vec::with_capacity(page.rows.len());
            for row in page.rows {
                if row.users_limited > 0 {
                    rows.push((
                        row.id.to_string(),
                        users_limits(office, row.id.to_string()).await?,
                    ));
                }
                rows.push((row.id.to_string(), row.limits));
            }
            (rows, page.next.map(|next| next.to_string()))
        }
        _ => (Vec::new(), None),
    })
}

/// The limits of all end users of one key together.
async fn users_limits<P: People>(
    office: &Office<'_, P>,
    name: String,
) -> Result<Vec<String>, Fault> {
    let shown = admin::execute(office, &NoAudit, Request::KeyShow(Named { name })).await?;
    let Reply::Key(key) = shown else { return Ok(Vec::new()) };
    Ok(key.users.into_iter().flat_map(|user| user.limits).collect())
}

fn first(config: &Config, subject: &str, limits: &[String]) -> Option<Unpriced> {
    limits.iter().find_map(|limit| {
        let spec: LimitSpec = limit.parse().ok()?;
        let model = unpriced(config, &spec)?;
        Some(Unpriced { subject: subject.to_owned(), limit: limit.clone(), model })
    })
}

impl Unpriced {
    /// As a refusal to start.
    pub(crate) fn fault(&self) -> Fault {
        let Self { subject, limit, model } = self;
        Fault::new(format!("{subject} has the limit {limit}, which counts money for `{model}`, and that has no price"))
            .hint("add [prices.\"MODEL\"] with input_per_million, output_per_million, currency, source and date; or change the limit with `surgewall admin`")
    }
}
