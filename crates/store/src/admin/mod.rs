//! What an operator may ask of a door, as data: the command line and the
//! control socket run the same code.

mod error;
mod reply;
mod request;
mod words;

pub use error::{AdminError, ErrorKind};
pub use reply::{External, GroupView, KeyState, KeyView, NewKey, Page, Reply, UserView};
pub use request::{
    AccountEnsure, Assign, Foreign, GroupCreate, GroupSet, IMPORT_KEYS_MAX, KeyCreate, KeyImport,
    KeyList, KeySet, LIST_ROWS_MAX, List, Named, Request, UserCreate, UserSet,
};
