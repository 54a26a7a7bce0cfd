//! The store's integration tests: one binary, one module per part.
#![expect(clippy::disallowed_methods, reason = "tests read small files whole")]

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod accounts_admin;
#[cfg(test)]
mod accounts_delegated;
#[cfg(test)]
mod accounts_faults;
#[cfg(test)]
mod accounts_foreign;
#[cfg(test)]
mod accounts_import;
#[cfg(test)]
mod accounts_own;
#[cfg(test)]
mod accounts_refused;
#[cfg(test)]
mod accounts_standing;
#[cfg(test)]
mod accounts_store;
#[cfg(test)]
mod conversations;
#[cfg(test)]
mod conversations_limits;
#[cfg(test)]
mod conversations_search;
#[cfg(test)]
mod conversations_tenants;
#[cfg(test)]
mod export;
#[cfg(test)]
mod findings;
#[cfg(test)]
mod findings_model;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod ledger_damage;
#[cfg(test)]
mod ledger_dataflow;
#[cfg(test)]
mod ledger_incidents;
#[cfg(test)]
mod ledger_log;
#[cfg(test)]
mod ledger_schedules;
#[cfg(test)]
mod ledger_store;
#[cfg(test)]
mod records;
#[cfg(test)]
mod records_damage;
#[cfg(test)]
mod records_kill;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod vault;
#[cfg(test)]
mod vault_admin;
#[cfg(test)]
mod vault_content;
#[cfg(test)]
mod vault_deaths;
