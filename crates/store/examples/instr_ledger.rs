//! Requests in the ledger, admitted and settled, for `benches/instructions.sh`.
//! A thread of its own writes them, so the whole program is counted for two
//! counts of requests, and the difference is theirs.

use std::error::Error;

use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::config::schema;
use surgewall_core::decision::{Admitted, Outcome, Record, Settled, Who};
use surgewall_core::flow::{Carried, Observed, Went};
use surgewall_core::id::{KeyId, RequestId};
use surgewall_core::principal::{Class, Network};
use surgewall_core::quota::{Amounts, Charge, Meter, Subject};
use surgewall_core::usage::{Source, Usage};
use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::vault::Vault;

const AT: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const RESERVED: Amounts = Amounts { input: 250, output: 256, money: 0 };
const USED: Amounts = Amounts { input: 250, output: 20, money: 0 };

fn main() -> Result<(), Box<dyn Error>> {
    let count: u128 = std::env::args().nth(1).unwrap_or_default().parse()?;
    let base = tempfile::tempdir()?;
    let data = DataDir::open_or_create(&base.path().join("data"))?;
    let vault = Vault::open_or_create(&data, Some(&base.path().join("key")))?;
    let options = LedgerOptions::new(&schema::Ledger::default(), Clock::System);
    let (ledger, _) = Ledger::open(&data, &vault, options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for n in 0..count {
            ledger.append(admitted(n)).await?;
            ledger.append_detached(settled(n));
        }
        ledger.shutdown().await
    })?;
    Ok(())
}

fn admitted(n: u128) -> Record {
    let key = KeyId::from_u128(1);
    let charge = |counter, meter, window_s| Charge {
        subject: Subject::Key(key),
        counter,
        meter,
        window_s,
        slot_ms: AT.millis(),
        amount: RESERVED.on(meter),
    };
    let network = Network::of(std::net::Ipv4Addr::LOCALHOST.into());
    Record::Admitted(Box::new(Admitted {
        request_id: RequestId::from_u128(n),
        at: AT,
        who: Who {
            class: Class::Verified,
            key: Some(key),
            account: None,
            group: None,
            user: None,
            network,
        },
        route: "chat".into(),
        dialect: "openai".into(),
        model: "double".into(),
        reserved: RESERVED,
        charges: vec![charge(1, Meter::Requests, 60), charge(2, Meter::TotalTokens, 86_400)],
        carried: Carried::default(),
        config: "0123456789abcdef".into(),
    }))
}

fn settled(n: u128) -> Record {
    Record::Settled(Box::new(Settled {
        request_id: RequestId::from_u128(n),
        at: AT,
        outcome: Outcome::Completed,
        why: None,
        usage: Usage { input: USED.input, output: USED.output, ..Usage::default() },
        source: Source::Upstream,
        cost: 0,
        reserved: RESERVED,
        topped_up: Amounts::default(),
        settled: USED,
        refunded: RESERVED.beyond(&USED),
        upstream: Some("double".into()),
        went: Went { observed: Some(Observed::Local), ..Went::default() },
        attempts: 1,
        status: 200,
        first_byte_ms: Some(1),
        duration_ms: 2,
    }))
}
