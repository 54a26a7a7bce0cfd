//! How long it takes to erase one of 100,000 subjects: their keys are made, one
//! after another is erased, each time as durable as always.
//!
//! `cargo run --release -p surgewall-store --example erase [SUBJECTS] [ERASURES]`

use std::error::Error;
use std::io::Write as _;

use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::id::AccountId;
use surgewall_core::subject::Subject;
use surgewall_store::datadir::DataDir;
use surgewall_store::vault::{Content, Epoch, Vault};

/// Months that each subject has keys for.
const EPOCHS: u64 = 12;
const MONTH_MS: u64 = 30 * 86_400_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let subjects: u128 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let erasures: u128 = arguments.next().map_or(Ok(9), |text| text.parse())?;
    let base = tempfile::tempdir()?;
    let data = DataDir::open_or_create(&base.path().join("data"))?;
    let key = base.path().join("master.key");
    let vault = Vault::open_or_create(&data, Some(&key))?;
    let subject = |id| Subject::Account(AccountId::from_u128(id));
    let at = |month: u64| Timestamp::from_millis(1_700_000_000_000 + month * MONTH_MS);
    let mut out = std::io::stdout().lock();

    let (clock, mut wanted) = (Clock::System, Vec::new());
    let begin = clock.monotonic();
    for id in 1..=subjects {
        for month in 0..EPOCHS {
            wanted.push((Content::Conversation, subject(id), Epoch::of(at(month))));
        }
    }
    vault.ready_keys(&wanted)?;
    let status = vault.status()?;
    writeln!(
        out,
        "{} keys of {} subjects made in {:.2} s, file {} MB",
        status.keys,
        status.subjects,
        begin.elapsed().as_secs_f64(),
        std::fs::metadata(&status.accounts_file)?.len() / 1_000_000
    )?;

    let mut took = Vec::new();
    for turn in 1..=erasures {
        let whose = subject(turn * subjects / (erasures + 1));
        let sealed = vault.seal_for(Content::Conversation, whose, at(0), "m", b"hello")?;
        let begin = clock.monotonic();
        let erased = vault.erase(whose)?;
        took.push(begin.elapsed());
        let is_closed = vault.open_for(Content::Conversation, whose, "m", &sealed).is_err();
        if u64::from(erased.keys) != EPOCHS || !is_closed {
            return Err("an erasure did not destroy what it should".into());
        }
    }
    took.sort_unstable();
    let ms = |at: usize| took.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    writeln!(
        out,
        "erased {} of them: median {:.2} ms, fastest {:.2} ms, slowest {:.2} ms",
        took.len(),
        ms(took.len() / 2),
        ms(0),
        ms(took.len().saturating_sub(1))
    )?;

    drop(vault);
    let begin = clock.monotonic();
    let vault = Vault::open_or_create(&data, Some(&key))?;
    let left = vault.status()?;
    writeln!(out, "opened again in {:.2} s", begin.elapsed().as_secs_f64())?;
    let begin = clock.monotonic();
    let rotated = vault.rotate(at(EPOCHS))?;
    writeln!(
        out,
        "{} keys wrapped by a new master key in {:.2} s, {} subjects erased",
        rotated.keys,
        begin.elapsed().as_secs_f64(),
        left.erased
    )?;
    Ok(())
}
