//! The gate in SQLite. Every statement is a constant; values are bound.

use std::str::FromStr;

use sqlx::sqlite::SqliteRow;
use surgewall_core::clock::Timestamp;
use surgewall_core::gate::{GateStep, MovedBy};
use surgewall_core::id::AccountId;

use super::rows::{
    bytes, column, id, instant, optional_id, optional_instant, public_id, to_blob, to_millis,
};
use super::write::begin;
use super::{Sqlite, engine};
use crate::gate::{GateStore, InvitePick, InviteRow, PlacePick, PlaceRow, StateRow};
use crate::people::{ORG_ID, PAGE_ROWS_MAX, StoreError};

impl GateStore for Sqlite {
    async fn gate_state(&self) -> Result<Option<StateRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM gate_state WHERE org_id = ?1").bind(ORG_ID);
        let found = query.fetch_optional(&self.readers).await;
        found.map_err(engine("reading the gate"))?.as_ref().map(state).transpose()
    }

    async fn write_gate_state(&self, row: &StateRow) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO gate_state (org_id, base, base_by, step, moved_by, since, \
             reason_sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (org_id) DO UPDATE SET base = excluded.base, \
             base_by = excluded.base_by, step = excluded.step, moved_by = excluded.moved_by, \
             since = excluded.since, reason_sealed = excluded.reason_sealed";
        let query = sqlx::query(SQL)
            .bind(ORG_ID)
            .bind(row.base.as_str())
            .bind(row.base_by.as_str())
            .bind(row.step.as_str())
            .bind(row.by.as_str())
            .bind(to_millis(row.since))
            .bind(&row.reason);
        query.execute(&self.writer).await.map(drop).map_err(engine("writing the gate"))
    }

    async fn add_invite(&self, row: &InviteRow) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO gate_invites (org_id, id, public_id, token_hash, made_by, \
             note_sealed, uses_max, uses, created_at, expires_at, revoked_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let query = sqlx::query(SQL)
            .bind(ORG_ID)
            .bind(to_blob(row.id))
            .bind(row.public_id.as_str())
            .bind(row.token_hash.to_vec())
            .bind(row.made_by.map(|account| to_blob(account.as_u128())))
            .bind(row.note.as_ref())
            .bind(row.uses_max)
            .bind(row.uses)
            .bind(to_millis(row.created_at))
            .bind(to_millis(row.expires_at))
            .bind(row.revoked_at.map(to_millis));
        query.execute(&self.writer).await.map(drop).map_err(engine("writing an invite"))
    }

    async fn invites(&self, pick: &InvitePick) -> Result<Vec<InviteRow>, StoreError> {
        const TOKEN: &str = "SELECT * FROM gate_invites WHERE org_id = ?1 AND token_hash = ?2";
        const PUBLIC_ID: &str = "SELECT * FROM gate_invites WHERE org_id = ?1 AND public_id = ?2";
        const MADE_BY: &str =
            "SELECT * FROM gate_invites WHERE org_id = ?1 AND made_by = ?2 ORDER BY id LIMIT ?3";
        const AFTER: &str =
            "SELECT * FROM gate_invites WHERE org_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
        let query = match pick {
            InvitePick::Token(hash) => sqlx::query(TOKEN).bind(ORG_ID).bind(hash.to_vec()),
            InvitePick::PublicId(name) => sqlx::query(PUBLIC_ID).bind(ORG_ID).bind(name),
            InvitePick::MadeBy(account) => {
                let query = sqlx::query(MADE_BY).bind(ORG_ID).bind(to_blob(account.as_u128()));
                query.bind(PAGE_ROWS_MAX)
            }
            InvitePick::After { id, rows_max } => {
                let query = sqlx::query(AFTER).bind(ORG_ID).bind(to_blob(*id));
                query.bind((*rows_max).min(PAGE_ROWS_MAX))
            }
        };
        let found = query.fetch_all(&self.readers).await.map_err(engine("reading invites"))?;
        found.iter().map(invite).collect()
    }

    async fn invites_standing(&self) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM gate_invites WHERE org_id = ?1 AND revoked_at IS NULL";
        let query = sqlx::query_scalar(sql).bind(ORG_ID);
        query.fetch_one(&self.readers).await.map_err(engine("counting invites"))
    }

    async fn revoke_invites(&self, ids: &[u128], at: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE gate_invites SET revoked_at = ?3 \
             WHERE org_id = ?1 AND id = ?2 AND revoked_at IS NULL";
        let doing = engine("revoking invites");
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        for id in ids {
            let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(*id)).bind(to_millis(at));
            query.execute(&mut *transaction).await.map_err(&doing)?;
        }
        transaction.commit().await.map_err(doing)
    }

    async fn use_invite(
        &self,
        id: u128,
        account: AccountId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        const USE: &str = "UPDATE gate_invites SET uses = uses + 1 WHERE org_id = ?1 AND id = ?2 \
             AND uses < uses_max AND revoked_at IS NULL AND expires_at > ?3";
        const NOTE: &str = "INSERT INTO gate_guests (org_id, account_id, invite_id, came_at) \
             VALUES (?1, ?2, ?3, ?4)";
        let doing = engine("using an invite");
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        let query = sqlx::query(USE).bind(ORG_ID).bind(to_blob(id)).bind(to_millis(at));
        let used = query.execute(&mut *transaction).await.map_err(&doing)?.rows_affected() > 0;
        if used {
            let query = sqlx::query(NOTE).bind(ORG_ID).bind(to_blob(account.as_u128()));
            let query = query.bind(to_blob(id)).bind(to_millis(at));
            query.execute(&mut *transaction).await.map_err(&doing)?;
        }
        transaction.commit().await.map_err(doing)?;
        Ok(used)
    }

    async fn guests(&self, invite: u128) -> Result<Vec<AccountId>, StoreError> {
        let sql = "SELECT account_id FROM gate_guests WHERE org_id = ?1 AND invite_id = ?2 \
             ORDER BY account_id LIMIT ?3";
        let query = sqlx::query(sql).bind(ORG_ID).bind(to_blob(invite)).bind(PAGE_ROWS_MAX);
        let found = query.fetch_all(&self.readers).await.map_err(engine("reading guests"))?;
        found.iter().map(|row| id(row, "account_id")).collect()
    }

    async fn add_place(&self, row: &PlaceRow) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO gate_places (org_id, number, email_hash, email_sealed, \
             network_hash, joined_at, let_in_at, expires_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let query = sqlx::query(SQL)
            .bind(ORG_ID)
            .bind(to_number(row.number))
            .bind(row.email_hash.to_vec())
            .bind(&row.email)
            .bind(row.network_hash.to_vec())
            .bind(to_millis(row.joined_at))
            .bind(row.let_in.map(|(at, _)| to_millis(at)))
            .bind(row.let_in.map(|(_, until)| to_millis(until)));
        query.execute(&self.writer).await.map(drop).map_err(engine("writing a place"))
    }

    async fn places(&self, pick: &PlacePick) -> Result<Vec<PlaceRow>, StoreError> {
        const EMAIL: &str = "SELECT * FROM gate_places WHERE org_id = ?1 AND email_hash = ?2 \
             ORDER BY number LIMIT ?3";
        const NUMBER: &str = "SELECT * FROM gate_places WHERE org_id = ?1 AND number = ?2";
        const WAITING: &str = "SELECT * FROM gate_places WHERE org_id = ?1 AND number > ?2 \
             AND let_in_at IS NULL ORDER BY number LIMIT ?3";
        let query = match pick {
            PlacePick::Email(hash) => {
                sqlx::query(EMAIL).bind(ORG_ID).bind(hash.to_vec()).bind(PAGE_ROWS_MAX)
            }
            PlacePick::Number(number) => sqlx::query(NUMBER).bind(ORG_ID).bind(to_number(*number)),
            PlacePick::Waiting { after, rows_max } => {
                let query = sqlx::query(WAITING).bind(ORG_ID).bind(to_number(*after));
                query.bind((*rows_max).min(PAGE_ROWS_MAX))
            }
        };
        let found = query.fetch_all(&self.readers).await;
        found.map_err(engine("reading the waiting list"))?.iter().map(place).collect()
    }

    async fn waiting(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM gate_places WHERE org_id = ?1 AND let_in_at IS NULL";
        count(sqlx::query_scalar(sql).bind(ORG_ID).fetch_one(&self.readers).await)
    }

    async fn waiting_of(&self, network_hash: &[u8; 32]) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM gate_places WHERE org_id = ?1 AND network_hash = ?2 \
             AND let_in_at IS NULL";
        let query = sqlx::query_scalar(sql).bind(ORG_ID).bind(network_hash.to_vec());
        count(query.fetch_one(&self.readers).await)
    }

    async fn position(&self, number: u64) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM gate_places AS before WHERE before.org_id = ?1 \
             AND before.let_in_at IS NULL AND before.number <= own.number) FROM gate_places AS own \
             WHERE own.org_id = ?1 AND own.number = ?2 AND own.let_in_at IS NULL";
        let query = sqlx::query_scalar(sql).bind(ORG_ID).bind(to_number(number));
        match query.fetch_optional(&self.readers).await {
            Ok(None) => Ok(None),
            Ok(Some(position)) => count(Ok(position)).map(Some),
            Err(error) => count(Err(error)).map(Some),
        }
    }

    async fn last_place(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(number), 0) FROM gate_places WHERE org_id = ?1";
        count(sqlx::query_scalar(sql).bind(ORG_ID).fetch_one(&self.readers).await)
    }

    async fn let_in(
        &self,
        numbers: &[u64],
        at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE gate_places SET let_in_at = ?3, expires_at = ?4 \
             WHERE org_id = ?1 AND number = ?2 AND let_in_at IS NULL";
        let doing = engine("letting people in");
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        for number in numbers {
            let query = sqlx::query(SQL).bind(ORG_ID).bind(to_number(*number));
            let query = query.bind(to_millis(at)).bind(to_millis(expires_at));
            query.execute(&mut *transaction).await.map_err(&doing)?;
        }
        transaction.commit().await.map_err(doing)
    }

    async fn forget_place(&self, number: u64, now: Timestamp) -> Result<bool, StoreError> {
        const ONE: &str = "DELETE FROM gate_places WHERE org_id = ?1 AND number = ?2";
        const OVER: &str = "DELETE FROM gate_places WHERE org_id = ?1 AND let_in_at IS NOT NULL \
             AND expires_at <= ?2";
        let doing = engine("removing a place");
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        let query = sqlx::query(ONE).bind(ORG_ID).bind(to_number(number));
        let removed = query.execute(&mut *transaction).await.map_err(&doing)?.rows_affected() > 0;
        let query = sqlx::query(OVER).bind(ORG_ID).bind(to_millis(now));
        query.execute(&mut *transaction).await.map_err(&doing)?;
        transaction.commit().await.map_err(doing)?;
        Ok(removed)
    }
}

fn count(found: Result<i64, sqlx::Error>) -> Result<u64, StoreError> {
    let found = found.map_err(engine("reading the waiting list"))?;
    u64::try_from(found).map_err(|_| StoreError::Damaged { column: "gate_places.number" })
}

fn to_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn state(row: &SqliteRow) -> Result<StateRow, StoreError> {
    Ok(StateRow {
        base: step(row, "base")?,
        base_by: moved_by(row, "base_by")?,
        step: step(row, "step")?,
        by: moved_by(row, "moved_by")?,
        since: instant(row, "since")?,
        reason: column(row, "reason_sealed")?,
    })
}

fn step(row: &SqliteRow, name: &'static str) -> Result<GateStep, StoreError> {
    let word: &str = column(row, name)?;
    GateStep::from_str(word).map_err(|_| StoreError::Damaged { column: name })
}

fn moved_by(row: &SqliteRow, name: &'static str) -> Result<MovedBy, StoreError> {
    let word: &str = column(row, name)?;
    let known = MovedBy::ALL.into_iter().find(|by| by.as_str() == word);
    known.ok_or(StoreError::Damaged { column: name })
}

fn invite(row: &SqliteRow) -> Result<InviteRow, StoreError> {
    Ok(InviteRow {
        id: u128::from_be_bytes(bytes(row, "id")?),
        public_id: public_id(row)?,
        token_hash: bytes(row, "token_hash")?,
        made_by: optional_id(row, "made_by")?,
        note: column(row, "note_sealed")?,
        uses_max: column(row, "uses_max")?,
        uses: column(row, "uses")?,
        created_at: instant(row, "created_at")?,
        expires_at: instant(row, "expires_at")?,
        revoked_at: optional_instant(row, "revoked_at")?,
    })
}

fn place(row: &SqliteRow) -> Result<PlaceRow, StoreError> {
    let number: i64 = column(row, "number")?;
    let let_in = optional_instant(row, "let_in_at")?;
    Ok(PlaceRow {
        number: u64::try_from(number).map_err(|_| StoreError::Damaged { column: "number" })?,
        email_hash: bytes(row, "email_hash")?,
        email: column(row, "email_sealed")?,
        network_hash: bytes(row, "network_hash")?,
        joined_at: instant(row, "joined_at")?,
        let_in: let_in.zip(optional_instant(row, "expires_at")?),
    })
}
