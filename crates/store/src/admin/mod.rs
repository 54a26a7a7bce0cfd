//! What an operator may ask of a door, as data: the command line and the
//! control socket run the same code.
//!
//! [`execute`] takes a [`Request`] and answers a [`Reply`] or an [`AdminError`];
//! all three cross the control socket as JSON.

mod brought;
mod close;
mod delegated;
mod detail;
mod ensure;
mod error;
mod export;
mod find;
mod groups;
mod import;
mod keys;
mod new_key;
mod office;
mod rank;
mod reply;
mod request;
mod signed;
mod standing;
mod users;
mod vault;
mod view;
mod words;

pub use brought::{Brought, BroughtUser, IMPORT_KEYS_MAX, IMPORT_USERS_MAX, KeyImport, UserImport};
pub use close::close;
pub use ensure::{AccountEnsure, Granted};
pub use error::{AdminError, ErrorKind};
pub(crate) use find::named_account;
pub use keys::{KEYS_KEPT_PER_ACCOUNT_MAX, KEYS_MADE_PER_HOUR_MAX, KEYS_PER_ACCOUNT_MAX};
pub use office::{Audit, AuditError, Office, execute, execute_by};
pub use reply::{
    DelegatedView, ErasureView, External, GroupView, KeyState, KeyView, LimitedUser, NewKey, Page,
    Reply, RotationView, UserView, VaultView,
};
pub use request::{
    Assign, EndUser, Foreign, GroupCreate, GroupSet, KeyCreate, KeyList, KeySet, KeysOf,
    LIST_ROWS_MAX, List, Named, Request, UserCreate, UserLimit, UserRecover, UserSet, VaultErase,
    Whose,
};
pub use signed::Signed;
pub use standing::{Judged, judge_accounts};
pub use users::given;
pub(crate) use vault::subject as subject_of;
pub(crate) use words::email;
pub use words::{
    BCRYPT_COST_MAX, BCRYPT_PREFIX_CHARS_MAX, BCRYPT_PREFIX_CHARS_MIN, EMAIL_BYTES_MAX,
    EMAIL_LOCAL_BYTES_MAX, EXTERNAL_BYTES_MAX, LIMITS_PER_SUBJECT_MAX, NAME_CHARS_MAX, ROUTES,
    SCOPE_ENTRIES_MAX, USERS_LIMITED_PER_KEY_MAX,
};
