//! Signing in, in SQLite.

mod factors;
mod flows;
mod sessions;

use std::future::Future;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, FactorId, SessionId};

use super::{Sqlite, engine};
use crate::identity::{FactorKind, FactorRow, FlowKind, FlowRow, Identity, SessionRow};
use crate::people::{ORG_ID, StoreError};

impl Identity for Sqlite {
    fn factors(
        &self,
        account: AccountId,
    ) -> impl Future<Output = Result<Vec<FactorRow>, StoreError>> + Send {
        factors::of(&self.readers, account)
    }

    fn passkey(
        &self,
        lookup: [u8; 32],
    ) -> impl Future<Output = Result<Option<FactorRow>, StoreError>> + Send {
        factors::passkey(&self.readers, lookup)
    }

    fn put_factors(
        &self,
        rows: &[FactorRow],
        instead_of: Option<(AccountId, FactorKind)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        factors::put(&self.writer, rows, instead_of)
    }

    fn remove_factor(
        &self,
        account: AccountId,
        public_id: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        factors::remove(&self.writer, account, public_id)
    }

    fn take_recovery_code(
        &self,
        account: AccountId,
        lookup: [u8; 32],
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        factors::take_recovery_code(&self.writer, account, lookup)
    }

    fn step_totp(
        &self,
        account: AccountId,
        step: u64,
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        factors::step_totp(&self.writer, account, step, at)
    }

    fn use_passkey(
        &self,
        owner: (AccountId, FactorId),
        body: &[u8],
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        factors::use_passkey(&self.writer, owner, body, at)
    }

    fn sessions(
        &self,
        after: u128,
    ) -> impl Future<Output = Result<Vec<SessionRow>, StoreError>> + Send {
        sessions::page(&self.readers, after)
    }

    fn put_session(
        &self,
        row: &SessionRow,
        instead_of: &[SessionId],
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        sessions::put(&self.writer, row, instead_of)
    }

    fn end_sessions(
        &self,
        ids: &[SessionId],
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        sessions::end(&self.writer, ids)
    }

    fn write_seen(
        &self,
        seen: &[(SessionId, Timestamp)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        sessions::write_seen(&self.writer, seen)
    }

    fn put_flow(
        &self,
        row: &FlowRow,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        flows::put(&self.writer, row, now)
    }

    fn try_flow(
        &self,
        token_hash: [u8; 32],
        kind: FlowKind,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<FlowRow>, StoreError>> + Send {
        flows::try_one(&self.writer, token_hash, kind, now)
    }

    fn take_flow(
        &self,
        token_hash: [u8; 32],
        kind: FlowKind,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        flows::take(&self.writer, token_hash, kind, now)
    }

    async fn has_owner(&self) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM accounts INDEXED BY accounts_role \
             WHERE org_id = ?1 AND role = 'owner' AND role IS NOT NULL AND role <> 'user')";
        let query = sqlx::query_scalar(SQL).bind(ORG_ID).fetch_one(&self.readers);
        query.await.map_err(engine("looking for an owner"))
    }
}
