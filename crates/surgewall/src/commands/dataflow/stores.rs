//! What lies in the data directory: each store with what it holds of people.

use std::fs;

use surgewall_store::datadir::DataDir;

use crate::fault::Fault;

/// One store of the data directory, as this version knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The file or folder.
    pub(super) name: &'static str,
    /// What it holds; `None` where that says nothing of people.
    pub(super) holds: Option<&'static str>,
    /// For how long.
    pub(super) keeps: Keeps,
}

/// For how long a store keeps what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keeps {
    /// As `[ledger]` says.
    Ledger,
    /// As `[vault]` says of records.
    Records,
    /// Until an operator deletes it.
    Deleted,
    /// As long as it is of use, and it is made anew.
    Use,
}

/// Every entry of a data directory.
const KNOWN: [Known; 13] = [
    Known {
        name: "door.sqlite",
        holds: Some(
            "accounts, groups and keys; conversations, as their owners saw them; findings; the last 50 configurations; all texts sealed",
        ),
        keeps: Keeps::Deleted,
    },
    Known {
        name: "records.sqlite",
        holds: Some("the operator's copies of prompts and answers, redacted and sealed"),
        keeps: Keeps::Records,
    },
    Known {
        name: "ledger",
        holds: Some(
            "decisions without content, sealed: ids, networks, models, upstreams, classes of data, counts",
        ),
        keeps: Keeps::Ledger,
    },
    Known {
        name: "learnt",
        holds: Some("what was learnt of upstreams, sealed; nothing of people"),
        keeps: Keeps::Use,
    },
    Known { name: "door.sqlite-wal", holds: None, keeps: Keeps::Use },
    Known { name: "door.sqlite-shm", holds: None, keeps: Keeps::Use },
    Known { name: "records.sqlite-wal", holds: None, keeps: Keeps::Use },
    Known { name: "records.sqlite-shm", holds: None, keeps: Keeps::Use },
    Known { name: "keys", holds: None, keeps: Keeps::Deleted },
    Known { name: "store", holds: None, keeps: Keeps::Deleted },
    Known { name: "lock", holds: None, keeps: Keeps::Use },
    Known { name: "control.sock", holds: None, keeps: Keeps::Use },
    Known { name: "lost+found", holds: None, keeps: Keeps::Use },
];

/// What is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Stores {
    /// Stores that hold something of people, or could be thought to.
    pub(super) known: Vec<Known>,
    /// Names that this version does not know.
    pub(super) strange: Vec<String>,
}

/// What lies in `data`.
pub(super) fn read(data: &DataDir) -> Result<Stores, Fault> {
    let mut stores = Stores::default();
    for entry in fs::read_dir(data.path())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        match KNOWN.into_iter().find(|known| known.name == name) {
            Some(known) if known.holds.is_some() => stores.known.push(known),
            Some(_) => {}
            None => stores.strange.push(name),
        }
    }
    stores.known.sort_by_key(|store| KNOWN.iter().position(|known| known.name == store.name));
    stores.strange.sort_unstable();
    Ok(stores)
}
