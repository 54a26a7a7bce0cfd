//! What can go wrong in a store of people.

/// A store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine failed.
    #[error("the database failed while {doing}")]
    Engine {
        /// What it was doing.
        doing: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is no database of this door.
    #[error("{path} is not a Surgewall database (application id {found:#x})")]
    NotOurs {
        /// The file.
        path: String,
        /// The id in its header.
        found: i64,
    },
    /// A newer version wrote the database.
    #[error(
        "the database has schema {found} and this version knows up to {known}; migrations only go forward: run the newer surgewall, or restore the data directory as it was before the upgrade"
    )]
    NewerSchema {
        /// The version in the file.
        found: i64,
        /// The newest that this version knows.
        known: i64,
    },
    /// A row collides with another one.
    #[error("a {what} like this exists already")]
    Duplicate {
        /// Which column: `group name`, `e-mail`, `token subject`, `key name`, `credential`, `finding`, `passkey` or `id`.
        what: &'static str,
    },
    /// A row does not hold what it should.
    #[error("the database row of {column} is damaged")]
    Damaged {
        /// Table and column.
        column: &'static str,
    },
    /// A sealed column does not open.
    #[error(
        "{column} does not open: the master key is not the one that sealed it, or the row was altered"
    )]
    Sealed {
        /// Table and column.
        column: &'static str,
    },
}
